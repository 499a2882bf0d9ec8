"""A raw client of the protocol for tests: it says what it is told to, keeps every frame, and holds them to the rules.

It knows nothing of reconnecting or of beating by itself; a test says when.

    ada = await Wire.open(url)
    await ada.hello("dev:ada")
    await ada.join("lobby")
    joined = await ada.event("lobby", "join", "bob", within=1)
    ada.folds.check()      # done by every delta as it comes; raises what was wrong since
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from hereabouts.testing.folds import Folds
from hereabouts.testing.waiting import pause

PATIENCE_SECONDS: Final = 5.0
"""How long a test waits for what must come, when it does not say."""

T = TypeVar("T")
Message = dict[str, Any]
Condition = Callable[[Message], bool]


class Refused(Exception):
    """A request was answered with `error`; the frame is in `error`."""

    def __init__(self, error: Message) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.error = error
        self.code: str = error["code"]


@dataclass
class Frame:
    """One frame that came, and when: `time.monotonic()`."""

    message: Message
    tick: float
    is_taken: bool = False


@dataclass(eq=False)
class Wire:
    """One connection."""

    socket: ClientConnection
    folds: Folds = field(default_factory=Folds)
    frames: list[Frame] = field(default_factory=list)
    welcome: Message = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _last_id: int = 0

    @classmethod
    async def open(cls, url: str, *, folds: Folds | None = None, **options: Any) -> Self:
        """Connect. `folds` are those of the connection before, for a client that comes back."""
        options = {"subprotocols": [Subprotocol("hereabouts.v1")], "compression": None, "ping_interval": None} | options
        socket = await connect(url, max_size=None, max_queue=None, **options)
        wire = cls(socket, folds or Folds())
        wire._tasks.append(asyncio.create_task(wire._read()))
        return wire

    async def close(self, code: int = 1000) -> None:
        """Close properly, and let go of everything. Twice is harmless."""
        with suppress(ConnectionClosed):
            await self.socket.close(code)
        await self._stop()

    async def reset(self) -> None:
        """Reset the TCP connection: nothing of a goodbye."""
        self.socket.transport.abort()
        await self._stop()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for text in self.socket:
                message = json.loads(text)
                self.folds.take(message)
                self.frames.append(Frame(message, time.monotonic()))
                self._news.set()
        self._news.set()

    # Saying

    async def say(self, type: str, **fields: Any) -> None:
        """Send one message."""
        await self.socket.send(json.dumps({"type": type, **fields}))

    async def ask(self, type: str, within: float = PATIENCE_SECONDS, **fields: Any) -> Message:
        """Send a request and wait for its `ok`. Raises `Refused` for an `error`."""
        self._last_id += 1
        id = self._last_id
        await self.say(type, id=id, **fields)
        answer = await self.expect("ok", "error", within=within, where=lambda message: message.get("id") == id)
        if answer["type"] == "error":
            raise Refused(answer)
        return answer

    async def hello(self, token: str, **fields: Any) -> Message:
        """Say hello and wait for the welcome. Raises `Refused`."""
        await self.say("hello", token=token, **fields)
        answer = await self.expect("welcome", "error")
        if answer["type"] == "error":
            raise Refused(answer)
        self.welcome = answer
        return answer

    async def resume(self, before: Wire, token: str, **fields: Any) -> Message:
        """Go on with the session of an earlier connection."""
        return await self.go_on(before.welcome["resume"], token, **fields)

    async def go_on(self, secret: str, token: str, **fields: Any) -> Message:
        """Go on with the session of this secret."""
        return await self.hello(token, resume=secret, seen=self.folds.seen(), **fields)

    async def join(self, room: str, **fields: Any) -> Message:
        """Join and wait for the snapshot."""
        await self.ask("join", room=room, **fields)
        return await self.expect("snapshot", where=lambda message: message["room"] == room)

    async def watch(self, room: str, **fields: Any) -> Message:
        """Watch a room and wait for its first `snapshot`."""
        await self.ask("watch", rooms=[room], **fields)
        return await self.expect("snapshot", where=lambda message: message["room"] == room)

    def beat_every(self, seconds: float, **fields: Any) -> asyncio.Task[None]:
        """Beat until the task is cancelled or the connection ends."""
        task = asyncio.create_task(self._beat_every(seconds, fields))
        self._tasks.append(task)
        return task

    async def _beat_every(self, seconds: float, fields: Message) -> None:
        with suppress(ConnectionClosed):
            while True:
                await self.say("beat", **fields)
                await pause(seconds)

    # Hearing

    def untaken(self, *types: str, where: Condition | None = None) -> Frame | None:
        """The first frame of these types that no `expect` has taken."""
        for frame in self.frames:
            if not frame.is_taken and frame.message["type"] in types and (where is None or where(frame.message)):
                return frame
        return None

    async def expect(self, *types: str, within: float = PATIENCE_SECONDS, where: Condition | None = None) -> Message:
        """Take the first frame of these types, waiting for it if it has not come."""
        frame = await self._await(lambda: self.untaken(*types, where=where), within, " or ".join(types))
        frame.is_taken = True
        return frame.message

    async def event(self, room: str, kind: str, user_id: str, within: float = PATIENCE_SECONDS) -> float:
        """Wait for an event of a room that was not taken before; when it came (`time.monotonic()`)."""
        event = await self._await(lambda: self.folds.untaken(room, kind, user_id), within, f"{kind} of {user_id}")
        event.is_taken = True
        return event.tick

    async def no_event(self, room: str, kind: str, user_id: str, during: float) -> None:
        """Fails when such an event comes within `during` seconds, or came and was not taken."""
        with suppress(TimeoutError):
            async with asyncio.timeout(during):
                await self.event(room, kind, user_id, within=during + 1)
                raise AssertionError(f"{kind} of {user_id} in {room}: {self.folds.told(room)}")

    async def never(self, *types: str, during: float, where: Condition | None = None) -> None:
        """Fails when such a frame comes within `during` seconds, or came and was not taken."""
        with suppress(TimeoutError):
            async with asyncio.timeout(during):
                message = await self.expect(*types, within=during + 1, where=where)
                raise AssertionError(f"what must not come: {message}")

    async def closed(self, within: float = PATIENCE_SECONDS) -> int:
        """Wait for the end of the connection: the close code, 1006 where there was none."""
        async with asyncio.timeout(within):
            await self.socket.wait_closed()
        return self.socket.close_code or 1006

    async def _await(self, condition: Callable[[], T | None], within: float, what: str) -> T:
        deadline = time.monotonic() + within
        while (found := condition()) is None:
            self.folds.check()
            self._news.clear()
            left = deadline - time.monotonic()
            ended = self._tasks[0].done()
            if left <= 0 or ended:
                why = f"the connection closed ({self.socket.close_code})" if ended else f"not within {within} s"
                raise AssertionError(f"{what}: {why}; the last frames: {[f.message for f in self.frames[-4:]]}")
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()
        self.folds.check()
        return found
