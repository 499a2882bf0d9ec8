"""How a session begins or goes on: hello, and the HTTP beat of a client without a socket."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from hereabouts.engine.effects import Write
from hereabouts.engine.identity import Identity
from hereabouts.engine.limits import Limits
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Declaration, Put
from hereabouts.engine.session import Session
from hereabouts.errors import HereaboutsError, Refusal, StoreUnavailable
from hereabouts.fanout.room import RoomFan
from hereabouts.protocol.codec import check_id
from hereabouts.protocol.messages import Hello, PolicyInfo, UserInfo, Welcome
from hereabouts.runtime import moving
from hereabouts.runtime.barring import check_resume, check_user
from hereabouts.runtime.chain import Chain
from hereabouts.runtime.context import Context
from hereabouts.runtime.link import Link, OwnedSession
from hereabouts.runtime.people import Person
from hereabouts.runtime.registry import Registry, hash_secret, leave_token
from hereabouts.runtime.relay import Relay
from hereabouts.runtime.writer import Writer

UNSEEN_LIVES: Final = 16
"""How many lives a session may have begun at other nodes while this one was blind: its next one outranks them."""


class Entrance:
    """Lets sessions in: new ones, and those that come back."""

    def __init__(
        self,
        context: Context,
        registry: Registry,
        relay: Relay,
        writer: Writer,
        moved: Callable[[OwnedSession], None],
    ) -> None:
        self._context = context
        self._registry = registry
        self._relay = relay
        self._writer = writer
        self._moved = moved

    async def is_revoked(self, identity: Identity) -> bool:
        """Whether the token was revoked, itself or with its user."""
        return await self._context.journal.revoked(
            identity.tenant, identity.user_id, identity.token_id, identity.issued_at
        )

    async def check_revoked(self, identity: Identity) -> None:
        """Raise `unauthenticated` for a token that was revoked.

        It is asked again right before a session is taken into the registry: what is revoked later finds it there.
        """
        if await self.is_revoked(identity):
            raise Refusal("unauthenticated", "this token was revoked")

    async def enter(
        self, link: Link, identity: Identity, hello: Hello, chain: Chain
    ) -> tuple[OwnedSession, Welcome, list[RoomFan]]:
        """The session of a hello, the welcome, and the rooms it is still a member of."""
        if hello.platform is not None:
            check_id(hello.platform, "platform", id_bytes=64)
        check_resume(self._context, identity.tenant, hello.resume)
        found = self._resumable(hello.resume, identity)
        if found is not None:
            found = await self._still_ours(found)
        if found is None and hello.resume is not None:
            found = await self.fetch(hello.resume, identity, chain)
        if found is not None and hello.resume is not None:
            effects = found.session.resume(self._context.now(), identity, link, hello.visible, hello.active)
            self._writer.run(found, effects)
            found.link = link
            self._context.file(found)
            found.chain.add(partial(moving.keep, self._context, found.session))
            rooms = [await self._relay.room(found.session.room_feed(room)) for room in list(found.session.rooms)]
            return found, self._welcome(found, True, hello.resume), rooms
        owned, resume = await self.open(identity, chain, link, hello.visible, hello.active, hello.platform)
        await self.settle_in(owned)
        return owned, self._welcome(owned, False, resume), []

    async def fetch(self, secret: str, identity: Identity, chain: Chain) -> OwnedSession | None:
        """The session of this secret from the node that had it, for whoever goes on with it here."""
        session = await moving.fetch(self._context, secret, identity)
        if session is None:
            return None
        await self.check_revoked(identity)
        check_resume(self._context, identity.tenant, secret)
        there = self._registry.by_resume(secret)
        if there is not None:
            return there
        owned = OwnedSession(session, chain, self._context.limits)
        self._registry.add(owned)
        try:
            person = await self._settle(owned)
        except HereaboutsError:
            # It has no deadline yet: what stayed here would never go, and would be registered again with the rest.
            self._writer.run(owned, session.give_up())
            raise
        session.outcome, session.outcome_seq = person.outcome, person.seq
        return owned

    async def _still_ours(self, owned: OwnedSession) -> OwnedSession | None:
        """The session, unless another node has gone on with it."""
        try:
            if await moving.is_elsewhere(self._context, owned.session):
                self._moved(owned)
        except StoreUnavailable:
            owned.session.incarnation += UNSEEN_LIVES
        return owned if owned.session.phase != "over" else None

    def _resumable(self, secret: str | None, identity: Identity) -> OwnedSession | None:
        found = self._registry.by_resume(secret) if secret else None
        if found is None or found.session.phase == "over":
            return None
        is_own = (found.session.tenant, found.session.user_id) == (identity.tenant, identity.user_id)
        return found if is_own else None

    async def open(
        self, identity: Identity, chain: Chain, link: Link | None, visible: bool, active: bool, platform: str | None
    ) -> tuple[OwnedSession, str]:
        """Mint a session, and the secret to resume it with. Raises `limit_exceeded` over `sessions_per_user`."""
        await self.check_revoked(identity)
        check_user(self._context, identity.tenant, identity.user_id)
        limits = self._context.limits
        if len(self._registry.of_user(identity.tenant, identity.user_id)) >= limits.sessions_per_user:
            text = f"a user has at most {limits.sessions_per_user} sessions"
            raise Refusal("limit_exceeded", text, limit="sessions_per_user")
        session_id = self._context.random_bytes(12).hex()
        resume = f"{session_id}.{self._context.random_bytes(16).hex()}"
        policy = self._context.policies.resolve(tenant=identity.tenant, role=identity.role, platform=platform)
        session = Session(
            session_id,
            identity,
            self._context.owner,
            policy,
            self._context.now(),
            resume_hash=hash_secret(resume),
            leave_hash=hash_secret(leave_token(session_id, resume, 1)),
            connection=link,
            visible=visible,
            active=active,
            platform=platform,
        )
        owned = OwnedSession(session, chain, limits)
        self._registry.add(owned)
        self._context.file(owned)
        return owned, resume

    async def settle_in(self, owned: OwnedSession) -> None:
        """Let the user's feed know of a new session, and what the user had declared before."""
        try:
            person = await self._settle(owned)
            await self._writer.perform(owned, owned.session.begin())
            await moving.keep(self._context, owned.session)
        except HereaboutsError:
            # Nobody was told of it, so nobody can come back to it. The store may have taken what it did not answer.
            self._writer.run(owned, owned.session.miscarry() + owned.session.take_back())
            raise
        owned.session.outcome, owned.session.outcome_seq = person.outcome, person.seq

    async def bring_back(self, session: Session) -> None:
        """Let a session that the earlier process handed over stand where it stood."""
        owned = OwnedSession(session, Chain(self._context.failed), self._context.limits)
        self._registry.add(owned)
        person = await self._settle(owned)
        presence = Write(session.user_feed(), Put(session.presence()))
        await self._writer.restore(owned, [presence])
        session.outcome, session.outcome_seq = person.outcome, person.seq
        await self._writer.restore(owned, session.begin())
        self._context.file(owned)

    async def _settle(self, owned: OwnedSession) -> Person:
        session = owned.session
        person = await self._relay.person(session.user_feed())
        person.sessions[owned] = None
        if not person.records:
            # While a session of the user stands, on any node, so does what was declared; that nothing does is as true.
            await self._recall_declaration(session)
        if session.phase == "over":  # what it would begin with now nobody would take away
            person.sessions.pop(owned, None)
            await self._relay.release(session.user_feed())
            raise Refusal("session_expired", "this session was ended while it began")
        return person

    async def _recall_declaration(self, session: Session) -> None:
        now = self._context.now()
        declared = await self._context.journal.declared(session.tenant, session.user_id)
        if declared is None or (declared.until_at is not None and declared.until_at <= now.at):
            return
        if declared.status == "available" and not (declared.text or declared.emoji):
            return
        seen = (await self._context.journal.last_seen(session.tenant, [session.user_id])).get(session.user_id)
        record = Declaration(
            session_id=session.session_id,
            user_id=session.user_id,
            incarnation=declared.at,
            owner=session.owner,
            status=declared.status,
            at=declared.at,
            text=declared.text,
            emoji=declared.emoji,
            until_at=declared.until_at,
            public_seen_at=seen.public_seen_at if seen is not None else None,
            public_active_at=seen.public_active_at if seen is not None else None,
        )
        await self._context.backend.commit(session.user_feed(), Put(record))

    def _welcome(self, owned: OwnedSession, resumed: bool, resume: str) -> Welcome:
        session, identity = owned.session, owned.session.identity
        token = leave_token(session.session_id, resume, session.incarnation)
        session.leave_hash = hash_secret(token)
        return Welcome(
            session_id=session.session_id,
            incarnation=session.incarnation,
            resumed=resumed,
            resume=resume,
            leave_token=token,
            user=UserInfo(identity.user_id, identity.name, identity.role),
            tenant=identity.tenant,
            server_time_at=self._context.now().at,
            policy=policy_info(session.policy),
            limits=limits_info(self._context.limits),
            rooms=list(session.rooms),
        )


PAUSED_BEATS_PER_LEASE = 3
"""Hidden sessions that pause do so without a socket; one with a socket beats so many times in its hidden lease."""


def policy_info(policy: Policy) -> PolicyInfo:
    """The clocks that a client with a socket is told."""
    beat_hidden_seconds = policy.beat_hidden_seconds
    if beat_hidden_seconds is None:
        beat_hidden_seconds = policy.lease_hidden_seconds / PAUSED_BEATS_PER_LEASE
    return PolicyInfo(
        beat_visible_seconds=policy.beat_visible_seconds,
        beat_hidden_seconds=beat_hidden_seconds,
        lease_visible_seconds=policy.lease_visible_seconds,
        lease_hidden_seconds=policy.lease_hidden_seconds,
        grace_seconds=policy.grace_seconds,
        idle_after_seconds=policy.idle_after_seconds,
        typing_refresh_seconds=policy.typing_refresh_seconds,
    )


def limits_info(limits: Limits) -> dict[str, float]:
    """The limits that a client is told."""
    return {name: getattr(limits, name) for name in limits.__struct_fields__}
