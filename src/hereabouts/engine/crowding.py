"""Whether a room is too large to be listed. Source: `spec/semantics.md`, rule 9."""

from __future__ import annotations

from typing import Final

from hereabouts.engine.policy import Policy

STAYS_SECONDS: Final = 10.0
"""A room that went to summary stays there at least so long."""

BELOW: Final = 0.8
"""It comes back below this part of the limit."""


class Crowd:
    """One room's size, judged again and again.

    A summary has no roster whose bytes could be counted, so what a member took before is remembered.
    """

    __slots__ = ("_bytes_each", "_since_tick", "is_summary")

    def __init__(self) -> None:
        self.is_summary = False
        self._since_tick = 0.0
        self._bytes_each = 0.0

    def judge(self, policy: Policy, members: int, roster_bytes: int, tick: float) -> bool:
        """Whether it turned, from a roster into a summary or back."""
        if self.is_summary:
            turns = self._is_small(policy, members) and self._since_tick + STAYS_SECONDS <= tick
        else:
            turns = members > policy.fanout_summary_above or roster_bytes > policy.fanout_summary_bytes
            if turns:
                self._bytes_each = roster_bytes / max(members, 1)
                self._since_tick = tick
        self.is_summary ^= turns
        return turns

    def wait_seconds(self, policy: Policy, members: int, tick: float) -> float | None:
        """After how long a summary may be a roster again although nobody comes or goes until then."""
        if not (self.is_summary and self._is_small(policy, members)):
            return None
        return self._since_tick + STAYS_SECONDS - tick

    def _is_small(self, policy: Policy, members: int) -> bool:
        return (
            members < BELOW * policy.fanout_summary_above
            and members * self._bytes_each < BELOW * policy.fanout_summary_bytes
        )
