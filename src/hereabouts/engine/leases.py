"""When a lease that a policy makes shorter begins to count: at the second beat after the session was told.

Source: `spec/semantics.md`, "Clocks". Until then a client that beats as it was told before is not lost.
"""

from __future__ import annotations

from typing import Final

from hereabouts.engine.policy import Policy

BEATS: Final = 2
"""Beats after which a session that was told of its policy lives by it."""


class Notice:
    """The longer leases of before, in seconds, and how many beats they still hold for."""

    __slots__ = ("beats", "hidden_seconds", "visible_seconds")

    def __init__(self, visible_seconds: float, hidden_seconds: float, beats: int) -> None:
        self.visible_seconds = visible_seconds
        self.hidden_seconds = hidden_seconds
        self.beats = beats

    def lease_seconds(self, visible: bool) -> float:
        """The lease of before."""
        return self.visible_seconds if visible else self.hidden_seconds

    def beat(self) -> bool:
        """A beat came; whether the leases of before hold no more."""
        self.beats -= 1
        return self.beats <= 0


def notice(earlier: Policy, later: Policy, standing: Notice | None, *, is_told: bool) -> Notice | None:
    """What a change of policy leaves of the leases before: the longest, where they are longer than those to come.

    A session that is not told now hears of it with the answer to its next beat; that one does not count.
    """
    visible, hidden = earlier.lease_visible_seconds, earlier.lease_hidden_seconds
    if standing is not None:
        visible, hidden = max(visible, standing.visible_seconds), max(hidden, standing.hidden_seconds)
    if visible <= later.lease_visible_seconds and hidden <= later.lease_hidden_seconds:
        return None
    return Notice(visible, hidden, BEATS if is_told else BEATS + 1)
