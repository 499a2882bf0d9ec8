"""The client's beat: as often as the policy says, and a connection that does not answer is let go."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from hereabouts.client.world import Clock, Timer
from hereabouts.protocol.messages import Beat, PolicyInfo

ANSWER_SECONDS: Final = 5.0
"""No frame for so long after a beat: the connection is dead (`spec/protocol.md`, "Resume")."""


class Heart:
    """Beats while there is a connection. `visible` is told with each beat, human input with the next one.

    `has_untold_input` says whether there was human input that no beat has told yet.
    """

    def __init__(self, clock: Clock, policy: PolicyInfo, say: Callable[[Beat], None], drop: Callable[[], None]) -> None:
        self._clock = clock
        self._policy = policy
        self._say = say
        self._drop = drop
        self._next: Timer | None = None
        self._answer: Timer | None = None
        self._told_input_at = clock.time()
        self.has_untold_input = False
        self.visible = True

    @property
    def beat_seconds(self) -> float:
        """How often it beats now."""
        policy = self._policy
        return policy.beat_visible_seconds if self.visible else policy.beat_hidden_seconds

    def begin(self, visible: bool, has_told_input: bool = True) -> None:
        """The hello, which told the same, was the first sign of life."""
        self.visible = visible
        if not has_told_input:
            self._told_input_at = -math.inf
        self._plan()

    def beat(self) -> None:
        """Beat now."""
        if self.has_untold_input:
            self._told_input_at = self._clock.time()
        self._say(Beat(visible=self.visible, active=True if self.has_untold_input else None))
        self.has_untold_input = False
        if self._answer is None:
            self._answer = self._clock.call_later(ANSWER_SECONDS, self._drop)
        self._plan()

    def note_input(self) -> None:
        """There was human input. The first after a while is told at once: it ends idle when a person comes back."""
        self.has_untold_input = True
        if self._clock.time() - self._told_input_at >= self.beat_seconds:
            self.beat()

    def change(self, policy: PolicyInfo) -> None:
        """Another policy is in force."""
        self._policy = policy
        self._plan()

    def heard(self) -> None:
        """A frame arrived."""
        if self._answer is not None:
            self._answer.cancel()
            self._answer = None

    def stop(self) -> None:
        """The connection is gone."""
        self.heard()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _plan(self) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = self._clock.call_later(self.beat_seconds, self.beat)
