"""Server time follows the store's, and never runs back."""

from __future__ import annotations

import pytest

from hereabouts.runtime.clock import STEP_SECONDS, Clock


class Time:
    """A monotonic clock and a wall clock, moved by hand."""

    def __init__(self, ahead: float) -> None:
        self.now = 100.0
        self.ahead = ahead

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now + self.ahead


@pytest.mark.parametrize("skew", [-3600.0, 0.0, 3600.0])
def test_nodes_whose_clocks_differ_tell_the_time_of_the_store(skew: float) -> None:
    time = Time(1_800_000_000 + skew)
    clock = Clock(time.monotonic, time.wall)
    clock.follow(1_800_000_100_000, 100.0)
    assert clock.now().at == 1_800_000_100_000
    time.now += 2.5
    assert clock.now().at == 1_800_000_102_500


def test_a_store_whose_clock_jumps_is_followed_in_small_steps_and_never_back() -> None:
    time = Time(1_800_000_000)
    clock = Clock(time.monotonic, time.wall)
    clock.follow(1_800_000_100_000, 100.0)
    told = clock.now().at
    for _ in range(20):
        time.now += 1.0
        # The new master's clock is an hour behind.
        clock.follow(int((1_800_000_000 + time.now - 3600) * 1000), time.now)
        assert told < clock.now().at <= told + 1000
        told = clock.now().at
    assert told == pytest.approx((1_800_000_000 + 120 - 20 * STEP_SECONDS) * 1000, abs=2)


def test_ticks_do_not_follow_the_store() -> None:
    time = Time(1_800_000_000)
    clock = Clock(time.monotonic, time.wall)
    clock.follow(5_000_000_000, 100.0)
    assert clock.tick() == 100.0
