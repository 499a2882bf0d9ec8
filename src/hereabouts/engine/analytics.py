"""What a history comes to: how many were online, at which hours of the week, in which status, for how long.

Everything here is a pure fold of rows in the order of their times. Who is invisible is offline here as everywhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from hereabouts.engine.buckets import Bucket, Window
from hereabouts.protocol.codes import Status

HOUR_SECONDS: Final = 3_600

LENGTH_SECONDS: Final = (60, 300, 900, 3_600, 14_400, 43_200)
"""Where the groups of session lengths part: a minute, 5, 15, an hour, 4 and 12 hours."""

REGION_USERS_LEAST: Final = 5
"""A region with fewer users is not told of: so few could be known by name."""


class Step(NamedTuple):
    """At this moment the number of users that are here changed by so many."""

    at: int
    by: int


class Online(Struct, frozen=True):
    """How many users were here from `start_at` until before `end_at`: at most, and on average over the time."""

    start_at: int
    end_at: int
    peak: int
    mean: float


class Hour(Struct, frozen=True):
    """How many users were here in one hour of the week (`weekday` 0 is Monday): at most, and on average."""

    weekday: int
    hour: int
    peak: int
    mean: float


class LengthGroup(Struct, frozen=True):
    """How many sessions were at least `from_seconds` long and shorter than `below_seconds`, which the last lacks."""

    from_seconds: int
    below_seconds: int | None
    sessions: int


class Lengths(Struct, frozen=True):
    """How long sessions were. The median and the 95th percentile are lengths that occurred (nearest rank)."""

    sessions: int
    mean_seconds: float | None
    median_seconds: float | None
    p95_seconds: float | None
    longest_seconds: float | None
    groups: tuple[LengthGroup, ...]


def online(buckets: Sequence[Bucket], count: int, steps: Iterable[Step]) -> list[Online]:
    """The curve. `count` is how many were here just before the first bucket; `steps` come in the order of time."""
    curve: list[Online] = []
    coming = iter(steps)
    step = next(coming, None)
    for start_at, end_at in buckets:
        peak, area, since_at = 0, 0, start_at
        while step is not None and step.at < end_at:
            if step.at > since_at:
                peak, area, since_at = max(peak, count), area + count * (step.at - since_at), step.at
            count += step.by
            step = next(coming, None)
        peak, area = max(peak, count), area + count * (end_at - since_at)
        curve.append(Online(start_at, end_at, peak, round(area / (end_at - start_at), 3)))
    return curve


def heat_map(window: Window, curve: Iterable[Online]) -> list[Hour]:
    """The hours of the week that the window touches, Monday first. `curve` is in pieces of an hour at most."""
    peaks: dict[tuple[int, int], int] = {}
    areas: dict[tuple[int, int], float] = {}
    lengths: dict[tuple[int, int], int] = {}
    for piece in curve:
        cell, length = window.hour_of_week(piece.start_at), piece.end_at - piece.start_at
        peaks[cell] = max(peaks.get(cell, 0), piece.peak)
        areas[cell] = areas.get(cell, 0) + piece.mean * length
        lengths[cell] = lengths.get(cell, 0) + length
    return [Hour(*cell, peaks[cell], round(areas[cell] / lengths[cell], 3)) for cell in sorted(peaks)]


def status_seconds(window: Bucket, first: Status, changes: Iterable[tuple[int, Status]]) -> dict[Status, float]:
    """For how long a user had each status. `first` is the one before the window; `changes` come in order."""
    spent: dict[Status, int] = {}
    status, since_at = first, window.start_at
    for at, after in changes:
        spent[status] = spent.get(status, 0) + at - since_at
        status, since_at = after, at
    spent[status] = spent.get(status, 0) + window.end_at - since_at
    return {status: length / 1000 for status, length in spent.items() if length}


def lengths(seconds: Iterable[float]) -> Lengths:
    """How long sessions were, of their lengths in any order."""
    ordered = sorted(seconds)
    count = len(ordered)
    groups = [0] * (len(LENGTH_SECONDS) + 1)
    for length in ordered:
        groups[bisect_right(LENGTH_SECONDS, length)] += 1
    bounds = zip((0, *LENGTH_SECONDS), (*LENGTH_SECONDS, None), groups, strict=True)
    return Lengths(
        count,
        round(sum(ordered) / count, 3) if count else None,
        _percentile(ordered, 50),
        _percentile(ordered, 95),
        ordered[-1] if ordered else None,
        tuple(LengthGroup(*bound) for bound in bounds),
    )


def _percentile(ordered: Sequence[float], percent: int) -> float | None:
    if not ordered:
        return None
    return ordered[-(-len(ordered) * percent // 100) - 1]
