"""Pieces of time, also on the days when the clocks change."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hereabouts.engine.buckets import BUCKETS_MOST, Window

HOUR = 3_600_000
DAY = 24 * HOUR
MARCH = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000)
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=9, minutes=30)), BERLIN]


@given(
    from_at=st.integers(MARCH - 400 * DAY, MARCH + 400 * DAY),
    length=st.integers(1, 40 * DAY),
    interval=st.sampled_from([900, 3_600, 21_600, 86_400]),
    zone=st.sampled_from(ZONES),
)
def test_pieces_tile_the_window_and_each_is_of_one_local_day(
    from_at: int, length: int, interval: int, zone: tzinfo
) -> None:
    window = Window(from_at, from_at + length, zone)
    try:
        pieces = window.buckets(interval)
    except ValueError:
        assert length / 1000 / interval > BUCKETS_MOST - 2
        return
    assert (pieces[0].start_at, pieces[-1].end_at) == (from_at, from_at + length)
    assert all(before.end_at == after.start_at for before, after in itertools.pairwise(pieces))
    for start_at, end_at in pieces:
        assert 0 < end_at - start_at <= max(interval * 1000, 25 * HOUR if interval == 86_400 else 0)
        first, last = (datetime.fromtimestamp(at / 1000, zone).date() for at in (start_at, end_at - 1))
        assert first == last


def test_days_are_local_and_as_long_as_the_clocks_make_them() -> None:
    window = Window(MARCH + 27 * DAY, MARCH + 31 * DAY, BERLIN)
    assert [round(bucket.seconds / 3_600) for _, bucket in window.days()] == [23, 23, 24, 24, 2]
    assert [day.isoformat() for day, _ in window.days()][:2] == ["2026-03-28", "2026-03-29"]


def test_hours_of_the_week_are_local() -> None:
    window = Window(MARCH, MARCH + DAY, timezone(timedelta(hours=-1)))
    assert window.hour_of_week(MARCH) == (5, 23)  # Sunday midnight in UTC is Saturday, 23 h


@pytest.mark.parametrize("interval", [0, 59, 61, 7 * 86_400, -60])
def test_an_interval_is_a_whole_part_of_a_day(interval: int) -> None:
    with pytest.raises(ValueError, match="whole part of a day"):
        Window(MARCH, MARCH + DAY, UTC).buckets(interval)


def test_too_many_pieces_are_refused_before_they_are_made() -> None:
    with pytest.raises(ValueError, match="ask for fewer"):
        Window(0, MARCH, UTC).buckets(60)
    assert len(Window(MARCH + 30_000, MARCH + 30_000 + DAY, UTC).buckets(60)) == 1_441
