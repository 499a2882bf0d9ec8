"""Many clients in one process, cheap enough not to be what is measured.

A client writes bytes that were made before and counts the frames that come; it reads JSON only where a bench asks.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Iterable
from typing import Final, cast

from bench.wire import HEAD_MOST_BYTES, read_head, text_frame, upgrade_request

HOST: Final = "127.0.0.1"
SUBPROTOCOL: Final = "hereabouts.v1"
AT_ONCE: Final = 100
"""Connections that are being opened at one time; the rest wait."""

_TEXT, _CLOSE = 1, 8

Listener = Callable[["Client", bytes], None]


class Client(asyncio.BufferedProtocol):
    """One WebSocket connection: counts frames and bytes, and tells its swarm."""

    __slots__ = (
        "_head", "_kept", "_left", "_opcode", "_swarm", "closed_code", "frames", "index", "is_open", "payload_bytes",
        "transport",
    )  # fmt: skip

    def __init__(self, swarm: Swarm, index: int) -> None:
        self._swarm = swarm
        self._head = b""
        self._left = 0
        self._opcode = _TEXT
        self._kept = bytearray()
        self.index = index
        self.frames = 0
        self.payload_bytes = 0
        self.closed_code: int | None = None
        self.is_open = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._swarm.request)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; a swarm that waits for frames of it hears of it at its deadline."""
        self.is_open = False
        if self.closed_code is None:
            self.closed_code = 1006

    def send(self, payload: bytes) -> None:
        """Send a message."""
        self.transport.write(text_frame(payload))

    def get_buffer(self, sizehint: int) -> memoryview:
        """One buffer serves all clients: what is read is used up before the next read."""
        return self._swarm.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came."""
        if self.is_open:
            self._frames(self._swarm.buffer, 0, nbytes)
            return
        self._kept += self._swarm.buffer[:nbytes]
        end = self._kept.find(b"\r\n\r\n")
        if end < 0:
            return
        if not self._kept.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(f"the upgrade was answered with {bytes(self._kept[:200])!r}")
        self.is_open = True
        rest = memoryview(bytes(self._kept[end + 4 :]))
        self._kept.clear()
        self._swarm.opened += 1
        self._swarm.noted()
        self._frames(rest, 0, len(rest))

    def _frames(self, data: memoryview, at: int, end: int) -> None:
        while at < end:
            if not self._left:
                had = len(self._head)
                start = self._head + bytes(data[at : min(end, at + HEAD_MOST_BYTES - had)])
                head = read_head(start)
                if head is None:
                    self._head = start
                    return
                self._head = b""
                at += head.head_bytes - had
                self._left, self._opcode = head.payload_bytes, head.opcode
            taken = min(self._left, end - at)
            if self._swarm.listener is not None or self._opcode == _CLOSE:
                self._kept += data[at : at + taken]
            self._left -= taken
            self.payload_bytes += taken
            at += taken
            if not self._left:
                self._whole()

    def _whole(self) -> None:
        if self._opcode == _CLOSE:
            self.closed_code = int.from_bytes(self._kept[:2], "big")
        elif self._opcode == _TEXT:
            self.frames += 1
            self._swarm.frames += 1
            if self._swarm.listener is not None:
                self._swarm.listener(self, bytes(self._kept))
            self._swarm.noted()
        self._kept.clear()


class Swarm:
    """All clients of a bench. `frames` counts over all of them."""

    def __init__(self, port: int, listener: Listener | None = None) -> None:
        self.port = port
        self.request = upgrade_request(HOST, port, SUBPROTOCOL)
        self.buffer = memoryview(bytearray(1 << 18))
        self.listener = listener
        self.clients: list[Client] = []
        self.opened = 0
        self.frames = 0
        self._reached: Callable[[], bool] | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def open(self, count: int, within_seconds: float = 60) -> list[Client]:
        """Open `count` more connections and finish their handshakes."""
        raise_file_limit()
        loop = asyncio.get_running_loop()
        free = asyncio.Semaphore(AT_ONCE)
        wanted = self.opened + count

        async def connect(index: int) -> Client:
            async with free:
                _, client = await loop.create_connection(lambda: Client(self, index), HOST, self.port)
                return client

        known = len(self.clients)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(connect(known + n)) for n in range(count)]
        clients = [task.result() for task in tasks]
        self.clients += clients
        await self.until(lambda: self.opened >= wanted, within_seconds)
        return clients

    async def greet(
        self, clients: Iterable[Client], prefix: str = "user", within_seconds: float = 60, role: str = ""
    ) -> None:
        """Let clients say hello, each as a user of its own with this role, and wait until all are welcome."""
        clients = list(clients)
        wanted = self.frames + len(clients)
        tail = f":{role}".encode() if role else b""
        for client in clients:
            client.send(b'{"type":"hello","token":"dev:%b-%d%b"}' % (prefix.encode(), client.index, tail))
        await self.until(lambda: self.frames >= wanted, within_seconds)

    async def until(self, reached: Callable[[], bool], within_seconds: float) -> None:
        """Wait until something is so; it is looked at whenever a frame came. Raises `TimeoutError`."""
        if reached():
            return
        self._reached = reached
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(self._waiter, within_seconds)
        except TimeoutError:
            told = f"{self.opened} opened, {self.frames} frames, closed: {self.closed_codes()}"
            raise TimeoutError(f"not reached in {within_seconds} s ({told})") from None
        finally:
            self._reached = None

    async def until_frames(self, more: int, within_seconds: float = 30) -> None:
        """Wait until `more` frames came, over all clients."""
        wanted = self.frames + more
        await self.until(lambda: self.frames >= wanted, within_seconds)

    def closed_codes(self) -> set[int]:
        """The codes of the connections that closed."""
        return {client.closed_code for client in self.clients if client.closed_code is not None}

    def noted(self) -> None:
        """Something came: whoever waits may have it."""
        if self._reached is not None and self._reached() and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Drop all connections."""
        for client in self.clients:
            client.transport.abort()
        self.clients.clear()


def raise_file_limit() -> None:
    """As many open files as the system allows; each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
