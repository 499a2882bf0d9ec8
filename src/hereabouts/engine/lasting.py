"""How long a holding lasts: its holder's inactivity, whether the holder is stale, and whether anybody came back to it.

Source: `spec/semantics.md`, rule 17, and `spec/protocol.md`, "Occupancy". A deadline is judged by what is known when it
comes up, never by what was known when it was set: so a beat has nothing to tell here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from hereabouts.engine.occupancy import Holding, lapses_at, stale_at
from hereabouts.engine.policy import Policy
from hereabouts.engine.session import Session

LOOK_AGAIN_SECONDS: Final = 1.0
"""A stale holder is looked for so often, or ten times in the time that makes stale."""

RETRY_MS: Final = 2_000
"""A holding that was to end is judged again after so long, where it still stands."""


class Known(NamedTuple):
    """What somebody knows of a user's times: the newest human input, and what of both others may be told."""

    active_at: int | None = None
    public_active_at: int | None = None
    public_seen_at: int | None = None


def known_to(session: Session) -> Known:
    """What one of the user's sessions knows."""
    outcome, active_at = session.outcome, session.last_active_at
    if outcome.is_invisible:
        return Known(active_at, outcome.last_active_at, outcome.last_seen_at)
    return Known(active_at, active_at, session.last_seen_at)


def newest_of(known: Iterable[Known]) -> Known:
    """What several know together."""
    return Known(*(max((time or 0 for time in times), default=0) or None for times in zip(*known, strict=True)))


class Lasting:
    """One holding in time.

    `active_at` is the holder's newest human input as far as was asked. What is `told` is what others may know of that
    and of the newest proof of life: an invisible user's stands still. `orphaned_at` is when a holding of sessions ends
    that nobody came back to after a restart.
    """

    __slots__ = (
        "active_at", "holding", "is_stale", "look_again_at", "orphaned_at", "quiet_until_at", "told_active_at",
        "told_seen_at",
    )  # fmt: skip

    def __init__(self, holding: Holding) -> None:
        self.holding = holding
        self.is_stale = False
        self.look_again_at = 0
        self.orphaned_at: int | None = None
        self.quiet_until_at = 0
        self.active_at = self.told_active_at = self.told_seen_at = holding.last_active_at

    def due_at(self, policy: Policy) -> int:
        """The next moment at which there is something to judge, as far as is known now."""
        dues = [max(lapses_at(self.active_at, policy), self.quiet_until_at)]
        if self.orphaned_at is not None:
            dues.append(max(self.orphaned_at, self.quiet_until_at))
        dues.append(self.look_again_at if self.is_stale else stale_at(self.told_seen_at, policy))
        return min(dues)

    # What is heard of the holder

    def confirm(self, holding: Holding) -> None:
        """The holder asked for it again."""
        self.holding = holding
        self.orphaned_at = None
        self.quiet_until_at = 0
        newest = holding.last_active_at
        self.active_at = max(self.active_at, newest)
        self.told_active_at, self.told_seen_at = max(self.told_active_at, newest), max(self.told_seen_at, newest)

    @property
    def known(self) -> Known:
        """All that was heard."""
        return Known(self.active_at, self.told_active_at, self.told_seen_at)

    def recall(self, known: Known) -> None:
        """Take in what is known of the holder."""
        self.active_at = max(self.active_at, known.active_at or 0)
        self.told_active_at = max(self.told_active_at, known.public_active_at or 0)
        self.told_seen_at = max(self.told_seen_at, known.public_seen_at or 0)

    def look_again(self) -> None:
        """The policy changed, and what is due may be due earlier."""
        self.look_again_at = self.quiet_until_at = 0

    # What time does

    def outlast(self, policy: Policy, now_at: int, heard_until_at: int) -> None:
        """The process began anew, and no session of the holder is there yet.

        Nothing is judged before the holder had a lease and a grace to come back. Human input may have come as long as
        the process before was alive, `heard_until_at`: it ends never earlier than by true inactivity.
        """
        self.quiet_until_at = now_at + int((policy.lease_visible_seconds + policy.grace_seconds) * 1000)
        self.orphaned_at = self.quiet_until_at if policy.occupancy_release_on_loss else None
        self.active_at = max(self.active_at, heard_until_at)

    def over_because(
        self, policy: Policy, now_at: int, *, has_sessions: bool
    ) -> Literal["node_lost", "inactivity"] | None:
        """Why it is over now, if it is. `has_sessions`: its holder has come back.

        What is over and goes on standing is judged again after `RETRY_MS`.
        """
        cause: Literal["node_lost", "inactivity"] | None = None
        if self.orphaned_at is not None and self.orphaned_at <= now_at:
            if has_sessions:
                self.orphaned_at = None
            else:
                cause = "node_lost"
        if cause is None and lapses_at(self.active_at, policy) <= now_at:
            cause = "inactivity"
        if cause is None or self.quiet_until_at > now_at:
            return None
        self.quiet_until_at = now_at + RETRY_MS
        return cause

    def judge_stale(self, policy: Policy, now_at: int) -> bool:
        """See whether the holder is stale; true when that changed."""
        was, self.is_stale = self.is_stale, stale_at(self.told_seen_at, policy) <= now_at
        self.look_again_at = now_at + int(max(LOOK_AGAIN_SECONDS, policy.stale_after_seconds / 10) * 1000)
        return was != self.is_stale
