"""The client for programs without an event loop: the same names as the asynchronous one, over one thread.

with Presence("https://presence.example", token) as presence, presence.room("doc:42") as room:
    print([member.name for member in room.members])
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from hereabouts.client.events import Event, Released, RoomEvent, Synced
from hereabouts.client.http import AsyncHeartbeats, AsyncPresenceServer
from hereabouts.client.place import Mode
from hereabouts.client.presence import AsyncPresence
from hereabouts.client.reading import Reading
from hereabouts.client.room import AsyncRoom
from hereabouts.client.threads import Entered, LoopThread, Owner, StandIn, Value, call, do
from hereabouts.client.tokens import TokenSource
from hereabouts.client.watching import AsyncUsers, AsyncWatch
from hereabouts.client.world import World

E = TypeVar("E", bound=Event)


class Events(StandIn[Reading[E]], Generic[E]):
    """What happens from now on, to be read with `for`. `TimeoutError` when nothing comes for `timeout_seconds`."""

    def __init__(self, thread: LoopThread, reading: Reading[E], timeout_seconds: float | None) -> None:
        super().__init__(thread, reading)
        self._timeout_seconds = timeout_seconds

    def __iter__(self) -> Events[E]:
        return self

    def __next__(self) -> E | Synced:
        event = self._thread.run(self._next())
        if event is None:
            raise StopIteration
        return event

    async def _next(self) -> E | Synced | None:
        async with asyncio.timeout(self._timeout_seconds):
            return await anext(self._target, None)


class Room(Entered[AsyncRoom]):
    """A room as a member of it sees it; see `AsyncRoom`."""

    members = Value(AsyncRoom.members)
    count = Value(AsyncRoom.count)
    typing = Value(AsyncRoom.typing)
    self = Value(AsyncRoom.self)
    is_stale = Value(AsyncRoom.is_stale)
    is_summary = Value(AsyncRoom.is_summary)
    join = call(AsyncRoom.join)
    leave = call(AsyncRoom.leave)
    update = call(AsyncRoom.update)
    set_typing = call(AsyncRoom.set_typing)
    _read = do(AsyncRoom.events)

    @property
    def name(self) -> str:
        """The room."""
        return self._target.name

    def events(self, timeout_seconds: float | None = None) -> Events[RoomEvent]:
        """What happens from now on; see `AsyncRoom.events`."""
        return Events(self._thread, self._read(), timeout_seconds)


class Watch(Entered[AsyncWatch]):
    """Rooms and users that are watched; see `AsyncWatch`."""

    users = Value(AsyncWatch.users)
    members = do(AsyncWatch.members)
    count = do(AsyncWatch.count)
    holdings = do(AsyncWatch.holdings)
    open = call(AsyncWatch.open)
    close = call(AsyncWatch.close)
    _read = do(AsyncWatch.events)

    def events(self, timeout_seconds: float | None = None) -> Events[Event]:
        """What happens from now on; see `AsyncWatch.events`."""
        return Events(self._thread, self._read(), timeout_seconds)


class Users(StandIn[AsyncUsers]):
    """Users as such; see `AsyncUsers`."""

    get = call(AsyncUsers.get)
    _watch = do(AsyncUsers.watch)

    def watch(self, user_ids: Iterable[str]) -> Watch:
        """Follow the status of these users."""
        return Watch(self._thread, self._watch(user_ids))


class Presence(Owner[AsyncPresence]):
    """A user's presence, as this program shows it; see `AsyncPresence`. May be used from several threads."""

    connection = Value(AsyncPresence.connection)
    is_degraded = Value(AsyncPresence.is_degraded)
    session_id = Value(AsyncPresence.session_id)
    user = Value(AsyncPresence.user)
    server_offset_seconds = Value(AsyncPresence.server_offset_seconds)
    server_now_at = Value(AsyncPresence.server_now_at)
    set_status = call(AsyncPresence.set_status)
    occupy = call(AsyncPresence.occupy)
    release = call(AsyncPresence.release)
    set_visible = do(AsyncPresence.set_visible)
    set_active = do(AsyncPresence.set_active)
    _room = do(AsyncPresence.room)
    _watch = do(AsyncPresence.watch)
    _losses = do(AsyncPresence.losses)

    def __init__(
        self,
        url: str,
        token: TokenSource,
        *,
        platform: str | None = None,
        visible: bool = True,
        active: bool = True,
        timeout_seconds: float = 10.0,
        enabled: bool = True,
        world: World | None = None,
    ) -> None:
        super().__init__(
            AsyncPresence(
                url,
                _off_the_loop(token),
                platform=platform,
                visible=visible,
                active=active,
                timeout_seconds=timeout_seconds,
                enabled=enabled,
                world=world,
            )
        )
        self.users = Users(self._thread, self._target.users)

    def open(self) -> None:
        """Connect; `with` does it."""
        self.__enter__()

    def close(self) -> None:
        """Say bye, and end the thread; leaving `with` does it."""
        self.__exit__(None, None, None)

    def room(self, name: str, state: dict[str, Any] | None = None) -> Room:
        """A room to be in."""
        return Room(self._thread, self._room(name, state))

    def watch(
        self,
        rooms: Iterable[str] = (),
        users: Iterable[str] = (),
        mode: Mode = "roster",
        occupancy: Iterable[str] = (),
    ) -> Watch:
        """Look at rooms, users and kinds of resources without being there."""
        return Watch(self._thread, self._watch(rooms, users, mode, occupancy))

    def losses(self, timeout_seconds: float | None = None) -> Events[Released]:
        """What the user holds no more, from now on; see `AsyncPresence.losses`."""
        return Events(self._thread, self._losses(), timeout_seconds)


class PresenceServer(Owner[AsyncPresenceServer]):
    """What a server-side program asks of Hereabouts, with an API key; see `AsyncPresenceServer`."""

    users = call(AsyncPresenceServer.users)
    user = call(AsyncPresenceServer.user)
    count = call(AsyncPresenceServer.count)
    page = call(AsyncPresenceServer.page)
    members = call(AsyncPresenceServer.members)
    occupy = call(AsyncPresenceServer.occupy)
    release = call(AsyncPresenceServer.release)
    holdings = call(AsyncPresenceServer.holdings)
    mint_token = call(AsyncPresenceServer.mint_token)
    sweep = call(AsyncPresenceServer.sweep)

    def __init__(self, url: str, api_key: str, *, tenant: str | None = None, timeout_seconds: float = 10.0) -> None:
        super().__init__(AsyncPresenceServer(url, api_key, tenant=tenant, timeout_seconds=timeout_seconds))

    def close(self) -> None:
        """Let go of the connections and the thread; leaving `with` does it."""
        self.__exit__(None, None, None)


class Heartbeats(Owner[AsyncHeartbeats]):
    """Presence without a socket; see `AsyncHeartbeats`."""

    beat = call(AsyncHeartbeats.beat)
    leave = call(AsyncHeartbeats.leave)

    def __init__(
        self, url: str, token: TokenSource, *, platform: str | None = None, timeout_seconds: float = 10.0
    ) -> None:
        super().__init__(AsyncHeartbeats(url, _off_the_loop(token), platform=platform, timeout_seconds=timeout_seconds))

    def close(self) -> None:
        """End the session and the thread; leaving `with` does it."""
        self.__exit__(None, None, None)


def _off_the_loop(token: TokenSource) -> TokenSource:
    """A callable that blocks must not hold up the beats: it runs in a thread of its own."""
    if isinstance(token, str) or inspect.iscoroutinefunction(token):
        return token
    source = token

    async def fetch() -> str:
        got = await asyncio.to_thread(source)
        return got if isinstance(got, str) else await got

    return fetch
