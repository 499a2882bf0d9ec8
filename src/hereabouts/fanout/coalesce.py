"""Changes travel in windows, as net effects (rule 9)."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from hereabouts.engine.policy import Policy

LOG_STEPS = 4_096
"""How many changed users a stream remembers for viewers that lag or come back; beyond it they get a snapshot."""


def window_seconds(policy: Policy, viewers: int, churn: int) -> float:
    """The least time between two frames to the same viewer of a room.

    It grows with the viewers, so that a room costs at most `fanout_budget` deliveries a second. A frame that carries
    `churn` joins and leaves counts as so many deliveries, so that a storm of joins widens the window at once.
    """
    wanted = viewers * max(churn, 1) / policy.fanout_budget
    return min(max(wanted, policy.fanout_window_seconds), policy.fanout_window_max_seconds)


class Step(NamedTuple):
    """One user's change at one position of a stream: whether the user was shown before it, and why it went."""

    seq: int
    user_id: str
    was_shown: bool
    cause: str | None


class ChangeLog:
    """The newest steps of a stream, from which the net change since an earlier position is read."""

    __slots__ = ("_floor", "_steps")

    def __init__(self, seq: int = 0) -> None:
        self._steps: deque[Step] | None = None
        self._floor = seq

    def note(self, step: Step) -> None:
        """Remember a step; the oldest are forgotten."""
        if self._steps is None:
            self._steps = deque()
        self._steps.append(step)
        while len(self._steps) > LOG_STEPS:
            self._floor = self._steps.popleft().seq

    def covers(self, since: int) -> bool:
        """Whether everything after `since` is still remembered."""
        return since >= self._floor

    def clear(self, seq: int) -> None:
        """Forget everything up to `seq`."""
        self._steps = None
        self._floor = seq

    def since(self, seq: int) -> dict[str, Step]:
        """Each user that changed after `seq`: whether it was shown then is the first step's, the cause the last's."""
        changed: dict[str, Step] = {}
        for step in reversed(self._steps or ()):
            if step.seq <= seq:
                break
            later = changed.get(step.user_id)
            changed[step.user_id] = step if later is None else step._replace(cause=later.cause)
        return dict(reversed(changed.items()))
