"""A WebSocket client that may break every rule of RFC 6455: it sends the bytes it is given, and shows what comes."""

from __future__ import annotations

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
"""The key of the example in RFC 6455, section 1.3, and what must come back for it."""
ACCEPT: Final = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
PATIENCE_SECONDS: Final = 5.0

HEADERS: Final[dict[str, str]] = {
    "Host": "127.0.0.1",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Protocol": "hereabouts.v1",
}


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes | None = b"\x01\x02\x03\x04"
) -> bytes:
    """One frame from a client (RFC 6455, section 5.2); without `mask` it is one that no client may send."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    size, masked = len(payload), 0x80 if mask is not None else 0
    if size < 126:
        head = bytes((first, masked | size))
    elif size < 65_536:
        head = bytes((first, masked | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, masked | 127)) + size.to_bytes(8, "big")
    if mask is None:
        return head + payload
    # One exclusive-or of two large integers: no loop over bytes.
    key = (mask * (size // 4 + 1))[:size]
    body = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return head + mask + body


@dataclass(frozen=True)
class Got:
    """A frame from the server."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """The code of a close frame."""
        assert self.opcode == CLOSE, self
        return int.from_bytes(self.payload[:2], "big")

    @property
    def message(self) -> dict[str, Any]:
        """The message in a text frame."""
        assert self.opcode == TEXT, self
        found: dict[str, Any] = json.loads(self.payload)
        return found


class RawSocket:
    """A TCP connection that asks to be a WebSocket. For `async with`; leaving it closes the TCP connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: StreamReader
        self._writer: StreamWriter

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    def send(self, data: bytes) -> None:
        """Send these very bytes."""
        self._writer.write(data)

    def say(self, message: bytes | str | dict[str, Any]) -> None:
        """Send a proper text frame."""
        text = json.dumps(message) if isinstance(message, dict) else message
        self.send(frame(TEXT, text.encode() if isinstance(text, str) else text))

    async def drain(self) -> None:
        """Wait until the server takes more, or is gone."""
        with suppress(OSError):
            await self._writer.drain()

    async def upgrade(self, path: str = "/v1/ws", **more: str | None) -> tuple[int, dict[str, str], bytes]:
        """Ask for a WebSocket; `more` goes over `HEADERS`, with `_` for `-`. The status, the headers and the body."""
        given = {name.replace("_", "-"): value for name, value in more.items()}
        lines = [f"{name}: {value}" for name, value in (HEADERS | given).items() if value is not None]
        self.send("".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", *lines, "")).encode())
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = [line.partition(":") for line in head[1:] if line]
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            status = int(head[0].split(" ")[1])
            size = int(headers.get("content-length", "0"))
            body = await self._reader.readexactly(size) if status != 101 and size else b""
        return status, headers, body

    async def enter(self, user_id: str) -> dict[str, Any]:
        """Upgrade and say hello: the welcome."""
        status, _, body = await self.upgrade()
        assert status == 101, body
        self.say({"type": "hello", "token": f"dev:{user_id}"})
        welcome = (await self.next()).message
        assert welcome["type"] == "welcome", welcome
        return welcome

    async def next(self, within: float = PATIENCE_SECONDS) -> Got:
        """The next frame. Raises `EOFError` when the connection ends before."""
        try:
            async with asyncio.timeout(within):
                first, second = await self._reader.readexactly(2)
                assert first & 0x70 == 0 and second & 0x80 == 0, (
                    f"a frame that no server may send: {first:x} {second:x}"
                )
                size = second & 0x7F
                if size > 125:
                    size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
                return Got(first & 0xF, await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionResetError) as error:
            raise EOFError(f"the connection ended: {error}") from None

    async def close_code(self) -> int:
        """The code with which the server closes, other frames aside."""
        while (got := await self.next()).opcode != CLOSE:
            pass
        return got.code

    async def ends(self, within: float = PATIENCE_SECONDS) -> None:
        """Wait until the server has ended the TCP connection."""
        async with asyncio.timeout(within):
            with suppress(ConnectionResetError):
                while await self._reader.read(65_536):
                    pass
