"""The WebSocket data plane: a protocol class that uvicorn puts onto the transport of an upgraded request.

uvicorn owns the port, HTTP, TLS and signals; picows parses the frames; what goes out is written to the transport as
it was encoded once for all. There is no task, queue or await per message. No ping of ours ever closes a connection:
only the leases judge who is alive (rule 5).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar

from picows import (
    WSAutoPingStrategy,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # not in picows' stubs

from hereabouts.fanout.outbox import PAUSE_BYTES, REPLY_BYTES, Packet
from hereabouts.gateway.door import WS_PATH, Door, Turned
from hereabouts.gateway.problems import problem_bytes
from hereabouts.protocol import codes
from hereabouts.protocol.codes import SUBPROTOCOL
from hereabouts.runtime.link import Link

CLOSE_SECONDS = 5.0
"""How long the other side has for its half of the closing handshake, and to take what was sent before."""

_READ_BUFFER_BYTES = 1024
"""Enough for what clients say all the time; picows makes it larger when a frame needs it."""


class _Quiet:
    """picows logs each connection; we count instead."""

    def isEnabledFor(self, level: int) -> bool:
        return False

    def info(self, *_: object) -> None: ...

    debug = warning = error = exception = log = info


_QUIET = _Quiet()
_TEXT, _CONTINUATION, _BINARY = WSMsgType.TEXT, WSMsgType.CONTINUATION, WSMsgType.BINARY
_PING, _CLOSE = WSMsgType.PING, WSMsgType.CLOSE
_NOTHING: dict[str, str] = {}


class SocketConnection(WSListener):
    """A `Connection` over a WebSocket: what it is given goes to the transport at once."""

    __slots__ = (
        "_address",
        "_code",
        "_door",
        "_fragments",
        "_fragments_bytes",
        "_headers",
        "_is_closing",
        "_link",
        "_transport",
        "is_paused",
    )

    def __init__(self, door: Door, headers: dict[str, str], address: str) -> None:
        self.is_paused = False
        self._door = door
        self._headers = headers
        self._address = address
        self._transport: asyncio.Transport | None = None
        self._link: Link | None = None
        self._code = 1006
        self._is_closing = False
        self._fragments: list[bytes] | None = None
        self._fragments_bytes = 0

    # What picows tells

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport.underlying_transport
        self._transport.set_write_buffer_limits(high=PAUSE_BYTES)
        self._link = self._door.enter(self, self._headers, self._address)
        self._headers = _NOTHING
        # An idle connection keeps nothing of its handshake: picows holds on to both for as long as it lives.
        del transport.request.headers, transport.response.headers

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame came; text goes to the driver when it is whole."""
        kind = frame.msg_type
        if self._is_closing and kind is not _CLOSE:
            return
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.close(codes.PROTOCOL_ERROR.number, "no extension was agreed on")
        elif kind is _TEXT:
            self._text(frame)
        elif kind is _CONTINUATION:
            self._continuation(frame)
        elif kind is _PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind is _CLOSE:
            self._close_frame(transport, frame)
        elif kind is _BINARY:
            self.close(codes.UNSUPPORTED_DATA.number, "messages are JSON in text frames")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The transport is gone."""
        self._is_closing = True
        link, self._link = self._link, None
        if link is not None:
            self._door.driver.closed(link, self._code)

    def pause_writing(self) -> None:
        """The transport holds more than `PAUSE_BYTES`."""
        self.is_paused = True
        if self._link is not None:
            self._door.driver.paused(self._link)

    def resume_writing(self) -> None:
        """The transport took most of what it held."""
        self.is_paused = False
        if self._link is not None:
            self._door.driver.drained(self._link)

    # Frames

    def _text(self, frame: WSFrame) -> None:
        if self._fragments is not None:
            self.close(codes.PROTOCOL_ERROR.number, "a message began inside another")
        elif frame.fin:
            self._receive(frame.get_payload_as_bytes())
        else:
            self._fragments = [frame.get_payload_as_bytes()]
            self._fragments_bytes = frame.payload_size

    def _continuation(self, frame: WSFrame) -> None:
        if self._fragments is None:
            self.close(codes.PROTOCOL_ERROR.number, "a continuation of nothing")
            return
        self._fragments_bytes += frame.payload_size
        if self._fragments_bytes > self._door.context.limits.frame_bytes or len(self._fragments) >= 1024:
            self.close(codes.TOO_BIG.number, "a message over frame_bytes")
            return
        self._fragments.append(frame.get_payload_as_bytes())
        if frame.fin:
            whole, self._fragments = b"".join(self._fragments), None
            self._receive(whole)

    def _receive(self, text: bytes) -> None:
        if not text.isascii() and not _is_utf8(text):
            self.close(codes.INVALID_TEXT.number, "a text frame that is not UTF-8")
        elif self._link is not None:
            self._door.driver.received(self._link, text)

    def _close_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        code = int(frame.get_close_code().value) if frame.payload_size >= 2 else codes.NORMAL.number
        if not self._is_closing:
            # picows refuses the codes that RFC 6455 (section 7.4) reserves, but for those outside of its ranges.
            echoed = code if 1000 <= code < 5000 else codes.PROTOCOL_ERROR.number
            # Only we close with a code that keeps a lease; from the other side each is a loss.
            self._code = min(echoed, 3999)
            self._is_closing = True
            self._write(close_frame(echoed))
        transport.disconnect()

    # What the driver asks

    def send(self, packet: Packet) -> None:
        """Give a packet to the transport, which joins what it gets in one turn of the event loop into one write."""
        if self._is_closing or self._transport is None:
            return
        self._transport.write(packet.frame)
        if self.is_paused and self._link is not None and self._transport.get_write_buffer_size() > REPLY_BYTES:
            self._door.driver.too_slow(self._link)

    def close(self, code: int, reason: str) -> None:
        """Send a close frame; the transport goes when the other side answers, or soon after."""
        if self._is_closing or self._transport is None:
            return
        self._is_closing = True
        self._code = code
        self._write(close_frame(code, reason))
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


class SocketProtocol(WSProtocol):  # type: ignore[misc]
    """What uvicorn constructs for each upgrade request. `bound_to` makes the class for one door."""

    __slots__ = ("_address", "_connections", "_headers", "_path", "_root_path")

    door: ClassVar[Door]

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        self._connections = server_state.connections
        self._root_path: str = config.root_path
        self._headers: dict[str, str] = {}
        self._path = ""
        self._address = ""
        super().__init__(
            host_port=None,
            ws_path=None,
            is_client_side=False,
            ws_listener_factory=self._listener,
            logger=_QUIET,
            disconnect_on_exception=True,
            websocket_handshake_timeout=None,
            enable_auto_ping=False,
            auto_ping_idle_timeout=None,
            auto_ping_reply_timeout=None,
            auto_ping_strategy=WSAutoPingStrategy.PING_WHEN_IDLE,
            enable_auto_pong=False,
            max_frame_size=self.door.context.limits.frame_bytes,
            extra_headers=None,
            read_buffer_init_size=_READ_BUFFER_BYTES,
        )

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take over the transport of an HTTP connection."""
        self._connections.add(self)
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """The upgrade request, as uvicorn hands it over. picows gets the plain form of it."""
        head = data.split(b"\r\n")
        self._path = head[0].split(b" ")[1].decode("latin-1").partition("?")[0].removeprefix(self._root_path)
        for line in head[1:]:
            name, _, value = line.partition(b":")
            key, text = name.decode("latin-1").lower(), value.strip().decode("latin-1")
            self._headers[key] = f"{self._headers[key]},{text}" if key in self._headers else text
        self._feed(
            b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: %b\r\n"
            b"Sec-WebSocket-Key: %b\r\n\r\n"
            % (
                self._headers.get("sec-websocket-version", "").encode("latin-1"),
                self._headers.get("sec-websocket-key", "").encode("latin-1"),
            )
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        self._connections.discard(self)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """uvicorn closes what is left; a drain has asked everybody to move before."""
        listener = self.listener
        if isinstance(listener, SocketConnection):
            listener.close(codes.DRAIN.number, "the server is closing")
        else:
            self.transport.disconnect()

    def _feed(self, data: bytes) -> None:
        while data:
            buffer = self.get_buffer(-1)
            taken = min(len(buffer), len(data))
            buffer[:taken] = data[:taken]
            self.buffer_updated(taken)
            data = data[taken:]

    def _listener(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        address = self.door.address(self._address, self._headers.get("x-forwarded-for"))
        turned = self._judge(address)
        if turned is not None:
            extra = [("Content-Type", "application/problem+json")]
            if turned.retry_after_seconds is not None:
                extra.append(("Retry-After", str(turned.retry_after_seconds)))
            body = problem_bytes(turned.status, turned.code, turned.message)
            response = WSUpgradeResponse.create_error_response(turned.status, body, extra)
            return WSUpgradeResponseWithListener(response, None)
        response = WSUpgradeResponse.create_101_response([("Sec-WebSocket-Protocol", SUBPROTOCOL)])
        headers, self._headers = self._headers, _NOTHING
        return WSUpgradeResponseWithListener(response, SocketConnection(self.door, headers, address))

    def _judge(self, address: str) -> Turned | None:
        if self._path != WS_PATH:
            return Turned(404, "not_found", f"there is no WebSocket at {self._path[:200]!r}; it is at {WS_PATH}")
        return self.door.judge(self._headers, address)


def bound_to(door: Door) -> type[SocketProtocol]:
    """The protocol class for uvicorn's `ws=` setting, bound to a door."""
    return type("BoundSocketProtocol", (SocketProtocol,), {"__slots__": (), "door": door})


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def close_frame(code: int, reason: str = "") -> bytes:
    """An unmasked close frame (RFC 6455, section 5.5.1); the reason is cut to what a control frame holds."""
    payload = code.to_bytes(2, "big") + reason.encode()[:120].decode(errors="ignore").encode()
    return b"\x88%c%b" % (len(payload), payload)


logging.getLogger("picows").setLevel(logging.CRITICAL)
