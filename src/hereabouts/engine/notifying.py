"""Whether a message is worth a push notification. In doubt it is: one too many annoys, one too few is lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from hereabouts.engine.records import Now, Presence
from hereabouts.engine.session import Session
from hereabouts.engine.status import Outcome

Reason = Literal["here", "dnd", "offline", "away", "doubtful", "degraded"]
"""Why: a visible, active session is certainly there · the user declared `dnd`, and the host may want to be silent ·
nobody is there, unknown and invisible included · there, but not looking · not heard of for half a lease · the server's
view may be stale."""

DOUBTFUL_SHARE = 0.5
"""A session that was not heard of for so much of its lease may be gone already."""


class Sign(NamedTuple):
    """What is known of one session: `is_looking` when it is visible and active, and whether that is fresh."""

    is_looking: bool
    is_fresh: bool


class Verdict(NamedTuple):
    """Whether to notify, and why or why not."""

    notify: bool
    reason: Reason


def sign_of(session: Session, now: Now) -> Sign:
    """What this node's own session shows."""
    is_fresh = session.phase == "live" and now.tick - session.last_frame_tick < session.lease_seconds * DOUBTFUL_SHARE
    return Sign(session.visible and session.active, is_fresh)


def sign_unknown(record: Presence) -> Sign:
    """What is known of a session whose node does not answer: what it showed when it last changed, and not if still."""
    return Sign(record.visible and record.active, False)


def should_notify(outcome: Outcome, signs: Iterable[Sign], *, is_degraded: bool) -> Verdict:
    """Silent only when somebody certainly looks at this moment. Somebody invisible is offline here too."""
    if outcome.status == "offline":
        return Verdict(True, "offline")
    looking = [sign for sign in signs if sign.is_looking]
    is_here = any(sign.is_fresh for sign in looking) and not is_degraded
    if outcome.status == "dnd":
        return Verdict(not is_here, "dnd")
    if is_here:
        return Verdict(False, "here")
    if is_degraded:
        return Verdict(True, "degraded")
    return Verdict(True, "doubtful" if looking else "away")
