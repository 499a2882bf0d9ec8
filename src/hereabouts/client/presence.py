"""The client: one session of one user, for as long as `async with` lasts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import msgspec

from hereabouts.client import off
from hereabouts.client.connection import Connection, State
from hereabouts.client.events import Grant, Released, Synced
from hereabouts.client.http import AsyncCalls, socket_url
from hereabouts.client.place import Mode
from hereabouts.client.reading import Reading
from hereabouts.client.room import AsyncRoom
from hereabouts.client.tokens import Tokens, TokenSource
from hereabouts.client.watching import AsyncUsers, AsyncWatch
from hereabouts.client.world import World
from hereabouts.protocol.codes import Declared
from hereabouts.protocol.messages import Occupy, Release, SetStatus, UserInfo


class AsyncPresence:
    """A user's presence, as this program shows it.

    `url` is the server's address (`https://…`); `token` is a user token, or a callable, asynchronous or not, that
    gives a fresh one each time: with a callable the token is replaced before it runs out. `timeout_seconds` bounds
    every request, over reconnections. `enabled=False` switches presence off: every call works, nobody is ever there and
    nothing is connected. `world` gives a test its own time, chance and sockets.

    While it is open it stays connected: it comes back by itself with back-off, resumes its session where the server
    still has it, and otherwise joins its rooms and watches again.
    """

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
        self._timeout_seconds = timeout_seconds
        self._world = world or World()
        if not enabled:
            self._world = replace(self._world, connect=off.connect)
        tokens = Tokens(token if enabled else "off")
        self._connection = Connection(
            socket_url(url), tokens, platform=platform, visible=visible, active=active, world=self._world
        )
        self._calls = AsyncCalls(url, tokens, timeout_seconds, transport=None if enabled else off.CALLS)
        self.users = AsyncUsers(self._connection, self._calls, timeout_seconds)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect; `async with` does it. Raises `SessionEnded`, or `TimeoutError` saying why there is no connection."""
        await self._connection.open(self._timeout_seconds)

    async def close(self) -> None:
        """Say bye, so that nobody sees this session any more; leaving `async with` does it."""
        await self._connection.close()
        await self._calls.close()

    # Looking

    def room(self, name: str, state: dict[str, Any] | None = None) -> AsyncRoom:
        """A room to be in: `async with presence.room("doc:42", state={"cursor": [0, 0]}) as room`."""
        return AsyncRoom(self._connection, self._world.the_clock(), name, dict(state or {}), self._timeout_seconds)

    def watch(
        self,
        rooms: Iterable[str] = (),
        users: Iterable[str] = (),
        mode: Mode = "roster",
        occupancy: Iterable[str] = (),
    ) -> AsyncWatch:
        """Look at rooms and users without being there; `mode="count"` counts the rooms' members and no more.

        `occupancy` names kinds of resources: who holds what of them.
        """
        return AsyncWatch(self._connection, rooms, users, mode, self._timeout_seconds, occupancy)

    # Holding

    async def occupy(self, resource: str, *, take_over: bool = False) -> Grant:
        """Hold a resource, `kind:name`; asking again keeps it. Raises `Refused`, with `occupied` where it is another's.

        `losses` tells of losing it.
        """

        def asking(id: int) -> Occupy:
            return Occupy(id, resource, "take_over" if take_over else "reject")

        answer = await self._connection.request(asking, self._timeout_seconds, f"occupy {resource!r}")
        return msgspec.convert(msgspec.to_builtins(answer), Grant)

    async def release(self, resource: str, *, fencing: int | None = None) -> None:
        """Hold it no longer; with `fencing` only if it is still that grant. Raises `Refused` with `lease_lost`."""

        def asking(id: int) -> Release:
            return Release(id, resource, fencing)

        await self._connection.request(asking, self._timeout_seconds, f"release {resource!r}")

    def losses(self) -> Reading[Released]:
        """What the user holds no more, from now on, and why: given back, taken over, lapsed. No watch is needed.

        What ended while there was no connection is not told: ask again with `occupy`.
        """
        reading: Reading[Released] = Reading(Synced())
        self._connection.places.losses.add(reading)
        return reading

    # Being

    async def set_status(
        self, status: Declared, *, text: str | None = None, emoji: str | None = None, until_at: int | None = None
    ) -> None:
        """Declare a status for the user, over all sessions, until `until_at` (ms of server time) or for good."""

        def declaring(id: int) -> SetStatus:
            return SetStatus(status, text, emoji, until_at, id)

        await self._connection.request(declaring, self._timeout_seconds, "status")

    def set_visible(self, visible: bool) -> None:
        """Tell whether somebody can see this application now."""
        self._connection.set_visible(visible)

    def set_active(self) -> None:
        """Tell that there was human input. Call it as often as there is; it is told with the next beat."""
        self._connection.note_input()

    # What is known

    @property
    def connection(self) -> State:
        """Whether it is `connecting`, `connected`, `reconnecting` or `closed`."""
        return self._connection.state

    @property
    def is_degraded(self) -> bool:
        """Whether the server says that what it shows may be stale."""
        return self._connection.is_degraded

    @property
    def session_id(self) -> str | None:
        """The session, once there was a connection."""
        welcome = self._connection.welcome
        return None if welcome is None else welcome.session_id

    @property
    def user(self) -> UserInfo | None:
        """Who the token says this is, once there was a connection."""
        welcome = self._connection.welcome
        return None if welcome is None else welcome.user

    @property
    def server_offset_seconds(self) -> float:
        """How far the server's clock is ahead of this machine's."""
        return self._connection.offset_seconds

    @property
    def server_now_at(self) -> int:
        """The server's time now, in milliseconds, as near as this client knows it."""
        return self._connection.server_now_at()
