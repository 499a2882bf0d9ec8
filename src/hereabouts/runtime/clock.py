"""The one place that reads clocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from hereabouts.engine.records import Now

STEP_SECONDS: Final = 0.01
"""By how much server time may be moved at once; it is read so rarely that it never goes back."""


class Clock:
    """Gives `Now`.

    Server time is the wall clock as it stood when the process started, carried on by the monotonic clock: a wall
    clock that jumps changes nothing (rule 18). `tick` is the monotonic clock without the measured stalls of the event
    loop, so that a stall moves every deadline (rule 5).
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._ahead = wall() - monotonic()
        self.stalled_seconds = 0.0
        self._is_led = False

    def now(self) -> Now:
        """The moment, on both clocks."""
        monotonic = self._monotonic()
        return Now(monotonic - self.stalled_seconds, int((monotonic + self._ahead) * 1000))

    def monotonic(self) -> float:
        """Seconds on the clock that never jumps, stalls and all: what the leases of nodes are measured by."""
        return self._monotonic()

    def tick(self) -> float:
        """Seconds on the clock of deadlines."""
        return self._monotonic() - self.stalled_seconds

    def wall(self) -> float:
        """The host's wall clock in seconds; only for what the world dates, such as tokens."""
        return self._wall()

    def stall(self, seconds: float) -> None:
        """The event loop stood still for so long: all deadlines move by it."""
        self.stalled_seconds += seconds

    def follow(self, at: int, monotonic: float) -> None:
        """Server time was `at` when the monotonic clock showed `monotonic`, says the store (rule 18).

        It is taken over at once the first time, before anything is served; later in steps that nobody notices.
        """
        moved = at / 1000 - monotonic - self._ahead
        self._ahead += max(-STEP_SECONDS, min(moved, STEP_SECONDS)) if self._is_led else moved
        self._is_led = True

    def tick_of(self, at: int, now: Now) -> float:
        """The tick at which server time will be `at`."""
        return now.tick + (at - now.at) / 1000
