"""A session that goes on at another node: what its node leaves for that, and how the other takes it up."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from hereabouts.backends.base import Place
from hereabouts.engine import handover
from hereabouts.engine.handover import HandedSession
from hereabouts.engine.identity import Identity
from hereabouts.engine.records import Membership, Presence
from hereabouts.engine.session import Joined, Session
from hereabouts.errors import StoreUnavailable
from hereabouts.runtime.context import Context
from hereabouts.runtime.registry import is_secret


async def keep(context: Context, session: Session) -> None:
    """Leave what another node needs. Rooms are read from where they stand; an invisible user's stand nowhere else."""
    if context.backend.peers is not None and session.phase != "over":
        payload = handover.hand_over(session, with_rooms=session.outcome.is_invisible)
        await context.backend.peers.keep(session.session_id, payload)


async def keep_hidden(context: Context, session: Session) -> None:
    """Leave an invisible user's rooms, which have just changed. What a lost store has not kept is kept with the rest
    when it is back.
    """
    if session.outcome.is_invisible:
        with suppress(StoreUnavailable):
            await keep(context, session)


def read_kept(payload: bytes) -> HandedSession | None:
    """What was left of a session; `None` where a newer version left what this one cannot read."""
    try:
        return handover.read(payload)
    except msgspec.MsgspecError:
        return None


def rooms(kept: tuple[bytes, list[Place]] | None) -> set[str]:
    """The rooms of a session of another node: where its records stand, and those that an invisible user has joined."""
    if kept is None:
        return set()
    left = read_kept(kept[0])
    hidden = left.rooms.keys() if left is not None else set[str]()
    return {place.feed.name for place in kept[1] if place.feed.kind == "room"} | hidden


async def is_elsewhere(context: Context, session: Session) -> bool:
    """Whether another node has gone on with one of our sessions, and this one has not heard of it yet."""
    peers = context.backend.peers
    if peers is None or not session.is_listed:
        return False
    standing = await peers.standing(Place(session.user_feed(), session.user_id, session.session_id))
    return standing is not None and standing.owner != session.owner and standing.outranks(session.presence())


async def is_gone(context: Context, session: Session) -> bool:
    """Whether a session that an earlier life of this node handed over went on, or ended, at another node since then."""
    peers = context.backend.peers
    if peers is None:
        return False
    standing = await peers.standing(Place(session.user_feed(), session.user_id, session.session_id))
    # Where nobody else is, only the store can have lost it.
    return bool(peers.others()) if standing is None else standing.owner.node != session.owner.node


async def fetch(context: Context, secret: str, identity: Identity) -> Session | None:
    """The session of this secret as it stands in the store, its lease beginning now; `None` if it may not be had.

    It has the incarnation that it had; who takes it up raises it, and what the other node still does is powerless.
    """
    peers = context.backend.peers
    found = await peers.kept(secret.partition(".")[0]) if peers is not None else None
    if found is None:
        return None
    payload, places = found
    try:
        handed = handover.read(payload)
    except msgspec.MsgspecError as error:
        context.failed(error)
        return None
    of = handed.identity
    if not is_secret(secret, handed.resume_hash) or (of.tenant, of.user_id) != (identity.tenant, identity.user_id):
        return None
    policy = context.policies.resolve(tenant=of.tenant, role=identity.role, platform=handed.platform)
    session = handover.take_over(handed, context.owner, policy, context.now())
    for place in places:
        await _bring(context, session, place)
    return session


async def _bring(context: Context, session: Session, place: Place) -> None:
    peers = context.backend.peers
    record = await peers.standing(place) if peers is not None else None
    if record is None:
        return
    session.incarnation = max(session.incarnation, record.incarnation)
    if isinstance(record, Membership):
        room = place.feed.name
        grace_seconds = context.policy(session.tenant, session.identity.role, room).grace_seconds
        session.rooms[room] = Joined(record.joined_at, record.state, grace_seconds)
    elif isinstance(record, Presence):
        session.last_seen_at = max(session.last_seen_at, record.last_seen_at)
        session.last_active_at = max(session.last_active_at or 0, record.last_active_at or 0) or None
