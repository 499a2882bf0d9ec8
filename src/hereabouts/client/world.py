"""What the client needs of the world: time, chance and sockets. A test gives its own."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from hereabouts.protocol.codes import SUBPROTOCOL
from hereabouts.version import __version__

OPEN_SECONDS: Final = 10.0


class Timer(Protocol):
    """A call that is yet to come."""

    def cancel(self) -> None:
        """It shall not come."""


class Clock(Protocol):
    """The part of an event loop that knows the time."""

    def time(self) -> float:
        """Seconds that never run back."""

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call once, after so many seconds."""


class Lost(Exception):
    """The connection is gone, or did not come about. `code` is the server's close code, if it sent one."""

    def __init__(self, code: int | None, reason: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(f"{code}: {reason}" if code is not None else reason)
        self.code = code
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class Socket(Protocol):
    """An open connection to the server."""

    async def send(self, frame: str) -> None:
        """Send a text frame. Raises `Lost`."""

    async def receive(self) -> bytes:
        """The next text frame. Raises `Lost`."""

    def drop(self) -> None:
        """Let go at once, without a closing handshake; whoever receives gets `Lost`."""


class WebSocket:
    """A `Socket` over a real WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, frame: str) -> None:
        """Send a text frame. Raises `Lost`."""
        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            raise _lost(error) from None

    async def receive(self) -> bytes:
        """The next frame's bytes. Raises `Lost`."""
        try:
            return await self._connection.recv(decode=False)
        except ConnectionClosed as error:
            raise _lost(error) from None

    def drop(self) -> None:
        """Let go at once."""
        self._connection.transport.abort()


async def open_socket(url: str) -> Socket:
    """Connect. Raises `Lost` for whatever went wrong; a 503 may say when to come again."""
    try:
        connection = await open_websocket(
            url,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            ping_interval=None,
            max_size=None,
            open_timeout=OPEN_SECONDS,
            user_agent_header=f"hereabouts-python/{__version__}",
        )
    except InvalidStatus as error:
        seconds = error.response.headers.get("Retry-After", "")
        raise Lost(None, str(error), float(seconds) if seconds.isdigit() else 0.0) from None
    except (OSError, InvalidHandshake, TimeoutError, ConnectionClosed) as error:
        raise Lost(None, str(error) or type(error).__name__) from None
    return WebSocket(connection)


def _lost(error: ConnectionClosed) -> Lost:
    close = error.rcvd
    return Lost(close.code, close.reason) if close is not None else Lost(None, "the connection broke")


@dataclass(frozen=True)
class World:
    """The world as it is, unless something else is given. Without a `clock` the running event loop is it."""

    connect: Callable[[str], Awaitable[Socket]] = open_socket
    random: Callable[[], float] = random.random
    wall: Callable[[], float] = time.time
    clock: Clock | None = None

    def the_clock(self) -> Clock:
        """The clock; only inside a running event loop."""
        return self.clock or asyncio.get_running_loop()

    async def wait(self, seconds: float) -> None:
        """Let so much time pass."""
        passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.the_clock().call_later(seconds, passed.set_result, None)
        try:
            await passed
        finally:
            timer.cancel()

    @asynccontextmanager
    async def within(self, seconds: float, what: str) -> AsyncIterator[None]:
        """Raise `TimeoutError`, saying what did not come, when the block takes longer."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:
                timer = self.the_clock().call_later(seconds, lambda: limit.reschedule(loop.time()))
                try:
                    yield
                finally:
                    timer.cancel()
        except TimeoutError:
            if not limit.expired():
                raise
            raise TimeoutError(f"{what} did not come within {seconds:g} s") from None
