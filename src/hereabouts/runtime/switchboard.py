"""Questions between nodes: each has a type, and goes to the part of the other node that answers that type.

Two versions of the server can talk. A field that one of them does not know is passed over; a type that it does not know
is answered with `unsupported`. So a message only ever gains fields with defaults; one that means something else gets
another type.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from hereabouts.engine.records import Owner
from hereabouts.errors import JournalUnavailable, Refusal, StoreUnavailable
from hereabouts.runtime.context import Context

Q = TypeVar("Q", bound=Struct)


class Answered(Struct, frozen=True):
    """What came of a question: a body, or the code and text of a refusal, or neither: what it is about is not there."""

    body: Raw | UnsetType = UNSET
    code: str | None = None
    message: str = ""
    limit: str | None = None
    retry_after_seconds: float | None = None


class _Typed(Struct, frozen=True):
    type: str = ""


Answer = Callable[[bytes], Awaitable[Answered]]

_answered = msgspec.json.Decoder(Answered)
_typed = msgspec.json.Decoder(_Typed)


class Switchboard:
    """Asks other nodes, and has their questions answered. Where there are no other nodes, it is silent."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._answers: dict[str, Answer] = {}
        if context.backend.peers is not None:
            context.backend.peers.on_asked(self._asked)

    def answer_raw(self, type: str, answer: Answer) -> None:
        """Let `answer` answer questions of this type, as they came."""
        self._answers[type] = answer

    def answer(self, question: type[Q], act: Callable[[Q], Awaitable[object]]) -> None:
        """Let `act` answer questions of this kind; what it returns is the body."""
        decoder = msgspec.json.Decoder(question)

        async def answer(asked: bytes) -> Answered:
            return Answered(Raw(msgspec.json.encode(await act(decoder.decode(asked)))))

        self.answer_raw(str(question.__struct_config__.tag), answer)

    def others(self) -> tuple[Owner, ...]:
        """Every other node that lives."""
        peers = self._context.backend.peers
        return peers.others() if peers is not None else ()

    async def ask(self, owner: Owner, question: Struct, within_seconds: float | None = None) -> Answered | None:
        """What that node answers; `None` where it does not, in the time that a node may take or in a shorter one."""
        peers = self._context.backend.peers
        if peers is None:
            return None
        try:
            async with asyncio.timeout(within_seconds):
                told = await peers.ask(owner, msgspec.json.encode(question))
        except (StoreUnavailable, TimeoutError):
            return None
        try:
            return _answered.decode(told) if told is not None else None
        except msgspec.MsgspecError as error:
            self._context.failed(error)
            return None

    async def ask_each(
        self, owners: tuple[Owner, ...], question: Struct, within_seconds: float | None = None
    ) -> dict[Owner, Answered | None]:
        """Ask several nodes at once."""
        answers = await asyncio.gather(*(self.ask(owner, question, within_seconds) for owner in owners))
        return dict(zip(owners, answers, strict=True))

    async def _asked(self, question: bytes) -> bytes:
        try:
            type = _typed.decode(question).type
            answer = self._answers.get(type)
            if answer is None:
                raise Refusal("unsupported", f"this version does not know the question {type[:50]!r}")
            answered = await answer(question)
        except Refusal as refusal:
            answered = Answered(UNSET, refusal.code, refusal.message, refusal.limit, refusal.retry_after_seconds)
        except (JournalUnavailable, StoreUnavailable) as error:
            answered = Answered(UNSET, "degraded", str(error))
        except msgspec.MsgspecError as error:
            answered = Answered(UNSET, "unsupported", f"this version does not understand the question: {error}")
        except Exception as error:
            self._context.failed(error)
            answered = Answered(UNSET, "internal", "a fault of the server; it is in its log")
        return msgspec.json.encode(answered)
