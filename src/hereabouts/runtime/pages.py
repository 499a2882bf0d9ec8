"""Rosters read in pages that agree on one position: what the later pages will show is kept for a short while."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from msgspec import Raw

from hereabouts.engine.identity import Identity
from hereabouts.errors import Refusal
from hereabouts.fanout.audience import member_json
from hereabouts.protocol.codes import View
from hereabouts.runtime.context import Context
from hereabouts.runtime.reading import RoomRead

CURSOR_SECONDS: Final = 30.0
"""How long a cursor is good, on the node that gave it."""

KEPT_MEMBERS: Final = 250_000
"""So many members are kept for later pages in all; beyond it the oldest reads are forgotten."""

KEPT_READS: Final = 4
"""So many reads of one caller are kept: nobody's paging pushes out everybody else's."""


class Page(NamedTuple):
    """Some members of a read, and the cursor that the next ones are had with."""

    read: RoomRead
    members: list[Raw]
    next_cursor: str | None


class _Kept(NamedTuple):
    read: RoomRead
    caller: tuple[str, str, str]
    ends_tick: float


class Pages:
    """Cuts reads into pages. A cursor names a read and a place in it; it is good for its own caller alone."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._members = 0

    def __len__(self) -> int:
        return len(self._kept)

    def first(self, identity: Identity, key: str, read: RoomRead, limit: int) -> Page:
        """The first page of a read. `key` is the name of the API key that reads, if one does."""
        if len(read.members) <= limit:
            return self._page(identity, read, 0, limit, None)
        caller = (identity.tenant, identity.user_id, key)
        self._make_room(caller, len(read.members))
        name = self._context.random_bytes(16).hex()
        self._kept[name] = _Kept(read, caller, self._context.now().tick + CURSOR_SECONDS)
        self._members += len(read.members)
        return self._page(identity, read, 0, limit, name)

    def later(self, identity: Identity, key: str, room: str, view: View, cursor: str, limit: int) -> Page:
        """The page at a cursor, for a caller who has this view now.

        Raises `Refusal` with `cursor_gone`, whatever is wrong with it.
        """
        self._forget_old()
        name, _, place = cursor.partition(".")
        kept = self._kept.get(name)
        wanted = ((identity.tenant, identity.user_id, key), room, view)
        is_place = place.isdecimal() and place.isascii() and len(place) <= 9
        if kept is None or (kept.caller, kept.read.room, kept.read.view) != wanted or not is_place:
            raise Refusal("cursor_gone", f"the cursor is not known here; it is good for {CURSOR_SECONDS:g} s")
        return self._page(identity, kept.read, int(place), limit, name)

    def _page(self, identity: Identity, read: RoomRead, start: int, limit: int, name: str | None) -> Page:
        end = start + limit
        members: list[Raw] = []
        for member in read.members[start:end]:
            json = member_json(
                member,
                read.view,
                is_typing=member.user_id in read.typing,
                is_self=member.user_id == identity.user_id,
            )
            if json is not None:
                members.append(Raw(json))
        return Page(read, members, f"{name}.{end}" if end < len(read.members) else None)

    def _make_room(self, caller: tuple[str, str, str], members: int) -> None:
        self._forget_old()
        own = [name for name, kept in self._kept.items() if kept.caller == caller]
        for name in own[: max(0, len(own) - KEPT_READS + 1)]:
            self._forget(name)
        while self._kept and self._members + members > KEPT_MEMBERS:
            self._forget(next(iter(self._kept)))

    def _forget_old(self) -> None:
        tick = self._context.now().tick
        while self._kept and (oldest := next(iter(self._kept.items())))[1].ends_tick <= tick:
            self._forget(oldest[0])

    def _forget(self, name: str) -> None:
        self._members -= len(self._kept.pop(name).read.members)
