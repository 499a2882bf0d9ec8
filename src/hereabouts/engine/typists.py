"""Who types in a room, as far as one node has heard. Not stored; each name lapses by itself unless it is repeated."""

from __future__ import annotations

from collections.abc import Iterator


class Typists:
    """The names, oldest first. `version` grows with each change of who is among them."""

    __slots__ = ("_until", "version")

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self.version = 0

    def __contains__(self, user_id: object) -> bool:
        return user_id in self._until

    def __iter__(self) -> Iterator[str]:
        return iter(self._until)

    def __len__(self) -> int:
        return len(self._until)

    def due_at(self) -> float | None:
        """The tick at which the next of them lapses."""
        return min(self._until.values(), default=None)

    def start(self, user_id: str, until_tick: float) -> bool:
        """The user types, at least until then; whether that is new."""
        is_new = user_id not in self._until
        self._until[user_id] = until_tick
        self.version += is_new
        return is_new

    def stop(self, user_id: str) -> bool:
        """The user types no more, or left; whether that is new."""
        is_new = self._until.pop(user_id, None) is not None
        self.version += is_new
        return is_new

    def lapse(self, tick: float) -> bool:
        """Forget those who have not repeated it in time; whether there were any."""
        lapsed = [user_id for user_id, until_tick in self._until.items() if until_tick <= tick]
        for user_id in lapsed:
            self.stop(user_id)
        return bool(lapsed)
