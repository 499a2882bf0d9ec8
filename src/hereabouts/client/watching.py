"""Looking without being there: rooms and users that are watched, and the status of users when it is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from functools import partial
from types import TracebackType
from typing import Self

from hereabouts.client.connection import Connection
from hereabouts.client.events import Event, Holding, Member, User
from hereabouts.client.holdings import KindFold
from hereabouts.client.http import AsyncCalls
from hereabouts.client.place import Mode, Place, Watched
from hereabouts.client.reading import Reading
from hereabouts.client.refusals import Closed
from hereabouts.client.saying import unwatch, watch_kinds, watch_rooms, watch_users


class AsyncWatch:
    """Watches while inside `async with`, or for as long as an `async for` over it runs."""

    def __init__(
        self,
        connection: Connection,
        rooms: Iterable[str],
        users: Iterable[str],
        mode: Mode,
        timeout_seconds: float,
        kinds: Iterable[str] = (),
    ) -> None:
        self._connection = connection
        self._watched = Watched(rooms, users, mode, kinds)
        self._timeout_seconds = timeout_seconds
        self._places: dict[str, Place] | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Event]:
        reading = self._watched.read()
        async with self:
            async for event in reading:
                yield event

    async def open(self) -> None:
        """Begin to watch, and wait for what is there now. Raises `Refused`, `TimeoutError`, `SessionEnded`."""
        watched, places, seconds = self._watched, self._connection.places, self._timeout_seconds
        others = places.watched_rooms()
        rooms = [room for room in watched.rooms if watched.mode == "roster" or others.get(room) != "roster"]
        self._places = {room: places.enter(room) for room in watched.rooms}
        places.watches.add(watched)
        for kind in watched.kinds:
            places.kinds.setdefault(kind, KindFold(kind))
        try:
            if rooms:
                await self._connection.request(partial(watch_rooms, rooms, watched.mode), seconds, "watch")
            if watched.users:
                await self._connection.request(partial(watch_users, list(watched.users)), seconds, "watch")
            if watched.kinds:
                await self._connection.request(partial(watch_kinds, list(watched.kinds)), seconds, "watch")
                await self._connection.soon(places.kinds_known(watched.kinds), seconds, "who holds what")
            for room, place in self._places.items():
                await self._connection.soon(place.known(), seconds, f"what is in {room!r}")
            await self._connection.soon(places.cards_known(watched.users), seconds, "the watched users")
        except BaseException:
            unneeded = self._let_go()
            if any(unneeded):
                self._connection.say(unwatch(*unneeded))
            raise

    async def close(self) -> None:
        """Watch no more."""
        if self._places is None:
            return
        unneeded = self._let_go()
        if any(unneeded):
            await self._connection.tell(partial(unwatch, *unneeded), self._timeout_seconds, "unwatch")

    def _let_go(self) -> tuple[list[str], list[str], list[str]]:
        """Look no more; the rooms, users and kinds that nobody else here watches."""
        places = self._connection.places
        places.watches.discard(self._watched)
        for place in (self._places or {}).values():
            places.leave(place)
        places.forget_cards()
        places.forget_kinds()
        self._places = None
        for reading in tuple(self._watched.readings):
            reading.end()
        rooms, users, kinds = places.watched_rooms(), places.watched_users(), places.watched_kinds()
        return (
            [room for room in self._watched.rooms if room not in rooms],
            [user_id for user_id in self._watched.users if user_id not in users],
            [kind for kind in self._watched.kinds if kind not in kinds],
        )

    # What is there

    @property
    def users(self) -> tuple[User, ...]:
        """The watched users, in the order in which they were named."""
        cards = self._connection.places.cards
        return tuple(cards[user_id] for user_id in self._watched.users if user_id in cards)

    def members(self, room: str) -> tuple[Member, ...]:
        """Those in a watched room. Raises `KeyError` for a room that is not watched here."""
        return self._open[room].fold.members

    def count(self, room: str) -> int:
        """How many users are in a watched room. Raises `KeyError` for a room that is not watched here."""
        return self._open[room].fold.count

    def holdings(self, kind: str) -> tuple[Holding, ...]:
        """Who holds what of a watched kind. Raises `KeyError` for a kind that is not watched."""
        return self._connection.places.kinds[kind].holdings

    def events(self) -> Reading[Event]:
        """What happens from now on, to be read with `async for`; each event of a room names it in `room`."""
        if self._places is None:
            raise Closed("this watch is not open: use it inside `with`")
        return self._watched.read()

    @property
    def _open(self) -> dict[str, Place]:
        if self._places is None:
            raise Closed("this watch is not open: use it inside `with`")
        return self._places


class AsyncUsers:
    """Users as such, in whatever room. `AsyncPresence.users` is one."""

    def __init__(self, connection: Connection, calls: AsyncCalls, timeout_seconds: float) -> None:
        self._connection = connection
        self._calls = calls
        self._timeout_seconds = timeout_seconds

    def watch(self, user_ids: Iterable[str]) -> AsyncWatch:
        """Follow the status of these users."""
        return AsyncWatch(self._connection, (), user_ids, "roster", self._timeout_seconds)

    async def get(self, user_ids: Iterable[str]) -> list[User]:
        """The status of these users now, in the order asked. Raises `Refused`, `TimeoutError`."""
        return await self._calls.users(user_ids)
