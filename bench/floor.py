"""The floor: the least that a server in this language can do for the same bytes. Run as a process of its own.

It completes handshakes and then does what the payload's first byte says: `F` keeps the rest as the frame to write,
`T` writes it to every connection, and anything else is a beat: it is unmasked, its JSON is parsed, and an answer of
the kept frame's length is written. There are no sessions, leases, rooms or limits.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import sys
from typing import ClassVar, cast

import msgspec
import uvloop

from bench.load import HOST, SUBPROTOCOL, raise_file_limit
from bench.wire import masked
from hereabouts.fanout.outbox import text_frame

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"sec-websocket-key: *(\S+)", re.IGNORECASE)


class FloorProtocol(asyncio.Protocol):
    """One connection of the floor."""

    everybody: ClassVar[set[FloorProtocol]] = set()
    frame: ClassVar[bytes] = b""

    __slots__ = ("_is_open", "_transport", "_unread")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection."""
        self._transport = cast(asyncio.Transport, transport)
        self._is_open = False
        self._unread = b""

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self.everybody.discard(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._unread:
            data, self._unread = self._unread + data, b""
        if not self._is_open:
            self._upgrade(data)
            return
        at = 0
        while len(data) - at >= 2:
            size, body = data[at + 1] & 0x7F, at + 6
            if size == 126:
                size, body = int.from_bytes(data[at + 2 : at + 4], "big"), at + 8
            if len(data) < body + size:
                break
            self._payload(masked(data[body : body + size], data[body - 4 : body]))
            at = body + size
        self._unread = data[at:]

    def _payload(self, payload: bytes) -> None:
        first = payload[:1]
        if first == b"T":
            frame = self.frame
            for each in self.everybody:
                each._transport.write(frame)
        elif first == b"F":
            FloorProtocol.frame = text_frame(payload[1:])
            self._transport.write(self.frame)
        else:
            msgspec.json.decode(payload)
            self._transport.write(self.frame)

    def _upgrade(self, data: bytes) -> None:
        if not data.endswith(b"\r\n\r\n"):
            self._unread = data
            return
        found = _KEY.search(data)
        key = found.group(1) if found else b""
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: %b\r\nSec-WebSocket-Protocol: %b\r\n\r\n" % (accept, SUBPROTOCOL.encode())
        )
        self._is_open = True
        self.everybody.add(self)


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    raise_file_limit()
    server = await asyncio.get_running_loop().create_server(FloorProtocol, HOST, port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
