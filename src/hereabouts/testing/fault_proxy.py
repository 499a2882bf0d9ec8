"""A TCP proxy that misbehaves on demand, between any two that talk over a socket.

    client ── up ──▶ proxy ── up ──▶ server
    client ◀─ down ─ proxy ◀─ down ─ server

Each direction of each link has its `Faults`; assigning new ones takes effect at once, also for bytes on their way.

    async with FaultProxy("127.0.0.1", port, random=Random(1)) as proxy:
        ...                                        # connect to proxy.port
        proxy.up = Faults(is_black_hole=True)      # all links, and those to come
        proxy.links[0].down = Faults(delay_seconds=1, jitter_seconds=0.5)
        proxy.links[0].cut()
"""

from __future__ import annotations

import asyncio
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final, Literal, Self

Direction = Literal["up", "down"]

_CHUNK_BYTES: Final = 16 * 1024
_CHUNKS: Final = 256
_THROTTLE_SECONDS: Final = 0.02
"""A throttled direction passes what fits into this time in one piece."""


@dataclass(frozen=True)
class Faults:
    """What happens to the bytes of one direction. Without arguments nothing does."""

    is_black_hole: bool = False
    """Bytes and the end of the stream are taken and never passed on."""
    is_held: bool = False
    """Bytes and the end are kept until this is lifted, as over a network that comes back."""
    holds_fin: bool = False
    """Bytes pass; the end of the stream is kept until this is lifted."""
    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    """Up to this much more delay, drawn for each chunk; the order of bytes stays."""
    bytes_per_second: float | None = None
    slice_bytes: int | None = None
    """Write in pieces of at most this size, each by itself."""
    cut_after_bytes: int | None = None
    """Reset both ends as soon as this many bytes have passed since the link began."""


class _End(Enum):
    FIN = "fin"
    RESET = "reset"


class _Pipe:
    """One direction of a link."""

    def __init__(self, link: Link, reader: StreamReader, writer: StreamWriter, faults: Faults, random: Random) -> None:
        self.passed_bytes = 0
        self.swallowed_bytes = 0
        self._link = link
        self._reader = reader
        self._writer = writer
        self._faults = faults
        self._random = random
        self._changed = asyncio.Event()
        self._queue: asyncio.Queue[tuple[float, bytes | _End]] = asyncio.Queue(_CHUNKS)
        self._time = asyncio.get_running_loop().time

    @property
    def faults(self) -> Faults:
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self._changed.set()

    async def run(self) -> None:
        """Until the end of the stream was passed on or swallowed."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._write())

    def send_fin(self) -> None:
        """End the stream towards the receiver, whatever the sender still sends."""
        if self._writer.can_write_eof() and not self._writer.is_closing():
            with suppress(OSError):
                self._writer.write_eof()

    async def _read(self) -> None:
        due = 0.0
        item: bytes | _End = b""
        while not isinstance(item, _End):
            try:
                item = await self._reader.read(_CHUNK_BYTES) or _End.FIN
            except OSError:
                item = _End.RESET
            faults = self._faults
            late = faults.delay_seconds + faults.jitter_seconds * self._random.random()
            due = max(due, self._time() + late)
            await self._queue.put((due, item))

    async def _write(self) -> None:
        while True:
            due, item = await self._queue.get()
            await self._until_due(due)
            if isinstance(item, _End):
                await self._end(item)
                return
            for piece in self._pieces(item):
                await self._pass(piece)

    async def _until_due(self, due: float) -> None:
        while (left := due - self._time()) > 0 and (self._faults.delay_seconds or self._faults.jitter_seconds):
            await self._change(left)

    async def _change(self, within: float | None = None) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._changed.wait()

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        start = 0
        while start < len(chunk):
            faults = self._faults
            size = faults.slice_bytes or len(chunk)
            if faults.bytes_per_second is not None:
                size = min(size, max(1, int(faults.bytes_per_second * _THROTTLE_SECONDS)))
            if faults.cut_after_bytes is not None:
                size = min(size, max(1, faults.cut_after_bytes - self.passed_bytes))
            yield chunk[start : start + size]
            start += size

    async def _pass(self, piece: bytes) -> None:
        while self._faults.is_held:
            await self._change()
        faults = self._faults
        if faults.is_black_hole:
            self.swallowed_bytes += len(piece)
            return
        if self._writer.is_closing():
            return
        self.passed_bytes += len(piece)
        self._writer.write(piece)
        with suppress(OSError):
            await self._writer.drain()
        if faults.cut_after_bytes is not None and self.passed_bytes >= faults.cut_after_bytes:
            self._link.cut()
        elif faults.bytes_per_second is not None:
            await asyncio.sleep(len(piece) / faults.bytes_per_second)
        elif faults.slice_bytes is not None:
            await asyncio.sleep(0)

    async def _end(self, end: _End) -> None:
        while self._faults.is_held or self._faults.holds_fin:
            await self._change()
        if self._faults.is_black_hole:
            return
        if end is _End.RESET:
            _reset(self._writer)
        else:
            self.send_fin()


class Link:
    """One connection through the proxy."""

    def __init__(
        self, client: tuple[StreamReader, StreamWriter], server: tuple[StreamReader, StreamWriter], proxy: FaultProxy
    ) -> None:
        self._client = client[1]
        self._server = server[1]
        self._pipes: dict[Direction, _Pipe] = {
            "up": _Pipe(self, client[0], server[1], proxy.up, proxy.new_random()),
            "down": _Pipe(self, server[0], client[1], proxy.down, proxy.new_random()),
        }

    @property
    def up(self) -> Faults:
        """What happens to the bytes from the client to the server."""
        return self._pipes["up"].faults

    @up.setter
    def up(self, faults: Faults) -> None:
        self._pipes["up"].faults = faults

    @property
    def down(self) -> Faults:
        """What happens to the bytes from the server to the client."""
        return self._pipes["down"].faults

    @down.setter
    def down(self, faults: Faults) -> None:
        self._pipes["down"].faults = faults

    def passed_bytes(self, direction: Direction) -> int:
        """How many bytes went through so far."""
        return self._pipes[direction].passed_bytes

    def swallowed_bytes(self, direction: Direction) -> int:
        """How many bytes the black hole took so far."""
        return self._pipes[direction].swallowed_bytes

    def half_close(self, direction: Direction) -> None:
        """End the stream in one direction; the sender does not learn of it, the other direction goes on."""
        self._pipes[direction].send_fin()

    def cut(self, *, client: bool = True, server: bool = True) -> None:
        """Reset the connection at the named ends (RST, by SO_LINGER 0); an end that is not named learns nothing."""
        if client != server:
            quiet = self._pipes["up" if client else "down"]
            quiet.faults = Faults(is_black_hole=True)
        if client:
            _reset(self._client)
        if server:
            _reset(self._server)

    async def run(self) -> None:
        """Until both directions have ended."""
        try:
            await asyncio.gather(*(pipe.run() for pipe in self._pipes.values()))
        finally:
            self._client.close()
            self._server.close()


class FaultProxy:
    """Listens on `host` (any free port) and passes everything on to the target, with faults.

    `random` draws the jitter: the same seed and the same order of links give the same delays.
    """

    def __init__(self, target_host: str, target_port: int, *, random: Random, host: str = "127.0.0.1") -> None:
        self.port = 0
        self._target = (target_host, target_port)
        self._host = host
        self._random = random
        self._up = Faults()
        self._down = Faults()
        self._server: asyncio.Server | None = None
        self._links: dict[Link, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.start_accepting()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop_accepting()
        for link in self.links:
            link.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def links(self) -> tuple[Link, ...]:
        """The live links, oldest first."""
        return tuple(self._links)

    @property
    def up(self) -> Faults:
        """What happens from clients to the server; assigning changes all links, and those to come."""
        return self._up

    @up.setter
    def up(self, faults: Faults) -> None:
        self._up = faults
        for link in self._links:
            link.up = faults

    @property
    def down(self) -> Faults:
        """What happens from the server to clients; assigning changes all links, and those to come."""
        return self._down

    @down.setter
    def down(self, faults: Faults) -> None:
        self._down = faults
        for link in self._links:
            link.down = faults

    async def start_accepting(self) -> None:
        """Listen, on the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self._host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop_accepting(self) -> None:
        """Refuse new connections; the live links go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def new_random(self) -> Random:
        """A source of chance for one direction, so that links do not disturb each other's draws."""
        return Random(self._random.getrandbits(64))

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            server = await asyncio.open_connection(*self._target)
        except (OSError, asyncio.CancelledError):
            _reset(writer)
            return
        link = Link((reader, writer), server, self)
        self._links[link] = None
        try:
            await link.run()
        finally:
            del self._links[link]


def _reset(writer: StreamWriter) -> None:
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None and not writer.is_closing():
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
