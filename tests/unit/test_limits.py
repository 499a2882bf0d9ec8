"""Buckets that let a rate pass, and what counts as abuse."""

from __future__ import annotations

import msgspec
import pytest

from hereabouts.engine.limits import Abuse, Limits, TokenBucket


def test_the_limits_are_those_of_the_specification() -> None:
    limits = Limits()
    assert (limits.frame_bytes, limits.state_bytes, limits.info_bytes, limits.id_bytes) == (65_536, 4_096, 1_024, 200)
    assert (limits.rooms_per_session, limits.watched_users, limits.sessions_per_user) == (100, 500, 50)
    assert (limits.joins_per_second, limits.updates_per_second, limits.frames_per_second) == (20, 10, 100)
    assert (limits.depth, limits.hello_seconds, limits.unauthenticated_per_address) == (16, 5, 256)


@pytest.mark.parametrize("bad", [{"frame_bytes": 10}, {"depth": 2}, {"joins_per_second": 0}, {"id_bytes": 5_000}])
def test_a_limit_that_would_stop_everybody_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, Limits)


def test_a_burst_passes_at_once_and_then_the_rate() -> None:
    bucket = TokenBucket(rate=10, burst=20)
    assert [bucket.take(0.0) for _ in range(20)] == [0.0] * 20
    assert bucket.take(0.0) == pytest.approx(0.1)
    assert bucket.take(0.1) == 0.0


def test_it_says_when_there_will_be_enough_and_then_there_is() -> None:
    bucket = TokenBucket(rate=4, burst=4)
    bucket.take(0.0, 4)
    wait = bucket.take(0.5, 3)
    assert wait == pytest.approx(0.25)
    assert bucket.take(0.5 + wait, 3) == 0.0


def test_being_refused_costs_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=1)
    bucket.take(0.0)
    for _ in range(100):
        assert bucket.take(0.5) > 0
    assert bucket.take(1.0) == 0.0


def test_rest_fills_no_more_than_the_burst() -> None:
    bucket = TokenBucket(rate=10, burst=2)
    bucket.take(0.0, 2)
    assert bucket.take(3_600.0, 2) == 0.0
    assert bucket.take(3_600.0) > 0


def flood(times: float, seconds: float, rate: float = 100.0) -> float | None:
    """When frames at so many times the rate are called abuse, in seconds, or `None`."""
    bucket, abuse = TokenBucket(rate, 2 * rate), Abuse(rate)
    for i in range(round(times * rate * seconds)):
        tick = i / (times * rate)
        if bucket.take(tick) and abuse.note(tick):
            return tick
    return None


def test_ten_times_the_rate_is_abuse_after_about_five_seconds() -> None:
    when = flood(10, 10)
    assert when is not None and 5 <= when <= 6


def test_four_times_the_rate_is_only_refused_however_long() -> None:
    assert flood(4, 60) is None


def test_a_short_burst_is_only_refused() -> None:
    assert flood(10, 3) is None
