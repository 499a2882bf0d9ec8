"""One connection, from its hello to its end: what is said, what is heard, and which answer belongs to which request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import reduce
from itertools import count
from operator import or_
from typing import Any, Final, TypeAlias

import msgspec

from hereabouts.client.refusals import Refused
from hereabouts.client.world import Lost, Socket
from hereabouts.protocol.codec import encode
from hereabouts.protocol.messages import SERVER_MESSAGES, ClientMessage, Error, Hello, Ok, ServerMessage, Welcome

Making: TypeAlias = Callable[[int], ClientMessage]
"""Gives the message of a request for the id that it is to carry."""

_decoder: Final[msgspec.json.Decoder[ServerMessage]] = msgspec.json.Decoder(reduce(or_, SERVER_MESSAGES))


class Line:
    """A connection. Use `greet`, then run `listen` until it raises `Lost`."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._ids = count(1)
        self._asked: dict[int, asyncio.Future[Ok]] = {}
        self._unsent: asyncio.Queue[bytes] = asyncio.Queue()
        self._last_error: Error | None = None
        self.is_over = False

    async def greet(self, hello: Hello) -> Welcome:
        """Say hello. Raises `Lost`, with the server's own words where it gave them."""
        await self._socket.send(encode(hello).decode())
        while True:
            message = await self._receive()
            if isinstance(message, Welcome):
                return message
            if isinstance(message, Error):
                self._last_error = message

    async def listen(self, heard: Callable[[ServerMessage], None]) -> None:
        """Hand over each message that answers no request. Raises `Lost` in the end."""
        writer = asyncio.create_task(self._write())
        try:
            while True:
                message = await self._receive()
                if not self._is_answer(message):
                    with suppress(msgspec.MsgspecError):  # As in `_receive`, for the parts that are read later.
                        heard(message)
        finally:
            writer.cancel()
            self.is_over = True
            self._give_up()

    def say(self, message: ClientMessage) -> None:
        """Send, without waiting."""
        self._unsent.put_nowait(encode(message))

    def ask(self, making: Making) -> asyncio.Future[Ok]:
        """Send a request. The answer raises `Refused`, or `Lost` when it can come no more."""
        id = next(self._ids)
        answer: asyncio.Future[Ok] = asyncio.get_running_loop().create_future()
        self._asked[id] = answer
        answer.add_done_callback(lambda _: self._asked.pop(id, None))
        self.say(making(id))
        return answer

    def drop(self) -> None:
        """Let go of the connection at once."""
        self._socket.drop()

    async def _write(self) -> None:
        while True:
            frame = await self._unsent.get()
            try:
                await self._socket.send(frame.decode())
            except Lost:
                return

    async def _receive(self) -> ServerMessage:
        while True:
            try:
                return _decoder.decode(await self._socket.receive())
            except Lost as lost:
                if self._last_error is None:
                    raise
                raise Lost(
                    lost.code,
                    f"{self._last_error.code}: {self._last_error.message}",
                    self._last_error.retry_after_seconds or 0.0,
                ) from None
            except msgspec.MsgspecError:
                # A message that this version does not know. Where it was a change, the gap shows and is mended.
                continue

    def _is_answer(self, message: ServerMessage) -> bool:
        if isinstance(message, Error) and message.id is None:
            self._last_error = message
            return False
        if not isinstance(message, Ok | Error) or message.id is None:
            return False
        answer = self._asked.get(message.id)
        if answer is None or answer.done():
            return True
        if isinstance(message, Ok):
            answer.set_result(message)
        else:
            answer.set_exception(refused(message))
        return True

    def _give_up(self) -> None:
        for answer in list(self._asked.values()):
            if not answer.done():
                answer.set_exception(Lost(None, "the connection was lost before the answer"))
                answer.exception()  # Whoever waits still gets it; where nobody does, it is no news.


def refused(error: Error) -> Refused:
    """The exception for an error message."""
    return Refused(error.code, error.message, error.limit, error.retry_after_seconds)


def quietly(answer: asyncio.Future[Any]) -> None:
    """Nobody waits for this answer; its failure is no news."""
    answer.add_done_callback(lambda done: done.cancelled() or done.exception())
