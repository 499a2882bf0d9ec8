"""Sessions of other nodes: what comes here for them is done where they are, and taken up here where nobody has them.

A beat by HTTP may come to any node. It never takes a session from its socket, so the node that owns it does what it
says; only what a dead node left is taken up here. Source: `spec/semantics.md`, rules 1 and 14.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, structs

from hereabouts.engine.identity import Identity
from hereabouts.engine.records import Owner
from hereabouts.errors import Refusal
from hereabouts.runtime.context import Context
from hereabouts.runtime.switchboard import Answered, Switchboard

REMEMBERED_MOST: Final = 100_000
"""Sessions of other nodes whose owner is remembered."""


class Beaten(Struct, frozen=True, tag="beat"):
    """A beat by HTTP for the node that owns the session. `info` travels beside the identity, as in a hand-over."""

    identity: Identity
    body: Raw
    info: Raw | UnsetType = UNSET


class Left(Struct, frozen=True, tag="leave"):
    """A leave token for the node that owns the session."""

    token: str
    after_seconds: float | None


class UserLeft(Struct, frozen=True, tag="user_left"):
    """A user ends all of its sessions, or one of them, wherever they are."""

    tenant: str
    user_id: str
    session_id: str | None = None


Question = Beaten | Left
Answer = Callable[[Question], Awaitable[Answered]]

_question = msgspec.json.Decoder(Question)


class Elsewhere:
    """Asks the node that owns a session, and answers where this one does."""

    def __init__(self, context: Context, switchboard: Switchboard) -> None:
        self._context = context
        self._switchboard = switchboard
        self._owners: OrderedDict[str, Owner] = OrderedDict()
        self._answer: Answer | None = None

    def answer_with(self, answer: Answer) -> None:
        """Let `answer` answer other nodes."""
        self._answer = answer
        for type in ("beat", "leave"):
            self._switchboard.answer_raw(type, self._asked)

    def answer_user_left(self, act: Callable[[UserLeft], Awaitable[int]]) -> None:
        """Let `act` end a user's sessions where another node was told of it."""
        self._switchboard.answer(UserLeft, act)

    async def leave_user(self, left: UserLeft) -> None:
        """Let the other nodes end a user's sessions. One that does not answer ends them when their leases run out."""
        await self._switchboard.ask_each(self._switchboard.others(), left)

    async def beat(self, identity: Identity, secret: str, body: bytes) -> bytes | None:
        """What the owner of the session answers to a beat; `None` where no living node has it. Raises `Refusal`."""
        info = UNSET if identity.info is None else identity.info
        return await self._ask(secret, Beaten(structs.replace(identity, info=None), Raw(body), info))

    async def leave(self, token: str, after_seconds: float | None) -> None:
        """Hand a leave token to the owner of the session."""
        await self._ask(token, Left(token, after_seconds))

    async def _ask(self, secret: str, question: Question) -> bytes | None:
        peers = self._context.backend.peers
        if peers is None:
            return None
        session_id = secret.partition(".")[0]
        remembered = self._owners.get(session_id)
        owner = remembered or await self._owner(session_id)
        if owner is None or owner == self._context.owner:
            return None
        told = await self._switchboard.ask(owner, question) if peers.lives(owner) else None
        if told is None and peers.lives(owner):
            raise Refusal("degraded", "the node that has this session did not answer", retry_after_seconds=1)
        answered = told or Answered()
        if answered.code is not None:
            raise Refusal(
                answered.code, answered.message, limit=answered.limit, retry_after_seconds=answered.retry_after_seconds
            )
        if answered.body is UNSET:
            self._owners.pop(session_id, None)
            # What was remembered may be out of date: the session may have moved on.
            return await self._ask(secret, question) if remembered is not None else None
        self._remember(session_id, owner)
        return bytes(answered.body)

    async def _owner(self, session_id: str) -> Owner | None:
        peers = self._context.backend.peers
        kept = await peers.kept(session_id) if peers is not None else None
        if peers is None or kept is None:
            return None
        for place in kept[1]:
            record = await peers.standing(place)
            if record is not None:
                return record.owner
        return None

    def _remember(self, session_id: str, owner: Owner) -> None:
        self._owners[session_id] = owner
        self._owners.move_to_end(session_id)
        if len(self._owners) > REMEMBERED_MOST:
            self._owners.popitem(last=False)

    async def _asked(self, question: bytes) -> Answered:
        assert self._answer is not None
        asked = _question.decode(question)
        if isinstance(asked, Beaten) and asked.info is not UNSET:
            asked = structs.replace(asked, identity=structs.replace(asked.identity, info=asked.info))
        return await self._answer(asked)
