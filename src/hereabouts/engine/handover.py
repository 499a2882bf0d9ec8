"""A session as it is handed to the next process: everything that makes it the same session afterwards.

Source: `spec/semantics.md`, rule 15. Deadlines are not carried: they start anew when the next process is ready.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, structs

from hereabouts.engine.identity import Identity
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Now, Owner, Value
from hereabouts.engine.session import Joined, Session


class HandedRoom(Struct, frozen=True):
    """A membership on its way to the next process."""

    joined_at: int
    state: dict[str, Value]
    grace_seconds: float


class HandedSession(Struct, frozen=True):
    """A session on its way to the next process.

    The `info` of its identity travels beside it: msgspec reads a `Raw` back where it may be absent, not where it may
    be `None`.
    """

    session_id: str
    identity: Identity
    incarnation: int
    resume_hash: bytes
    leave_hash: bytes
    visible: bool
    active: bool
    opened_at: int
    last_seen_at: int
    last_active_at: int | None
    platform: str | None
    rooms: dict[str, HandedRoom]
    info: Raw | UnsetType = UNSET


def hand_over(session: Session, *, with_rooms: bool = True) -> bytes:
    """The session, encoded; without its rooms where they can be read elsewhere."""
    return msgspec.json.encode(
        HandedSession(
            session_id=session.session_id,
            identity=structs.replace(session.identity, info=None),
            incarnation=session.incarnation,
            resume_hash=session.resume_hash,
            leave_hash=session.leave_hash,
            visible=session.visible,
            active=session.active,
            opened_at=session.opened_at,
            last_seen_at=session.last_seen_at,
            last_active_at=session.last_active_at,
            platform=session.platform,
            rooms={
                room: HandedRoom(joined.joined_at, joined.state, joined.grace_seconds)
                for room, joined in (session.rooms.items() if with_rooms else ())
            },
            info=UNSET if session.identity.info is None else session.identity.info,
        )
    )


def read(payload: bytes) -> HandedSession:
    """What the earlier process wrote. Raises `msgspec.DecodeError` for what is not such a session."""
    return msgspec.json.decode(payload, type=HandedSession)


def take_over(handed: HandedSession, owner: Owner, policy: Policy, now: Now) -> Session:
    """The same session on this process: live, without a connection, its lease beginning now."""
    session = Session(
        handed.session_id,
        structs.replace(handed.identity, info=None if handed.info is UNSET else handed.info),
        owner,
        policy,
        now,
        resume_hash=handed.resume_hash,
        leave_hash=handed.leave_hash,
        visible=handed.visible,
        active=handed.active,
        platform=handed.platform,
    )
    session.incarnation = handed.incarnation
    session.opened_at = handed.opened_at
    session.last_seen_at = handed.last_seen_at
    session.last_active_at = handed.last_active_at
    for room, place in handed.rooms.items():
        session.rooms[room] = Joined(place.joined_at, place.state, place.grace_seconds)
    session.drain()
    return session
