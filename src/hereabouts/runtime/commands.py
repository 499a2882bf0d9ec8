"""What each message of a session asks for. One function a message; each runs as a step of the session's chain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct

from hereabouts.engine.limits import Limits
from hereabouts.engine.records import DECLARATION, Declaration, FeedKey, Put, Remove
from hereabouts.engine.roster import fold_member, patch_state, state_bytes
from hereabouts.engine.session import Session
from hereabouts.errors import Refusal, StoreUnavailable
from hereabouts.fanout.audience import member_json
from hereabouts.fanout.outbox import pack
from hereabouts.protocol.codec import check_id
from hereabouts.protocol.messages import (
    Join,
    Leave,
    Occupy,
    Ok,
    Release,
    SetStatus,
    Sync,
    Typing,
    Unwatch,
    Update,
    Watch,
)
from hereabouts.runtime import moving
from hereabouts.runtime.barring import check_join
from hereabouts.runtime.context import Context
from hereabouts.runtime.holdings import Holdings
from hereabouts.runtime.link import Link, OwnedSession
from hereabouts.runtime.looking import Looking, room_full
from hereabouts.runtime.people import People
from hereabouts.runtime.relay import Relay
from hereabouts.runtime.writer import Writer

TEXT_BYTES: Final = 200
"""A status text is at most so many bytes; an emoji a tenth of it."""


class Commands:
    """Carries out the messages of sessions that are past their hello."""

    def __init__(
        self,
        context: Context,
        relay: Relay,
        people: People,
        writer: Writer,
        looking: Looking,
        holdings: Holdings,
    ) -> None:
        self._context = context
        self._relay = relay
        self._people = people
        self._writer = writer
        self._looking = looking
        self._holdings = holdings
        self._table: dict[type[Struct], Callable[..., Awaitable[Struct | None]]] = {
            Join: self._join,
            Update: self._update,
            Leave: self._leave,
            Watch: self._watch,
            Unwatch: self._unwatch,
            Occupy: self._occupy,
            Release: self._release,
            Typing: self._typing,
            SetStatus: self._status,
            Sync: self._sync,
        }

    def knows(self, message: Struct) -> bool:
        """Whether this message is one of those that are carried out here."""
        return type(message) in self._table

    async def carry_out(self, link: Link, message: Struct) -> Struct | None:
        """Do what the message asks. Gives back the `ok`, where it was not sent already; raises `Refusal`."""
        return await self._table[type(message)](link, message)

    # Rooms

    async def _join(self, link: Link, message: Join) -> Struct | None:
        owned, session = _session(link)
        room, limits = message.room, self._context.limits
        check_id(room, "room", id_bytes=limits.id_bytes)
        if not session.identity.grants.may("join", room):
            raise Refusal("forbidden", f"the token does not grant joining {room!r}")
        joined = session.rooms.get(room)
        if joined is None:
            if len(session.rooms) >= limits.rooms_per_session:
                text = f"a session joins at most {limits.rooms_per_session} rooms"
                raise Refusal("limit_exceeded", text, limit="rooms_per_session")
            check_join(self._context, session.tenant, session.user_id, room)
            take(owned.joins.take(self._context.clock.tick()), "joins_per_second")
        waiting = owned.wanted.pop(f"update {room}", None)
        if isinstance(waiting, Update):  # what was said before must not come after
            message = msgspec.structs.replace(message, state={**waiting.state, **message.state})
        check_state(session, room, message.state, limits, self._context.now().at)
        fan = await self._relay.room(session.room_feed(room))
        if link.is_closed or not session.is_published:  # rule 3: nothing is left behind
            await self._relay.release(fan.feed)
            return None
        policy = self._context.policy(session.tenant, session.identity.role, room)
        if policy.members_max and joined is None:
            is_new = session.user_id not in fan.roster.members
            if is_new and fan.roster.count >= policy.members_max:
                await self._relay.release(fan.feed)
                raise room_full(policy, session.identity.role, room)
        try:
            await self._writer.perform(
                owned, session.join(room, message.state, policy.grace_seconds, self._context.now())
            )
        except StoreUnavailable:
            if joined is None:  # it is refused, so it must not come to be when the store is back
                self._writer.run(owned, session.leave(room))
            await self._relay.release(fan.feed)
            raise
        await moving.keep_hidden(self._context, session)
        if link.viewer is None or room not in session.rooms:
            await self._relay.release(fan.feed)
            return None
        # Nobody looked while this was decided, so somebody else may have let go of it.
        fan = await self._relay.room(fan.feed)
        member = fan.roster.members.get(session.user_id) or fold_member([session.membership(room)])
        json = member_json(member, "full", is_self=True)
        link.connection.send(pack(Ok(message.id, member=Raw(json or b"null"))))
        self._looking.become_member(link.viewer, fan)
        return None

    async def _update(self, link: Link, message: Update) -> Struct | None:
        owned, session = _session(link)
        _check_joined(session, message.room)
        kind = f"update {message.room}"
        waiting = owned.wanted.get(kind)
        if isinstance(waiting, Update):
            message = msgspec.structs.replace(message, state={**waiting.state, **message.state})
        check_state(session, message.room, message.state, self._context.limits, self._context.now().at)
        if self._is_too_fast(link, owned, kind, message):
            return _ok(message.id)
        await self._writer.perform(owned, session.update(message.room, message.state, self._context.now()))
        await moving.keep_hidden(self._context, session)
        return _ok(message.id)

    async def _leave(self, link: Link, message: Leave) -> Struct | None:
        owned, session = _session(link)
        owned.wanted.pop(f"update {message.room}", None)
        await self._writer.perform(owned, session.leave(message.room))
        await moving.keep_hidden(self._context, session)
        if link.viewer is not None:
            await self._looking.leave_member(link.viewer, message.room)
        return _ok(message.id)

    async def _typing(self, link: Link, message: Typing) -> Struct | None:
        owned, session = _session(link)
        _check_joined(session, message.room)
        policy = self._context.policy(session.tenant, session.identity.role, message.room)
        await self._writer.perform(owned, session.set_typing(message.room, message.on, policy, self._context.now()))
        return None

    # Looking

    async def _watch(self, link: Link, message: Watch) -> Struct | None:
        if link.viewer is not None:
            await self._looking.watch(link.viewer, message)
        return None

    async def _unwatch(self, link: Link, message: Unwatch) -> Struct | None:
        if link.viewer is not None:
            await self._looking.unwatch(link.viewer, message.rooms or [], message.users or [], message.occupancy or [])
        return _ok(message.id)

    async def _sync(self, link: Link, message: Sync) -> Struct | None:
        if link.viewer is not None:
            self._looking.sync(link.viewer, message)
        return None

    # Resources

    async def _occupy(self, link: Link, message: Occupy) -> Struct | None:
        owned, session = _session(link)
        take(owned.updates.take(self._context.clock.tick()), "updates_per_second")
        take_over = message.on_conflict == "take_over"
        granted = await self._holdings.occupy(session.identity, message.resource, take_over=take_over)
        holding, moved_from = granted.holding, granted.moved_from
        return Ok(
            message.id,
            resource=holding.resource,
            since_at=holding.since_at,
            fencing=holding.fencing,
            moved_from=UNSET if moved_from is None else moved_from,
        )

    async def _release(self, link: Link, message: Release) -> Struct | None:
        owned, session = _session(link)
        take(owned.updates.take(self._context.clock.tick()), "updates_per_second")
        await self._holdings.release(session.tenant, message.resource, session.user_id, message.fencing)
        return Ok(message.id, resource=message.resource)

    # The user

    async def _status(self, link: Link, message: SetStatus) -> Struct | None:
        owned, session = _session(link)
        now = self._context.now()
        _check_words(message)
        if message.until_at is not None and message.until_at <= now.at:
            raise Refusal("bad_request", f"until_at is {message.until_at}, which is past; server time is {now.at}")
        if self._is_too_fast(link, owned, "status", message):
            return _ok(message.id)
        await self.declare(session, message)
        return _ok(message.id)

    async def declare(self, session: Session, message: SetStatus) -> None:
        """Let what the user declares stand in the user's feed, and in the journal."""
        feed, now = session.user_feed(), self._context.now()
        person = self._people.find(feed)
        outcome = session.outcome
        earlier = person.declaration if person is not None else None
        is_plain = message.status == "available" and not (message.text or message.emoji)
        if not is_plain or await self._is_retraction_lost(session, feed, earlier):
            hides = message.status == "invisible"
            record = Declaration(
                session_id=session.session_id,
                user_id=session.user_id,
                incarnation=now.at,
                owner=session.owner,
                status=message.status,
                at=now.at,
                text=message.text,
                emoji=message.emoji,
                until_at=message.until_at,
                public_seen_at=_frozen(hides, earlier, session.last_seen_at, outcome.last_seen_at),
                public_active_at=_frozen(hides, earlier, session.last_active_at, outcome.last_active_at),
            )
            await self._context.commit(session, feed, Put(record))
        self._looking.note_declared(session, message, now.at)

    async def _is_retraction_lost(self, session: Session, feed: FeedKey, earlier: Declaration | None) -> bool:
        """Take away what the user declared; whether it may come back all the same.

        A store that lost it has nothing to take away, and would be given it again by whoever knew it.
        """
        remove = Remove(DECLARATION, session.user_id, self._context.now().at, session.owner, "leave")
        commit = await self._context.commit(session, feed, remove)
        was_there = commit.applied or commit.before is not None
        return self._context.is_degraded or (earlier is not None and not was_there)

    def _is_too_fast(self, link: Link, owned: OwnedSession, kind: str, message: Update | SetStatus) -> bool:
        """Whether the rate is used up; then the newest message of its kind is done when the rate allows."""
        wait = 0.0 if owned.wanted else owned.updates.take(self._context.clock.tick())
        if not owned.wanted and wait == 0.0:
            return False
        earlier = owned.wanted.pop(kind, None)
        was_waiting = bool(owned.wanted) or earlier is not None
        owned.wanted[kind] = message
        if not was_waiting:
            self._context.later(wait, lambda: owned.chain.add(lambda: self._do_wanted(link, owned)))
        return True

    async def _do_wanted(self, link: Link, owned: OwnedSession) -> None:
        session = owned.session
        while owned.wanted and session.is_published:
            wait = owned.updates.take(self._context.clock.tick())
            if wait:
                self._context.later(wait, lambda: owned.chain.add(lambda: self._do_wanted(link, owned)))
                return
            message = owned.wanted.pop(next(iter(owned.wanted)))
            if isinstance(message, SetStatus):
                await self.declare(session, message)
            elif isinstance(message, Update) and message.room in session.rooms:
                await self._writer.perform(owned, session.update(message.room, message.state, self._context.now()))
        owned.wanted.clear()


def _session(link: Link) -> tuple[OwnedSession, Session]:
    if link.owned is None or not link.owned.session.is_published:
        raise Refusal("session_expired", "this session is over; say hello again")
    return link.owned, link.owned.session


def _ok(id: int | None) -> Ok | None:
    return None if id is None else Ok(id)


def _check_joined(session: Session, room: str) -> None:
    if room not in session.rooms:
        raise Refusal("not_joined", f"this session has not joined {room[:200]!r}; join it first")


def take(wait: float, limit: str) -> None:
    """Raise `rate_limited` when a token bucket said to wait."""
    if wait:
        raise Refusal("rate_limited", f"faster than {limit}", limit=limit, retry_after_seconds=round(wait, 3))


def check_state(session: Session, room: str, given: dict[str, Raw], limits: Limits, at: int) -> None:
    """Raise `too_large` when the session's state in the room would be over `state_bytes`."""
    joined = session.rooms.get(room)
    size = state_bytes(patch_state(joined.state if joined is not None else {}, given, at))
    if size > limits.state_bytes:
        text = f"the state in this room would be {size} bytes; at most {limits.state_bytes}"
        raise Refusal("too_large", text, limit="state_bytes")


def _check_words(message: SetStatus) -> None:
    for name, text, most in (("text", message.text, TEXT_BYTES), ("emoji", message.emoji, TEXT_BYTES // 10)):
        if text is not None and (size := len(text.encode())) > most:
            raise Refusal("too_large", f"the {name} of a status is {size} bytes; at most {most}", limit="state_bytes")


def _frozen(hides: bool, earlier: Declaration | None, own: int | None, public: int | None) -> int | None:
    """What others are told of an invisible user's times: those of the moment when it began to hide."""
    if not hides:
        return None
    if earlier is not None and earlier.status == "invisible":
        return public
    return own
