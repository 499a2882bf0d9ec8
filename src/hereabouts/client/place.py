"""What the client looks at: rooms it joined or watches, users it watches; and what to ask for after a reconnection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal
from weakref import WeakSet

from msgspec import UNSET

from hereabouts.client.events import Event, Released, RoomEvent, Synced, User, UserChanged
from hereabouts.client.fold import RoomFold, RoomMessage
from hereabouts.client.holdings import KindFold, released
from hereabouts.client.reading import Reading
from hereabouts.protocol.messages import Occupancy

Mode = Literal["roster", "count"]


class Watched:
    """What one watch looks at. `readings` are told of it."""

    def __init__(self, rooms: Iterable[str], users: Iterable[str], mode: Mode, kinds: Iterable[str] = ()) -> None:
        self.rooms = tuple(dict.fromkeys(rooms))
        self.users = tuple(dict.fromkeys(users))
        self.kinds = tuple(dict.fromkeys(kinds))
        self.mode: Mode = mode
        self.readings: WeakSet[Reading[Event]] = WeakSet()

    def read(self) -> Reading[Event]:
        """A reader of what happens from now on."""
        reading: Reading[Event] = Reading(Synced())
        self.readings.add(reading)
        return reading


class Place:
    """A room that is looked at. `state` is what the session's own state there shall be.

    `joins` counts those who are in, `joining` those who have asked, `users` all who look.
    """

    def __init__(self, room: str) -> None:
        self.room = room
        self.fold = RoomFold(room)
        self.joins = 0
        self.joining = 0
        self.users = 0
        self.state: dict[str, Any] = {}
        self.changed = asyncio.Event()
        self.readings: WeakSet[Reading[RoomEvent]] = WeakSet()

    @property
    def is_wanted(self) -> bool:
        """Whether the session is to be a member."""
        return self.joins > 0 or self.joining > 0

    def read(self) -> Reading[RoomEvent]:
        """A reader of what happens from now on."""
        reading: Reading[RoomEvent] = Reading(Synced(self.room))
        self.readings.add(reading)
        return reading

    def merge(self, given: dict[str, Any]) -> None:
        """The session's own state has these keys now; `None` removes a key."""
        for key, value in given.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value

    async def known(self) -> None:
        """Wait until the server has told what is there."""
        while not self.fold.is_known:
            self.changed.clear()
            await self.changed.wait()


class Places:
    """All that is looked at. `sync` is called with a room whose fold has a gap, `watch_kind` with such a kind."""

    def __init__(self, sync: Callable[[str], None], watch_kind: Callable[[str], None] = lambda kind: None) -> None:
        self._sync = sync
        self._watch_kind = watch_kind
        self._kinds_changed = asyncio.Event()
        self.kinds: dict[str, KindFold] = {}
        self._places: dict[str, Place] = {}
        self._cards_changed = asyncio.Event()
        self.cards: dict[str, User] = {}
        self.watches: set[Watched] = set()
        self.losses: WeakSet[Reading[Released]] = WeakSet()

    def get(self, room: str) -> Place | None:
        """The room, if it is looked at."""
        return self._places.get(room)

    def __iter__(self) -> Iterator[Place]:
        return iter(tuple(self._places.values()))

    def enter(self, room: str) -> Place:
        """Somebody wants to look at a room."""
        place = self._places.setdefault(room, Place(room))
        place.users += 1
        return place

    def leave(self, place: Place) -> None:
        """One who looked does no more; with the last one the room is forgotten."""
        place.users -= 1
        if place.users == 0 and self._places.get(place.room) is place:
            del self._places[place.room]

    # What the server says

    def take(self, message: RoomMessage) -> None:
        """Something about a room."""
        place = self._places.get(message.room)
        if place is None:
            return
        step = place.fold.apply(message)
        place.changed.set()
        self._tell(place, step.events)
        if step.needs_sync:
            self._sync(place.room)

    def take_cards(self, users: list[User]) -> None:
        """Users as they are now."""
        for user in users:
            if self.cards.get(user.user_id) == user:
                continue
            self.cards[user.user_id] = user
            for watch in self.watches:
                if user.user_id in watch.users:
                    for reading in tuple(watch.readings):
                        reading.put(UserChanged(user))
        self._cards_changed.set()

    def take_kind(self, message: Occupancy) -> None:
        """Something about a kind of resource."""
        fold = self.kinds.get(message.kind)
        if fold is None or message.epoch is UNSET:
            self._tell_losses(released(message))
            return
        step = fold.apply(message)
        self._tell_losses(event for event in step.events if isinstance(event, Released))
        self._kinds_changed.set()
        for watch in self.watches:
            if message.kind in watch.kinds:
                for reading in tuple(watch.readings):
                    for event in step.events:
                        reading.put(event)
        if step.needs_watch:
            self._watch_kind(message.kind)

    def _tell_losses(self, ended: Iterable[Released]) -> None:
        own = [event for event in ended if event.holding.is_self]
        for reading in tuple(self.losses):
            for event in own:
                reading.put(event)

    async def kinds_known(self, kinds: Iterable[str]) -> None:
        """Wait until the server has told who holds what of these kinds."""
        while not all(kind in self.kinds and self.kinds[kind].is_known for kind in kinds):
            self._kinds_changed.clear()
            await self._kinds_changed.wait()

    async def cards_known(self, users: Iterable[str]) -> None:
        """Wait until the server has told of these users."""
        while not self.cards.keys() >= set(users):
            self._cards_changed.clear()
            await self._cards_changed.wait()

    def _tell(self, place: Place, events: tuple[RoomEvent, ...]) -> None:
        if not events:
            return
        readings: list[Reading[Any]] = [*place.readings]
        for watch in self.watches:
            if place.room in watch.rooms:
                readings += watch.readings
        for reading in readings:
            for event in events:
                reading.put(event)

    # The connection

    def lose(self) -> None:
        """The connection is gone."""
        for place in self._places.values():
            self._tell(place, place.fold.lose().events)

    def end(self, error: BaseException | None) -> None:
        """There will be no connection any more."""
        for place in self._places.values():
            for reading in tuple(place.readings):
                reading.end(error)
        for watch in self.watches:
            for watching in tuple(watch.readings):
                watching.end(error)
        for losing in tuple(self.losses):
            losing.end(error)

    def refused(self, rooms: Iterable[str], error: BaseException) -> None:
        """The server gives these rooms back no more."""
        for room in rooms:
            place = self._places.get(room)
            if place is not None:
                place.joins = 0
                for reading in tuple(place.readings):
                    reading.end(error)
            for watch in self.watches:
                if room in watch.rooms:
                    for watching in tuple(watch.readings):
                        watching.end(error)

    @property
    def seen(self) -> dict[str, tuple[str, int]]:
        """Where a resumed session may go on, room by room."""
        return {name: place.fold.seen for name, place in self._places.items() if place.joins and place.fold.seen}

    def forget_cards(self) -> None:
        """Drop the cards of users that nobody watches."""
        wanted = self.watched_users()
        self.cards = {user_id: card for user_id, card in self.cards.items() if user_id in wanted}

    def forget_kinds(self) -> None:
        """Drop what is known of kinds that nobody watches."""
        wanted = self.watched_kinds()
        self.kinds = {kind: fold for kind, fold in self.kinds.items() if kind in wanted}

    def watched_rooms(self) -> dict[str, Mode]:
        """The rooms that are watched, and how; who wants the list wins over who wants the count."""
        found: dict[str, Mode] = {}
        for watch in self.watches:
            for room in watch.rooms:
                if found.get(room) != "roster":
                    found[room] = watch.mode
        return found

    def watched_kinds(self) -> set[str]:
        """The kinds of resources that are watched."""
        return {kind for watch in self.watches for kind in watch.kinds}

    def watched_users(self) -> set[str]:
        """The users that are watched."""
        return {user_id for watch in self.watches for user_id in watch.users}
