"""Pieces of time as a calendar cuts it: minutes, hours and days of a time zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

DAY_SECONDS: Final = 86_400
BUCKET_SECONDS_LEAST: Final = 60
BUCKETS_MOST: Final = 1_500
"""Pieces of one answer: a day of minutes, two months of hours, four years of days."""


class Bucket(NamedTuple):
    """From `start_at` on, until before `end_at`."""

    start_at: int
    end_at: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end_at - self.start_at) / 1000


class Window(NamedTuple):
    """What is asked about: from `from_at` on, until before `to_at`, told in the days of a time zone."""

    from_at: int
    to_at: int
    zone: tzinfo

    def buckets(self, interval_seconds: int) -> list[Bucket]:
        """The window in pieces; they begin at local midnight, and the first and the last are cut to the window.

        Raises `ValueError` for an interval that is no whole part of a day, and for more than `BUCKETS_MOST` pieces.
        """
        if interval_seconds < BUCKET_SECONDS_LEAST or DAY_SECONDS % interval_seconds:
            raise ValueError(
                f"interval_seconds is {interval_seconds}; it is to be a whole part of a day, from "
                f"{BUCKET_SECONDS_LEAST} (a minute) to {DAY_SECONDS} (a day)"
            )
        # Before anything is made; a day more for the two that are cut.
        if (self.to_at - self.from_at) / 1000 / interval_seconds > BUCKETS_MOST - 2:
            raise ValueError(f"from_at to to_at is over {BUCKETS_MOST - 2} times interval_seconds; ask for fewer")
        return list(self._cut(interval_seconds * 1000))

    def days(self) -> list[tuple[date, Bucket]]:
        """The local days of the window, the first and the last cut to it."""
        return [(day, self.clip(whole)) for day, whole in self._whole_days()]

    def clip(self, bucket: Bucket) -> Bucket:
        """What of it is in the window."""
        return Bucket(max(bucket.start_at, self.from_at), min(bucket.end_at, self.to_at))

    def hour_of_week(self, at: int) -> tuple[int, int]:
        """The local weekday (Monday is 0) and hour of a moment."""
        local = datetime.fromtimestamp(at / 1000, self.zone)
        return local.weekday(), local.hour

    def _cut(self, step: int) -> Iterator[Bucket]:
        for _, day in self._whole_days():
            for start_at in range(day.start_at, day.end_at, step):
                # The day on which clocks change is an hour shorter or longer; its last piece may be cut.
                piece = self.clip(Bucket(start_at, min(start_at + step, day.end_at)))
                if piece.start_at < piece.end_at:
                    yield piece

    def _whole_days(self) -> Iterator[tuple[date, Bucket]]:
        day = datetime.fromtimestamp(self.from_at / 1000, self.zone).date()
        start_at = self._midnight(day)
        while start_at < self.to_at:
            end_at = self._midnight(day + timedelta(days=1))
            if end_at > self.from_at:
                yield day, Bucket(start_at, end_at)
            day, start_at = day + timedelta(days=1), end_at

    def _midnight(self, day: date) -> int:
        return int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp() * 1000)
