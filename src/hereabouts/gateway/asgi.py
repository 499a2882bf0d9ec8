"""The WebSocket door of any ASGI server: slower than the data plane, same behaviour.

Used when Hereabouts is mounted in somebody's application. One bounded queue and one writer task a connection; nobody
waits for anybody else's socket.
"""

from __future__ import annotations

import asyncio
from collections import deque

from starlette.types import Receive, Scope, Send

from hereabouts.fanout.outbox import PAUSE_BYTES, REPLY_BYTES, Packet
from hereabouts.gateway.door import WS_PATH, Door, Turned
from hereabouts.gateway.problems import problem_bytes
from hereabouts.protocol import codes
from hereabouts.protocol.codes import SUBPROTOCOL
from hereabouts.runtime.link import Link
from hereabouts.tasks import end


class AsgiConnection:
    """A `Connection` over ASGI's `send`."""

    def __init__(self, door: Door, send: Send) -> None:
        self.is_paused = False
        self.closed_with: int | None = None
        self._door = door
        self._send = send
        self._queue: deque[Packet] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._goodbye: tuple[int, str] | None = None
        self.link: Link | None = None

    def send(self, packet: Packet) -> None:
        """Queue a packet for the writer."""
        if self._goodbye is not None:
            return
        self._queue.append(packet)
        self._queued_bytes += len(packet.payload)
        self._wake.set()
        if not self.is_paused and self._queued_bytes > PAUSE_BYTES:
            self.is_paused = True
            if self.link is not None:
                self._door.driver.paused(self.link)
        if self._queued_bytes > REPLY_BYTES and self.link is not None:
            self._door.driver.too_slow(self.link)

    def close(self, code: int, reason: str) -> None:
        """Let the writer send what is queued, then close."""
        if self._goodbye is None:
            self._goodbye = (code, reason)
            self.closed_with = code
            self._wake.set()

    async def write(self) -> None:
        """Send what is queued, for as long as the connection lives. The only place that waits for the socket."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                packet = self._queue.popleft()
                await self._send({"type": "websocket.send", "text": packet.text})
                self._queued_bytes -= len(packet.payload)
                self._resume()
            if self._goodbye is not None:
                code, reason = self._goodbye
                await self._send({"type": "websocket.close", "code": code, "reason": reason[:120]})
                return

    def _resume(self) -> None:
        if self.is_paused and self._queued_bytes <= PAUSE_BYTES // 4:
            self.is_paused = False
            if self.link is not None:
                self._door.driver.drained(self.link)


class AsgiDoor:
    """Serves `/v1/ws` for ASGI scopes of type `websocket`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, from its upgrade to its end."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        peer = scope.get("client")
        address = self._door.address(peer[0] if peer else "", headers.get("x-forwarded-for"))
        await receive()
        turned = self._judge(scope, headers, address)
        if turned is not None:
            await _turn_away(scope, send, turned)
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        connection = AsgiConnection(self._door, send)
        link = connection.link = self._door.enter(connection, headers, address)
        writer = asyncio.create_task(connection.write())
        reader = asyncio.create_task(self._read(link, connection, receive))
        code = codes.GOING_AWAY.number
        try:
            await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
            if reader.done() and reader.exception() is None:
                code = reader.result()
        finally:
            self._door.driver.closed(link, connection.closed_with or code)
            await end((reader, writer))

    def _judge(self, scope: Scope, headers: dict[str, str], address: str) -> Turned | None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path != WS_PATH:
            return Turned(404, "not_found", f"there is no WebSocket at {path[:200]!r}; it is at {WS_PATH}")
        return self._door.judge(headers, address)

    async def _read(self, link: Link, connection: AsgiConnection, receive: Receive) -> int:
        while True:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                # Only we close with a code that keeps a lease; from the other side each is a loss.
                return min(int(event.get("code") or codes.GOING_AWAY.number), 3999)
            text = event.get("text")
            if text is None:
                connection.close(codes.UNSUPPORTED_DATA.number, "messages are JSON in text frames")
                continue
            frame = text.encode("utf-8", "surrogatepass")
            if len(frame) > self._door.context.limits.frame_bytes:
                connection.close(codes.TOO_BIG.number, "a message over frame_bytes")
            elif connection.closed_with is None:
                self._door.driver.received(link, frame)


async def _turn_away(scope: Scope, send: Send, turned: Turned) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": codes.POLICY.number, "reason": turned.message[:120]})
        return
    headers = [(b"content-type", b"application/problem+json")]
    if turned.retry_after_seconds is not None:
        headers.append((b"retry-after", str(turned.retry_after_seconds).encode()))
    await send({"type": "websocket.http.response.start", "status": turned.status, "headers": headers})
    body = problem_bytes(turned.status, turned.code, turned.message)
    await send({"type": "websocket.http.response.body", "body": body})
