"""What a client asks for by itself: what a new session does not have, and a snapshot where a delta was missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from hereabouts.client.line import Line, Making, quietly
from hereabouts.client.place import Places
from hereabouts.client.refusals import Refused
from hereabouts.client.saying import join, leave, sync, watch_kinds, watch_rooms, watch_users
from hereabouts.client.world import World
from hereabouts.protocol.messages import Ok, Welcome

RETRY_SECONDS: Final = 1.0
PASSING: Final = frozenset({"rate_limited", "degraded", "internal"})
"""Refusals that another time may not meet."""


class Recovery:
    """Brings a session to what `places` say that it looks at. What the server refuses for good ends its readers."""

    def __init__(self, places: Places, world: World) -> None:
        self._places = places
        self._world = world

    def restore(self, line: Line, welcome: Welcome) -> None:
        """After a welcome: leave and join rooms, and watch again. All of it is sent before anything else is."""
        for room in welcome.rooms:
            place = self._places.get(room)
            if place is None or not place.is_wanted:
                quietly(line.ask(partial(leave, room)))
        for place in self._places:
            if place.joins and place.room not in welcome.rooms:
                rejoin = partial(join, place.room, dict(place.state))
                self._insist(line, rejoin, partial(self._places.refused, [place.room]))
        watched = self._places.watched_rooms()
        for mode in sorted(set(watched.values())):
            rooms = [room for room, how in watched.items() if how == mode]
            self._insist(line, partial(watch_rooms, rooms, mode), partial(self._places.refused, rooms))
        if users := sorted(self._places.watched_users()):
            self._insist(line, partial(watch_users, users), lambda _: None)
        if kinds := sorted(self._places.watched_kinds()):
            self.watch_kinds(line, kinds)

    def watch_kinds(self, line: Line, kinds: list[str]) -> None:
        """Ask for what is held of these kinds."""
        self._insist(line, partial(watch_kinds, kinds), lambda _: None)

    def keep(self, rooms: Collection[str]) -> None:
        """A new token grants these rooms of those that were shown. What it does not ends its readers."""
        gone = [place.room for place in self._places if place.fold.is_known and place.room not in rooms]
        self._places.refused(gone, Refused("forbidden", "the new token does not grant the room"))

    def sync(self, line: Line, room: str) -> None:
        """Ask for a snapshot of a room."""
        self._insist(line, partial(sync, room), lambda _: None)

    def _insist(self, line: Line, making: Making, refused: Callable[[Refused], None]) -> None:
        """Ask, and again while the refusal is a passing one; call `refused` if it is not."""
        line.ask(making).add_done_callback(partial(self._answered, line, making, refused))

    def _answered(
        self, line: Line, making: Making, refused: Callable[[Refused], None], answer: asyncio.Future[Ok]
    ) -> None:
        error = None if answer.cancelled() else answer.exception()
        if not isinstance(error, Refused):
            return
        if error.code not in PASSING:
            refused(error)
            return
        seconds = error.retry_after_seconds or RETRY_SECONDS
        self._world.the_clock().call_later(seconds, self._again, line, making, refused)

    def _again(self, line: Line, making: Making, refused: Callable[[Refused], None]) -> None:
        if not line.is_over:
            self._insist(line, making, refused)
