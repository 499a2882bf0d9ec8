"""Sessions without a socket: a beat by HTTP, and the leave token of any session."""

from __future__ import annotations

import hashlib
from functools import partial

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from hereabouts.engine.identity import Identity
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Membership
from hereabouts.engine.session import Session
from hereabouts.errors import Refusal, StoreUnavailable
from hereabouts.protocol import codes
from hereabouts.protocol.codec import check_id
from hereabouts.runtime import moving
from hereabouts.runtime.barring import check_join, check_resume
from hereabouts.runtime.chain import Chain
from hereabouts.runtime.commands import take
from hereabouts.runtime.context import Context
from hereabouts.runtime.elsewhere import Elsewhere, Left, Question, UserLeft
from hereabouts.runtime.entrance import Entrance, policy_info
from hereabouts.runtime.link import OwnedSession
from hereabouts.runtime.looking import room_full
from hereabouts.runtime.registry import Registry, leave_token
from hereabouts.runtime.switchboard import Answered
from hereabouts.runtime.writer import Writer


class HttpBeat(Struct):
    """The body of `POST /v1/heartbeat`. `rooms` and `typing`, when present, are the exact set."""

    session_id: str | None = None
    resume: str | None = None
    visible: bool | None = None
    active: bool | None = None
    rooms: list[str] | UnsetType = UNSET
    typing: list[str] | UnsetType = UNSET
    platform: str | None = None


class HttpBeatAnswer(Struct):
    """What a client needs for its next beat. `next_beat_seconds` is null where hidden sessions do not beat.

    `taken_out` are the rooms of the beat that an admin took the session out of; a beat without them forgets that.
    `policy_version` is another one when any clock of the session is.
    """

    session_id: str
    resume: str
    leave_token: str
    lease_expires_at: int
    next_beat_seconds: float | None
    resumed: bool
    taken_out: list[str] | UnsetType = UNSET
    policy_version: str = ""


class HttpBeats:
    """A beat never raises the incarnation and never takes a session from its socket."""

    def __init__(
        self, context: Context, registry: Registry, entrance: Entrance, writer: Writer, elsewhere: Elsewhere
    ) -> None:
        self._context = context
        self._registry = registry
        self._entrance = entrance
        self._writer = writer
        self._elsewhere = elsewhere
        elsewhere.answer_user_left(self._leave_here)
        elsewhere.answer_with(self._answer_node)

    async def beat(self, identity: Identity, body: HttpBeat, origin: tuple[str, str] | None = None) -> HttpBeatAnswer:
        """Renew the session that the secret names, or begin one; bring its rooms to what the body says.

        `origin` is the address and the program that a new session is reached from, where they are to be kept.
        """
        self._check(identity, body)
        await self._entrance.check_revoked(identity)
        check_resume(self._context, identity.tenant, body.resume)
        owned = self._registry.by_resume(body.resume) if body.resume else None
        if owned is not None and not _may_beat(owned, identity, body.session_id):
            owned = None
        elif body.resume and owned is None:
            told = await self._elsewhere.beat(identity, body.resume, msgspec.json.encode(body))
            if told is not None:
                return msgspec.json.decode(told, type=HttpBeatAnswer)
            owned = await self._take_up(identity, body.resume)
        resumed, resume = owned is not None, body.resume or ""
        if owned is None:
            visible, active = body.visible is not False, body.active is not False
            owned, resume = await self._entrance.open(
                identity, Chain(self._context.failed), None, visible, active, body.platform
            )
            begun = owned
            await begun.chain.ask(lambda: self._entrance.settle_in(begun))
            if origin is not None:
                self._context.recorder.reached(begun.session, origin, self._context.now().at)
        else:
            effects = owned.session.beat(self._context.now(), body.visible, body.active)
            self._writer.run(owned, effects + owned.session.identify(identity))
            self._context.file(owned)
        self._context.telemetry.http_beats += 1
        found = owned
        if body.rooms is not UNSET or body.typing is not UNSET:
            await found.chain.ask(lambda: self._bring(found, body))
        await found.chain.settled()
        return self._answer(found, resume, resumed)

    async def _take_up(self, identity: Identity, resume: str) -> OwnedSession | None:
        """Go on with a session that a dead node left."""
        owned = await self._entrance.fetch(resume, identity, Chain(self._context.failed))
        if owned is not None:
            self._writer.run(owned, owned.session.go_on())
            owned.chain.add(partial(moving.keep, self._context, owned.session))
        return owned

    async def _answer_node(self, question: Question) -> Answered:
        """Do what came to another node for a session that is ours."""
        if isinstance(question, Left):
            return Answered(Raw(b"true")) if self.leave(question.token, question.after_seconds) else Answered()
        body = msgspec.json.decode(question.body, type=HttpBeat)
        owned = self._registry.by_resume(body.resume) if body.resume else None
        if owned is None or not _may_beat(owned, question.identity, body.session_id):
            return Answered()
        return Answered(Raw(msgspec.json.encode(await self.beat(question.identity, body))))

    async def leave_anywhere(self, token: str, after_seconds: float | None) -> None:
        """Hand in a leave token, whichever node has its session. Nobody waits for what a beacon comes to."""
        if self.leave(token, after_seconds):
            return
        try:
            await self._elsewhere.leave(token, after_seconds)
        except Refusal:
            pass  # its node did not answer, and will end the session by its lease
        except StoreUnavailable as error:
            self._context.failed(error)

    def _check(self, identity: Identity, body: HttpBeat) -> None:
        limits = self._context.limits
        rooms = [] if body.rooms is UNSET else body.rooms
        typing = [] if body.typing is UNSET else body.typing
        for room in (*rooms, *typing):
            check_id(room, "room", id_bytes=limits.id_bytes)
        for room in rooms:
            if not identity.grants.may("join", room):
                raise Refusal("forbidden", f"the token does not grant joining {room!r}")
        if len(set(rooms)) > limits.rooms_per_session:
            text = f"a session joins at most {limits.rooms_per_session} rooms"
            raise Refusal("limit_exceeded", text, limit="rooms_per_session")
        if body.platform is not None:
            check_id(body.platform, "platform", id_bytes=64)

    async def _bring(self, owned: OwnedSession, body: HttpBeat) -> None:
        """Join and leave rooms, start and stop typing, until they are what the body says."""
        session, now = owned.session, self._context.now()
        if not session.is_published:
            return
        if body.rooms is not UNSET:
            for room in [room for room in session.rooms if room not in body.rooms]:
                await self._writer.perform(owned, session.leave(room))
            owned.taken_out &= set(body.rooms)
            for room in dict.fromkeys(body.rooms):
                if room not in session.rooms and room not in owned.taken_out:
                    policy = self._context.policy(session.tenant, session.identity.role, room)
                    check_join(self._context, session.tenant, session.user_id, room)
                    take(owned.joins.take(now.tick), "joins_per_second")
                    await self._check_full(session, room, policy)
                    await self._writer.perform(owned, session.join(room, {}, policy.grace_seconds, now))
            await moving.keep_hidden(self._context, session)
        if body.typing is not UNSET:
            for room in set(session.typing) | set(body.typing):
                if room in session.rooms:
                    policy = self._context.policy(session.tenant, session.identity.role, room)
                    on = room in body.typing
                    await self._writer.perform(owned, session.set_typing(room, on, policy, now))

    async def _check_full(self, session: Session, room: str, policy: Policy) -> None:
        if not policy.members_max:
            return
        snapshot = await self._context.backend.snapshot(session.room_feed(room))
        members = {record.user_id for record in snapshot.records if isinstance(record, Membership)}
        if len(members) >= policy.members_max and session.user_id not in members:
            raise room_full(policy, session.identity.role, room)

    def _answer(self, owned: OwnedSession, resume: str, resumed: bool) -> HttpBeatAnswer:
        session, policy, now = owned.session, owned.session.policy, self._context.now()
        return HttpBeatAnswer(
            session_id=session.session_id,
            resume=resume,
            leave_token=leave_token(session.session_id, resume, session.incarnation),
            lease_expires_at=now.at + int((session.lapse_tick - now.tick) * 1000),
            next_beat_seconds=policy.beat_visible_seconds if session.visible else policy.beat_hidden_seconds,
            resumed=resumed,
            taken_out=sorted(owned.taken_out) or UNSET,
            policy_version=_version(policy),
        )

    def leave(self, token: str, after_seconds: float | None) -> bool:
        """Hand in a leave token. A wrong one, or one of an earlier incarnation, does nothing; whether it was good."""
        owned = self._registry.by_leave_token(token)
        if owned is None:
            return False
        self._writer.run(owned, owned.session.beacon(self._context.now(), after_seconds))
        self._context.file(owned)
        return True

    async def leave_user(self, tenant: str, user_id: str, session_id: str | None) -> None:
        """End a user's sessions, or one of them, on the user's own word, at every node."""
        left = UserLeft(tenant, user_id, session_id)
        await self._leave_here(left)
        await self._elsewhere.leave_user(left)

    async def _leave_here(self, left: UserLeft) -> int:
        ended = 0
        for owned in self._registry.of_user(left.tenant, left.user_id):
            if left.session_id in (None, owned.session.session_id):
                self._writer.run(owned, owned.session.end("leave", codes.ENDED, "the user left"))
                ended += 1
        return ended


def _may_beat(owned: OwnedSession, identity: Identity, session_id: str | None) -> bool:
    session = owned.session
    if session.phase == "over" or (session.tenant, session.user_id) != (identity.tenant, identity.user_id):
        return False
    return session_id is None or session_id == session.session_id


def _version(policy: Policy) -> str:
    """A name of the clocks, the same on every node and after every restart."""
    return hashlib.blake2b(msgspec.json.encode(policy_info(policy)), digest_size=6).hexdigest()
