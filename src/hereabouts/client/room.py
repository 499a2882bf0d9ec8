"""A room as a member of it sees it."""

from __future__ import annotations

from functools import partial
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from hereabouts.client.connection import Connection
from hereabouts.client.events import Member, RoomEvent
from hereabouts.client.place import Place
from hereabouts.client.reading import Reading
from hereabouts.client.refusals import Closed
from hereabouts.client.saying import join, leave, update
from hereabouts.client.world import Clock
from hereabouts.protocol.messages import Leave, Typing


class AsyncRoom:
    """Joins on entering `async with`, leaves on exit. Comes from `AsyncPresence.room`."""

    def __init__(
        self, connection: Connection, clock: Clock, name: str, state: dict[str, Any], timeout_seconds: float
    ) -> None:
        self.name = name
        self._connection = connection
        self._clock = clock
        self._state = state
        self._timeout_seconds = timeout_seconds
        self._place: Place | None = None
        self._readings: WeakSet[Reading[RoomEvent]] = WeakSet()
        self._typing_told: float | None = None

    async def __aenter__(self) -> Self:
        await self.join()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._place is not None:
            await self.leave()

    # What is there

    @property
    def members(self) -> tuple[Member, ...]:
        """Those in the room, as far as this client may see them. Empty where the room is too large to list."""
        return self._here.fold.members

    @property
    def count(self) -> int:
        """How many users are in the room."""
        return self._here.fold.count

    @property
    def typing(self) -> tuple[str, ...]:
        """The ids of those who are typing, this user left out."""
        return self._here.fold.typing

    @property
    def self(self) -> Member | None:
        """This user's own entry."""
        return self._here.fold.own

    @property
    def is_stale(self) -> bool:
        """Whether changes may be missing: there is no connection, or a gap is being mended."""
        return self._connection.state != "connected" or self._here.fold.is_stale

    @property
    def is_summary(self) -> bool:
        """Whether the room is too large to list, and only counted."""
        return self._here.fold.is_summary

    def events(self) -> Reading[RoomEvent]:
        """What happens from now on, to be read with `async for`; the list until now is in `members`.

        A reader that falls far behind gets one `Synced` for all that it missed. Raises `Refused` or `SessionEnded`
        at its end when that is why it ends.
        """
        reading = self._here.read()
        self._readings.add(reading)
        return reading

    # What to do

    async def join(self) -> None:
        """Become a member; `async with` does it. Raises `Refused`, `TimeoutError`, `SessionEnded`."""
        place = self._connection.places.enter(self.name)
        try:
            await self._ask_in(place)
            self._place = place
            await self._connection.soon(place.known(), self._timeout_seconds, f"the list of {self.name!r}")
        except BaseException:
            if self._place is not None:
                self._place = None
                place.joins -= 1
            self._connection.places.leave(place)
            if not place.is_wanted:
                self._connection.say(Leave(self.name))
            raise

    async def _ask_in(self, place: Place) -> None:
        place.joining += 1
        try:
            joining = partial(join, self.name, self._state)
            await self._connection.request(joining, self._timeout_seconds, f"join {self.name!r}")
            place.joins += 1
            place.merge(self._state)
        finally:
            place.joining -= 1

    async def leave(self) -> None:
        """Be a member no more; leaving `async with` does it."""
        place, self._place = self._here, None
        for reading in tuple(self._readings):
            place.readings.discard(reading)
            reading.end()
        place.joins = max(place.joins - 1, 0)
        self._connection.places.leave(place)
        if not place.is_wanted:
            what = f"leave {self.name!r}"
            await self._connection.tell(partial(leave, self.name), self._timeout_seconds, what)

    async def update(self, /, **state: Any) -> None:
        """Merge keys into this session's own state; `None` removes a key. Raises `Refused`, `TimeoutError`."""
        place = self._here
        updating = partial(update, self.name, state)
        await self._connection.request(updating, self._timeout_seconds, f"update {self.name!r}")
        place.merge(state)

    async def set_typing(self, on: bool) -> None:
        """Tell that the user types, or has stopped.

        Call it with each key: it is told no more often than the policy's `typing_refresh_seconds`, and the server lets
        it lapse by itself when it is not repeated.
        """
        here, policy, now = self._here, self._connection.policy, self._clock.time()
        refresh_seconds = policy.typing_refresh_seconds if policy is not None else 0.0
        told = self._typing_told
        if on and told is not None and now - told < refresh_seconds:
            return
        if not on and told is None:
            return
        if self._connection.say(Typing(here.room, on)):
            self._typing_told = now if on else None

    @property
    def _here(self) -> Place:
        if self._place is None:
            raise Closed(f"the room {self.name!r} is not joined: use it inside `with`")
        return self._place
