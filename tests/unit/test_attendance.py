"""Attendance, against counting each moment."""

from __future__ import annotations

import itertools
from datetime import UTC, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from hereabouts.engine.attendance import Span, clip, days, merge
from hereabouts.engine.buckets import Bucket, Window

HOUR = 3_600_000
DAY = 24 * HOUR


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    """Some sessions of one user, each with an end that may be uncertain."""
    found = []
    for _ in range(draw(st.integers(0, 6))):
        start_at = draw(st.integers(0, 80))
        end_at = start_at + draw(st.integers(0, 15))
        found.append(Span(start_at, end_at, end_at + draw(st.integers(0, 10))))
    return found


@given(spans(), st.integers(0, 5))
def test_merged_spans_are_what_marking_each_moment_gives(given_spans: list[Span], gap: int) -> None:
    merged = merge(given_spans, gap / 1000)
    proven = {moment for span in given_spans for moment in range(span.start_at, span.end_at)}
    starts = {span.start_at for span in given_spans}
    for moment in range(110):
        # A gap is closed when proof before and the next begin are nearer than `gap`.
        before = max((span.end_at for span in given_spans if span.start_at <= moment), default=None)
        after = min((start for start in starts if start > moment), default=None)
        closed = before is not None and after is not None and moment >= before and after - before < gap
        here = any(span.start_at <= moment < span.end_at for span in merged)
        assert here == (moment in proven or closed), moment
        perhaps = any(span.start_at <= moment < span.latest_at for span in merged)
        possible = any(span.start_at <= moment < span.latest_at for span in given_spans)
        assert perhaps == (possible or closed), moment


@given(spans(), st.integers(0, 5))
def test_merged_spans_are_apart_and_in_order(given_spans: list[Span], gap: int) -> None:
    merged = merge(given_spans, gap / 1000)
    assert all(span.start_at <= span.end_at <= span.latest_at for span in merged)
    assert all(first.latest_at <= second.start_at for first, second in itertools.pairwise(merged))
    assert merge(merged, 0) == merged


@given(spans(), st.integers(0, 50), st.integers(1, 50))
def test_what_is_clipped_lies_in_the_window(given_spans: list[Span], start_at: int, length: int) -> None:
    window = Bucket(start_at, start_at + length)
    for span in clip(given_spans, window):
        assert window.start_at <= span.start_at <= span.end_at <= span.latest_at <= window.end_at


def test_a_crash_counts_until_the_last_proof_and_perhaps_until_its_detection() -> None:
    crashed, later = Span(HOUR, 2 * HOUR, 10 * HOUR), Span(9 * HOUR, 11 * HOUR, 11 * HOUR)
    merged = merge([later, crashed], gap_seconds=10)
    assert merged == [Span(HOUR, 2 * HOUR, 9 * HOUR), later]
    assert merged[0].is_approximate and not merged[1].is_approximate
    (day,) = days(Window(0, DAY, UTC), merged)
    assert (day.seconds, day.most_seconds, day.is_approximate) == (3 * 3_600, 10 * 3_600, True)
    assert (day.first_at, day.last_at) == (HOUR, 11 * HOUR)


def test_a_night_shift_is_part_of_two_local_days() -> None:
    shift = Span(20 * HOUR, 28 * HOUR, 28 * HOUR)
    found = days(Window(0, 2 * DAY, timezone(timedelta(hours=2))), [shift])
    assert [(day.day.isoformat(), day.seconds / 3_600) for day in found] == [("1970-01-01", 2.0), ("1970-01-02", 6.0)]


def test_a_span_that_is_open_stays_so_where_its_end_is_in_the_window() -> None:
    span = Span(0, 50, 50, is_open=True)
    assert [part.is_open for part in clip([span], Bucket(10, 60))] == [True]
    assert [part.is_open for part in clip([span], Bucket(10, 40))] == [False]
