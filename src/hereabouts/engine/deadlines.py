"""All deadlines of a node in one structure: a timing wheel with lazy re-filing.

Moving a deadline later costs nothing: the item stays where it is filed and is filed anew when its old slot comes up.
So a beat is one assignment, whatever the number of sessions. An item is filed under the slot *after* its deadline
(rounded up), so that it is never handed out early.
"""

from __future__ import annotations

from collections import deque
from math import ceil, floor
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """Something with a deadline; the wheel keeps the slot it filed the item under in `filed_slot`."""

    filed_slot: int

    def due_at(self) -> float | None:
        """The next moment (tick) at which there is something to do, or `None` for never."""


Item = TypeVar("Item", bound=Timed)


class Deadlines(Generic[Item]):
    """Files items by their `due_at()` in slots of `slot_seconds`; says which are due."""

    def __init__(self, now: float, slot_seconds: float = 0.05) -> None:
        self._slot_seconds = slot_seconds
        self._turned_to = floor(now / slot_seconds)
        self._slots: dict[int, list[Item]] = {}
        self._ready: deque[Item] = deque()

    def __len__(self) -> int:
        """How many are filed; an item that was filed again counts twice until its older slot has passed."""
        return len(self._ready) + sum(map(len, self._slots.values()))

    def file(self, item: Item) -> None:
        """Note the item's deadline. Needed when it is new or has moved earlier; harmless otherwise."""
        due = item.due_at()
        if due is None:
            item.filed_slot = -1
            return
        slot = max(ceil(due / self._slot_seconds), self._turned_to + 1)
        if item.filed_slot != slot:
            item.filed_slot = slot
            self._slots.setdefault(slot, []).append(item)

    def due(self, now: float, most: int = 1_000) -> list[Item]:
        """Up to `most` items whose deadline has come; each is to be filed again by the caller, if it lives on.

        When `most` were given there may be more: call again after letting others have a turn.
        """
        self._turn(floor(now / self._slot_seconds))
        given: list[Item] = []
        while self._ready and len(given) < most:
            item = self._ready.popleft()
            due = item.due_at()
            if due is None:
                continue
            if due <= now:
                given.append(item)
            else:
                self.file(item)
        return given

    def _turn(self, slot: int) -> None:
        if slot - self._turned_to > len(self._slots) + 64:
            passed = sorted(filed for filed in self._slots if filed <= slot)
        else:
            passed = [filed for filed in range(self._turned_to + 1, slot + 1) if filed in self._slots]
        self._turned_to = max(slot, self._turned_to)
        for filed in passed:
            for item in self._slots.pop(filed):
                if item.filed_slot == filed:
                    item.filed_slot = -1
                    self._ready.append(item)
