"""Event streams: the messages of a watching connection as Server-Sent Events.

Source: the HTML standard, "Server-sent events". The id of an event holds the positions of all rooms of the stream, so
that `Last-Event-ID` continues each of them, or gets a new snapshot where it cannot.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, Literal

from msgspec import Struct
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hereabouts.errors import Refusal
from hereabouts.fanout.outbox import PAUSE_BYTES, REPLY_BYTES, Packet
from hereabouts.fanout.viewer import Viewer
from hereabouts.gateway.beating import address_of
from hereabouts.gateway.door import Door
from hereabouts.gateway.lookups import split_ids
from hereabouts.protocol import codes
from hereabouts.protocol.messages import Watch
from hereabouts.routes import Asked, Call, Nothing
from hereabouts.runtime.driver import Driver
from hereabouts.runtime.link import Link
from hereabouts.runtime.looking import Looking
from hereabouts.tasks import end

EVENTS_TYPE: Final = "text/event-stream"

KEEP_ALIVE_SECONDS: Final = 15.0
"""A stream that says nothing for so long sends a comment, so that no proxy takes it for dead."""

LAST_WORDS_SECONDS: Final = 5.0
"""How long a stream that is closed has to hand over what was queued before."""

RESUMABLE_ROOMS: Final = 20
"""A stream of more rooms has no ids, and comes back to snapshots: every event would carry every position."""

_HEADERS: Final = {"X-Accel-Buffering": "no"}


class EventsParams(Struct):
    """Rooms, users and kinds of resources to watch, with commas between them."""

    rooms: str | None = None
    users: str | None = None
    occupancy: str | None = None
    mode: Literal["roster", "count"] = "roster"


EVENTS: Final = Call(
    name="events",
    method="GET",
    path="/v1/events",
    summary="The changes of rooms, users and resources, as they come. `Last-Event-ID` continues an earlier stream.",
    access="reader",
    params=EventsParams,
    body=Nothing,
    media_type=EVENTS_TYPE,
    codes=("too_large", "limit_exceeded", "degraded"),
)


class EventConnection:
    """A `Connection` over the body of an answer. What it is given waits for one writer."""

    def __init__(self, driver: Driver) -> None:
        self.is_paused = False
        self.link: Link | None = None
        self.viewer: Viewer | None = None
        self._driver = driver
        self._queue: list[bytes] = []
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._is_over = False
        self._deadline: asyncio.Timeout | None = None

    def send(self, packet: Packet) -> None:
        """See `Connection.send`."""
        if self._is_over:
            return
        event = _event(packet.payload, _position(self.viewer))
        self._queue.append(event)
        self._queued_bytes += len(event)
        self._wake.set()
        if self.link is None:
            return
        if self._queued_bytes > PAUSE_BYTES and not self.is_paused:
            self.is_paused = True
            self._driver.paused(self.link)
        if self._queued_bytes > REPLY_BYTES:
            self._driver.too_slow(self.link)

    def close(self, code: int, reason: str) -> None:
        """See `Connection.close`. The reason was a message, where the client has to know it."""
        self._is_over = True
        self._wake.set()
        self._hurry()

    def _hurry(self) -> None:
        if self._is_over and self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time() + LAST_WORDS_SECONDS)

    async def write(self, send: Send) -> None:
        """Send what is queued until it is closed. Raises `TimeoutError` when the other side does not take it."""
        async with asyncio.timeout(None) as deadline:
            self._deadline = deadline
            self._hurry()
            try:
                while not self._is_over or self._queue:
                    await self._next(send)
                await send({"type": "http.response.body", "body": b""})
            finally:
                self._deadline = None

    async def _next(self, send: Send) -> None:
        if self._queue or await self._woken():
            await self._flush(send)
        else:
            await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})

    async def _woken(self) -> bool:
        try:
            async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    async def _flush(self, send: Send) -> None:
        self._wake.clear()
        queue, self._queue = self._queue, []
        size = self._queued_bytes
        if queue:
            await send({"type": "http.response.body", "body": b"".join(queue), "more_body": True})
        self._queued_bytes -= size
        if self.is_paused and self._queued_bytes <= PAUSE_BYTES // 4:
            self.is_paused = False
            if self.link is not None:
                self._driver.drained(self.link)


class EventStream(Response):
    """The answer to `GET /v1/events`: as long as the client listens and the token is good."""

    def __init__(self, connection: EventConnection, driver: Driver, streams: Counter[Any], whose: object) -> None:
        super().__init__(headers=_HEADERS, media_type=EVENTS_TYPE)
        del self.headers["content-length"]
        self._connection = connection
        self._driver = driver
        self._streams = streams
        self._whose = whose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until either side ends it."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            writer = asyncio.create_task(self._connection.write(send))
            reader = asyncio.create_task(_gone(receive))
            try:
                await asyncio.wait((writer, reader), return_when=asyncio.FIRST_COMPLETED)
            finally:
                await end((writer, reader))
        finally:
            self.release()

    def release(self) -> None:
        """Nobody listens any more."""
        if self._connection.link is not None:
            self._driver.closed(self._connection.link, codes.GOING_AWAY.number)
        self._streams[self._whose] -= 1
        if not self._streams[self._whose]:
            del self._streams[self._whose]


class Events:
    """Opens event streams, each user and each API key no more than `sessions_per_user` of them."""

    def __init__(self, door: Door, looking: Looking) -> None:
        self._door = door
        self._driver = door.driver
        self._looking = looking
        self._streams: Counter[tuple[str, str, str]] = Counter()

    async def open(self, asked: Asked[EventsParams, Nothing]) -> Response:
        """The stream. Raises `Refusal`."""
        identity, key, request = asked.caller.identity, asked.caller.key, asked.request
        message, seen = _watch(asked.params, request.headers.get("last-event-id", ""))
        if request.method == "HEAD":
            return Response(headers=_HEADERS, media_type=EVENTS_TYPE)
        if self._driver.is_draining:
            raise Refusal("degraded", "this node is draining", retry_after_seconds=1)
        whose = (identity.tenant, identity.user_id, key.name if key is not None else "")
        most = self._door.context.limits.sessions_per_user
        if self._streams[whose] >= most:
            raise Refusal("limit_exceeded", f"there are {most} event streams already", limit="sessions_per_user")
        self._streams[whose] += 1
        connection = EventConnection(self._driver)
        stream = EventStream(connection, self._driver, self._streams, whose)
        connection.link, connection.viewer = self._driver.observed(
            connection, address_of(request, self._door), identity
        )
        try:
            await self._looking.observe(connection.viewer, message, seen)
        except BaseException:
            stream.release()
            raise
        if connection.link.is_closed:
            await self._looking.forget(connection.viewer)
        return stream


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _watch(params: EventsParams, last: str) -> tuple[Watch, dict[str, tuple[str, int]]]:
    """What to watch, and where each room was left. Raises `Refusal`."""
    rooms = split_ids(params.rooms, "rooms") if params.rooms else []
    users = split_ids(params.users, "users") if params.users else []
    kinds = split_ids(params.occupancy, "occupancy") if params.occupancy else []
    if not rooms and not users and not kinds:
        raise Refusal("bad_request", "the query names neither rooms nor users nor kinds of resources")
    return Watch(0, rooms, users, params.mode, occupancy=kinds), _seen(list(dict.fromkeys(rooms)), last)


def _seen(rooms: Sequence[str], last: str) -> dict[str, tuple[str, int]]:
    """The positions of an id. They are in the order of the rooms; a wrong one fits no epoch, which is no harm."""
    seen: dict[str, tuple[str, int]] = {}
    for room, position in zip(rooms, last.split(","), strict=False):
        epoch, _, seq = position.rpartition(":")
        if epoch and seq.isascii() and seq.isdecimal() and len(seq) <= 15:
            seen[room] = (epoch, int(seq))
    return seen


def _position(viewer: Viewer | None) -> str:
    """Where a viewer is in each of its rooms, for an id."""
    if viewer is None or not 0 < len(viewer.viewings) <= RESUMABLE_ROOMS:
        return ""
    return ",".join(
        f"{viewing.stream.epoch}:{viewing.sent}" if viewing.stream is not None else "-"
        for viewing in viewer.viewings.values()
    )


def _event(payload: bytes, position: str) -> bytes:
    # What clients wrote into `state` is forwarded as it came, line ends between its tokens included.
    data = payload.replace(b"\r", b" ").replace(b"\n", b" ")
    if not position:
        return b"data: %b\n\n" % data
    return b"id: %b\ndata: %b\n\n" % (position.encode(), data)
