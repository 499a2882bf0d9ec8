"""A clock that moves only when it is told to."""

from __future__ import annotations

from typing import Final

from hereabouts.engine.records import Now

START_AT: Final = 1_800_000_000_000
"""Where server time begins unless said otherwise: 2027-01-15 08:00 UTC, in milliseconds."""


class ManualClock:
    """Both clocks of a `Now`, moved by hand; `monotonic` and `wall` serve whatever takes clocks as functions."""

    def __init__(self, at: int = START_AT, tick: float = 1000.0) -> None:
        self._tick = tick
        self._ahead = at - round(tick * 1000)

    def now(self) -> Now:
        """The moment, on both clocks."""
        return Now(self._tick, round(self._tick * 1000) + self._ahead)

    def advance(self, seconds: float) -> Now:
        """Time passes, on both clocks."""
        if seconds < 0:
            raise ValueError(f"time does not run back: advance({seconds}); use jump_wall to set the wall clock back")
        self._tick += seconds
        return self.now()

    def jump_wall(self, seconds: float) -> Now:
        """Somebody sets the wall clock, ahead or back; `tick` stands still."""
        self._ahead += round(seconds * 1000)
        return self.now()

    def monotonic(self) -> float:
        """Seconds on the clock that never jumps."""
        return self._tick

    def wall(self) -> float:
        """Seconds since the epoch on the clock that may be set."""
        return self.now().at / 1000
