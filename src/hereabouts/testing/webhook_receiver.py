"""A receiver of webhooks for tests, which can be down, slow, talkative or rude: yours to test against too.

async with WebhookReceiver() as receiver:
    ...                                      # a server with [[webhooks]] url = receiver.url, secret = receiver.secret
    event = await receiver.event("user.online", user_id="ada")
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from hereabouts.testing.waiting import eventually, pause
from hereabouts.webhooks.signing import new_secret, verify_webhook

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What is done with a request that was read: an answer, a fault, or nothing."""

SECRET: Final = new_secret(bytes(range(32)))


@dataclass
class Received:
    """One request: an event, or a repetition of it. `tick` is `time.monotonic()`."""

    event: dict[str, Any]
    headers: dict[str, str]
    tick: float


def answering(status: int, *, after_seconds: float = 0, headers: str = "") -> Answer:
    """Answer with a status, maybe slowly."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        if after_seconds:
            await pause(after_seconds)
        writer.write(f"HTTP/1.1 {status} As Asked\r\n{headers}Content-Length: 0\r\n\r\n".encode())

    return answer


async def hang(writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.get_running_loop().create_future()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close without an answer."""
    writer.transport.abort()


async def trickle(writer: asyncio.StreamWriter) -> None:
    """Answer 200, and never end the body."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
    await hang(writer)


def flooding(size: int) -> Answer:
    """Answer 200 with a body of so many bytes."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(0, size, 65_536):
            writer.write(b"x" * 65_536)
            await writer.drain()

    return answer


@dataclass
class WebhookReceiver:
    """Listens on this machine. `answer` may be exchanged at any time; `choose` may answer each event differently.

    Every request's signature is checked; `problems` holds what was wrong.
    """

    secret: str = SECRET
    answer: Answer = field(default_factory=lambda: answering(204))
    choose: Callable[[dict[str, Any]], Answer | None] = lambda event: None
    requests: list[Received] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    most_at_once: int = 0
    port: int = 0
    _asking: set[asyncio.StreamReader] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if error is None:
            assert self.problems == []

    async def start(self) -> None:
        """Listen; after a `stop` on the same port again."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections, and cut those that there are."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where it takes events."""
        return f"http://127.0.0.1:{self.port}/hooks"

    def settings(self, name: str = "crm", **more: Any) -> dict[str, Any]:
        """Its `[[webhooks]]`."""
        return {"name": name, "url": self.url, "secret": self.secret, **more}

    def told(self, *types: str, **data: Any) -> list[dict[str, Any]]:
        """The events of these types (all, without any) with this data, in the order they came; repetitions left out."""
        once = {request.event["id"]: request.event for request in self.requests}
        return [
            event
            for event in once.values()
            if (not types or event["type"] in types)
            and all(event["data"].get(key) == value for key, value in data.items())
        ]

    async def event(self, type: str, *, within: float = 5.0, **data: Any) -> dict[str, Any]:
        """The first event of a type with this data, waiting for it."""
        found = await eventually(
            lambda: self.told(type, **data), within=within, what=f"{type} {data}; {len(self.requests)} requests came"
        )
        return found[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await self._take(reader, writer)
        except asyncio.CancelledError:
            # Stopped: nothing that waits for this task is to hear of it.
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = [line.partition(": ") for line in head.splitlines()[1:] if line]
        headers = {name.lower(): value for name, _, value in lines}
        body = await reader.readexactly(int(headers["content-length"]))
        event = json.loads(body)
        try:
            assert verify_webhook(headers, body, self.secret, now=time.time()) == event["id"]
        except Exception as error:
            self.problems.append(f"{error!r} for {body[:200]!r}")
        self.requests.append(Received(event, headers, time.monotonic()))
        self._asking.add(reader)
        # Who gave up waits for no answer any more, even where one is still being made.
        waiting = sum(not asking.at_eof() and asking.exception() is None for asking in self._asking)
        self.most_at_once = max(self.most_at_once, waiting)
        try:
            await (self.choose(event) or self.answer)(writer)
            await writer.drain()
        finally:
            self._asking.discard(reader)
