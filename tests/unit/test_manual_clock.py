"""The manual clock: what moves with what."""

from __future__ import annotations

import pytest

from hereabouts.engine.records import Now
from hereabouts.testing.clock import START_AT, ManualClock


def test_time_passes_on_both_clocks() -> None:
    clock = ManualClock(at=5000, tick=10.0)
    assert clock.now() == Now(10.0, 5000)
    assert clock.advance(1.5) == clock.now() == Now(11.5, 6500)
    assert (clock.monotonic(), clock.wall()) == (11.5, 6.5)


def test_a_jump_of_the_wall_clock_leaves_the_tick_alone() -> None:
    clock = ManualClock(at=5_000_000, tick=10.0)
    assert clock.jump_wall(3600) == Now(10.0, 8_600_000)
    assert clock.jump_wall(-7200) == Now(10.0, 1_400_000)


def test_time_does_not_run_back() -> None:
    with pytest.raises(ValueError, match="jump_wall"):
        ManualClock().advance(-1)


def test_many_small_steps_add_up() -> None:
    clock = ManualClock()
    for _ in range(10_000):
        clock.advance(0.0003)
    assert abs(clock.now().at - START_AT - 3000) <= 1
