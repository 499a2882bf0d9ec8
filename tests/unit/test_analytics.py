"""The folds of a history, against counting moment by moment."""

from __future__ import annotations

import itertools
from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from hereabouts.engine.analytics import LENGTH_SECONDS, Online, Step, heat_map, lengths, online, status_seconds
from hereabouts.engine.buckets import Bucket, Window
from hereabouts.protocol.codes import Status

HOUR = 3_600_000
MONDAY = 4 * 24 * HOUR
"""5 January 1970."""

STATUSES: list[Status] = ["online", "idle", "away", "busy", "dnd", "offline"]


@given(
    count=st.integers(0, 5),
    edges=st.lists(st.integers(1, 20), min_size=1, max_size=6),
    steps=st.dictionaries(st.integers(0, 100), st.integers(-2, 3)),
)
def test_the_curve_is_what_counting_each_moment_gives(count: int, edges: list[int], steps: dict[int, int]) -> None:
    starts = [sum(edges[:place]) for place in range(len(edges) + 1)]
    buckets = [Bucket(*pair) for pair in itertools.pairwise(starts)]
    here, at_each = count, []
    for moment in range(starts[-1]):
        here += steps.get(moment, 0)
        at_each.append(here)
    ordered = [Step(at, by) for at, by in sorted(steps.items()) if at < starts[-1]]
    if min([0, *at_each]) < 0:
        return
    for bucket, told in zip(buckets, online(buckets, count, ordered), strict=True):
        counted = at_each[bucket.start_at : bucket.end_at]
        assert told == Online(*bucket, max(counted), round(sum(counted) / len(counted), 3))


@given(first=st.sampled_from(STATUSES), turns=st.lists(st.tuples(st.integers(0, 59), st.sampled_from(STATUSES))))
def test_time_in_each_status_is_what_counting_each_moment_gives(first: Status, turns: list[tuple[int, Status]]) -> None:
    changes = sorted(turns, key=lambda turn: turn[0])
    counted: dict[Status, float] = {}
    for moment in range(60):
        status = [first, *(after for at, after in changes if at <= moment)][-1]
        counted[status] = counted.get(status, 0) + 1
    told = status_seconds(Bucket(0, 60), first, changes)
    assert {status: seconds * 1000 for status, seconds in told.items()} == counted


@given(st.lists(st.integers(0, 100_000)))
def test_lengths_fall_into_groups_and_the_ranks_are_lengths_that_occurred(seconds: list[int]) -> None:
    told = lengths(seconds)
    assert told.sessions == len(seconds) == sum(group.sessions for group in told.groups)
    for group in told.groups:
        below = group.below_seconds or 1_000_000
        assert group.sessions == sum(group.from_seconds <= length < below for length in seconds)
    if not seconds:
        assert (told.mean_seconds, told.median_seconds, told.p95_seconds, told.longest_seconds) == (None,) * 4
        return
    assert told.longest_seconds == max(seconds)
    for rank, value in ((0.5, told.median_seconds), (0.95, told.p95_seconds)):
        assert value in seconds
        assert sum(length <= value for length in seconds) >= rank * len(seconds) - 1e-9
        assert sum(length < value for length in seconds) < rank * len(seconds)


def test_the_groups_of_lengths_meet() -> None:
    groups = lengths([]).groups
    assert [group.from_seconds for group in groups] == [0, *LENGTH_SECONDS]
    assert [group.below_seconds for group in groups] == [*LENGTH_SECONDS, None]


def test_the_heat_map_puts_the_weeks_on_top_of_each_other() -> None:
    window = Window(MONDAY, MONDAY + 8 * 24 * HOUR, UTC)
    curve = [
        Online(MONDAY + place * HOUR, MONDAY + (place + 1) * HOUR, peak=place % 5, mean=float(place))
        for place in range(8 * 24)
    ]
    cells = heat_map(window, curve)
    assert [(cell.weekday, cell.hour) for cell in cells] == [(day, hour) for day in range(7) for hour in range(24)]
    assert (cells[1].peak, cells[1].mean) == (max(1 % 5, 169 % 5), (1 + 169) / 2)
    assert (cells[30].peak, cells[30].mean) == (0, 30.0)
