"""When somebody was here, of the user's sessions: gaps closed, days added up, uncertain ends kept apart.

An end that nobody said is known to lie between the last proof of life and its detection. So each span has two ends,
and each sum two values: what is proven, and the most that it can have been.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from msgspec import Struct, structs

from hereabouts.engine.buckets import Bucket, Window


class Span(Struct, frozen=True):
    """Somebody was here from `start_at` until `end_at` for certain, and until `latest_at` at most."""

    start_at: int
    end_at: int
    latest_at: int
    is_open: bool = False

    @property
    def is_approximate(self) -> bool:
        """Whether the end is not known."""
        return self.end_at != self.latest_at


class Day(NamedTuple):
    """One local day of somebody: proven and most seconds, the first moment and the last proven one."""

    day: date
    seconds: float
    most_seconds: float
    first_at: int
    last_at: int

    @property
    def is_approximate(self) -> bool:
        """Whether it may have been more."""
        return self.seconds != self.most_seconds


def clip(spans: Iterable[Span], window: Bucket) -> list[Span]:
    """What of the spans is in the window."""
    return [
        Span(
            max(span.start_at, window.start_at),
            max(window.start_at, min(span.end_at, window.end_at)),
            min(span.latest_at, window.end_at),
            span.is_open and span.latest_at <= window.end_at,
        )
        for span in spans
        if span.start_at < window.end_at and span.latest_at > window.start_at
    ]


def merge(spans: Iterable[Span], gap_seconds: float) -> list[Span]:
    """Spans that are apart: what overlaps, or leaves a gap shorter than `gap_seconds` between proofs, is one.

    What may have been after an uncertain end is told of the span before up to the next one, then of that.
    """
    gap = gap_seconds * 1000
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start_at):
        last = merged[-1] if merged else None
        if last is not None and (span.start_at <= last.end_at or span.start_at - last.end_at < gap):
            merged[-1] = _joined(last, span)
            continue
        if last is not None and last.latest_at > span.start_at:
            merged[-1] = structs.replace(last, latest_at=span.start_at)
            span = structs.replace(span, latest_at=max(span.latest_at, last.latest_at))
        merged.append(span)
    return merged


def days(window: Window, spans: Sequence[Span]) -> list[Day]:
    """The local days on which somebody was here, of spans that are apart."""
    found: list[Day] = []
    starts, ends = [span.start_at for span in spans], [span.latest_at for span in spans]
    for day, bucket in window.days():
        parts = clip(spans[bisect_right(ends, bucket.start_at) : bisect_left(starts, bucket.end_at)], bucket)
        if parts:
            seconds = sum(part.end_at - part.start_at for part in parts) / 1000
            most = sum(part.latest_at - part.start_at for part in parts) / 1000
            found.append(Day(day, seconds, most, parts[0].start_at, max(part.end_at for part in parts)))
    return found


def _joined(first: Span, second: Span) -> Span:
    end_at = max(first.end_at, second.end_at)
    return Span(first.start_at, end_at, max(first.latest_at, second.latest_at), first.is_open or second.is_open)
