"""Why a status is what it is: each axis of a user, what it comes from, and which axis won.

The explanation holds all that the merge looks at, so that `replay` comes to the same answer by the merge itself: what
is told to an operator is no second opinion. Source: `spec/semantics.md`, "Merge".
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from hereabouts.engine.records import Declaration, Owner, Presence, Records
from hereabouts.engine.status import Outcome, fold
from hereabouts.protocol.codes import Declared, Status


class SessionAxes(Struct, frozen=True):
    """What one session says: that somebody is there, whether it is looked at, whether there is human input."""

    session_id: str
    visible: bool
    active: bool
    opened_at: int
    last_seen_at: int
    last_active_at: int | None
    platform: str | None


class DeclaredAxis(Struct, frozen=True):
    """What the user declared, when, with which session, and until when. While invisible others are told two times."""

    status: Declared
    at: int
    session_id: str
    text: str | None = None
    emoji: str | None = None
    until_at: int | None = None
    public_seen_at: int | None = None
    public_active_at: int | None = None


class StatusExplained(Struct, frozen=True):
    """A user's status, the axis that won, the sessions that made it so, and all that the merge looks at.

    `rule` says it in one sentence.
    """

    status: Status
    axis: str
    rule: str
    because: list[str]
    sessions: list[SessionAxes]
    declared: DeclaredAxis | None


def explain_status(records: Iterable[Records]) -> StatusExplained:
    """Why the records that stand in a user's feed come to what they come to."""
    sessions = [_session_axes(record) for record in records if isinstance(record, Presence)]
    declared = next((_declared_axis(record) for record in records if isinstance(record, Declaration)), None)
    told = sorted(sessions, key=lambda session: session.session_id)
    axis, rule, because = _won(told, declared)
    return StatusExplained(_outcome(told, declared).status, axis, rule, because, told, declared)


def replay(explained: StatusExplained) -> Outcome:
    """What the merge makes of what an explanation tells."""
    return _outcome(explained.sessions, explained.declared)


def _won(sessions: list[SessionAxes], declared: DeclaredAxis | None) -> tuple[str, str, list[str]]:
    everybody = [session.session_id for session in sessions]
    status = declared.status if declared is not None else "available"
    if not sessions:
        return "connectivity", "there is no live session", []
    if declared is not None and status == "invisible":
        return "declared", "the user is invisible: others are told offline", [declared.session_id]
    if declared is not None and status != "available":
        return "declared", f"the user declared {status}", [declared.session_id]
    at_work = [session.session_id for session in sessions if session.visible and session.active]
    if at_work:
        return "attention", "a visible session has human input", at_work
    seen = [session.session_id for session in sessions if session.visible]
    if seen:
        return "attention", "a session is visible, and none of the visible has human input", seen
    return "attention", "there are sessions, and none is visible", everybody


def _session_axes(record: Presence) -> SessionAxes:
    return SessionAxes(
        record.session_id,
        record.visible,
        record.active,
        record.opened_at,
        record.last_seen_at,
        record.last_active_at,
        record.platform,
    )


def _declared_axis(record: Declaration) -> DeclaredAxis:
    return DeclaredAxis(
        record.status,
        record.at,
        record.session_id,
        record.text,
        record.emoji,
        record.until_at,
        record.public_seen_at,
        record.public_active_at,
    )


def _outcome(sessions: list[SessionAxes], declared: DeclaredAxis | None) -> Outcome:
    nobody = Owner("", 0)
    records: list[Records] = [
        Presence(
            session.session_id,
            "",
            1,
            nobody,
            session.opened_at,
            session.visible,
            session.active,
            session.last_active_at,
            session.last_seen_at,
            session.platform,
        )
        for session in sessions
    ]
    if declared is not None:
        records.append(
            Declaration(
                declared.session_id,
                "",
                declared.at,
                nobody,
                declared.status,
                declared.at,
                declared.text,
                declared.emoji,
                declared.until_at,
                declared.public_seen_at,
                declared.public_active_at,
            )
        )
    return fold(records)
