"""What a user's sessions and declaration come to: the merge rule.

Source: `spec/semantics.md`, "Merge". The fold does not depend on the order of the records and knows no clock: what
time changes enters the feed as a record, written by the node that owns the session.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, structs

from hereabouts.engine.records import Declaration, Presence, Records, Remove
from hereabouts.protocol.codes import Declared, Status


class Outcome(Struct, frozen=True):
    """A user, merged over all sessions.

    `status`, `text`, `emoji` and the two times are what others may be told, so an invisible user's are those of
    somebody offline. `sessions` counts all sessions, and `declared` says what was declared, for the user's own eyes.
    """

    status: Status
    declared: Declared = "available"
    text: str | None = None
    emoji: str | None = None
    last_seen_at: int | None = None
    last_active_at: int | None = None
    sessions: int = 0

    @property
    def is_invisible(self) -> bool:
        """Whether the user hides: rooms hold no records of such a user."""
        return self.declared == "invisible"

    @property
    def public_sessions(self) -> int:
        """How many sessions others may be told of."""
        return 0 if self.is_invisible else self.sessions


OFFLINE = Outcome("offline")
"""A user of whom nothing is known. Unknown, never seen and not allowed to see look the same."""


def fold(records: Iterable[Records]) -> Outcome:
    """The outcome of the records that stand in a user's feed."""
    sessions: list[Presence] = []
    declaration: Declaration | None = None
    for record in records:
        if isinstance(record, Presence):
            sessions.append(record)
        elif isinstance(record, Declaration):
            declaration = record
    declared: Declared = declaration.status if declaration is not None else "available"
    if not sessions:
        return Outcome("offline", declared)
    if declaration is not None and declared == "invisible":
        return Outcome(
            "offline",
            declared,
            last_seen_at=declaration.public_seen_at,
            last_active_at=declaration.public_active_at,
            sessions=len(sessions),
        )
    return Outcome(
        _status(sessions, declared),
        declared,
        text=declaration.text if declaration is not None else None,
        emoji=declaration.emoji if declaration is not None else None,
        last_seen_at=max(session.last_seen_at for session in sessions),
        last_active_at=newest(session.last_active_at for session in sessions),
        sessions=len(sessions),
    )


def depart(last: Outcome, removal: Remove | None) -> Outcome:
    """Somebody whose last session is gone: offline, with the times that may be told of it.

    Those of an invisible user stay as they were frozen.
    """
    if last.is_invisible or removal is None:
        return Outcome("offline", last_seen_at=last.last_seen_at, last_active_at=last.last_active_at)
    return Outcome(
        "offline",
        last_seen_at=newest((last.last_seen_at, removal.seen_at)),
        last_active_at=newest((last.last_active_at, removal.active_at)),
    )


def follow(earlier: Outcome, records: Iterable[Records], removal: Remove | None = None) -> Outcome:
    """What somebody comes to after a step of the feed. Times never go back; those of a session that went count too.

    Only a removal knows its session's last proof of life, and what is left may be older: a phone that is kept in a
    pocket when the desk says bye.
    """
    outcome = fold(records)
    if not outcome.sessions:
        outcome = depart(earlier, removal)
    elif removal is not None and not outcome.is_invisible:
        outcome = never_back(outcome, depart(outcome, removal))
    return never_back(outcome, earlier)


def never_back(outcome: Outcome, earlier: Outcome) -> Outcome:
    """The outcome with times no older than those told before."""
    return structs.replace(
        outcome,
        last_seen_at=newest((outcome.last_seen_at, earlier.last_seen_at)),
        last_active_at=newest((outcome.last_active_at, earlier.last_active_at)),
    )


def _status(sessions: list[Presence], declared: Declared) -> Status:
    if declared != "available" and declared != "invisible":
        return declared
    if any(session.visible and session.active for session in sessions):
        return "online"
    if any(session.visible for session in sessions):
        return "idle"
    return "away"


def newest(times: Iterable[int | None]) -> int | None:
    """The latest of some times, where `None` is "never"."""
    return max((time for time in times if time is not None), default=None)
