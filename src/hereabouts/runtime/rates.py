"""Rates of those who have no connection to count by: callers by name, beacons by address."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from hereabouts.engine.limits import TokenBucket
from hereabouts.errors import Refusal
from hereabouts.runtime.clock import Clock

COUNTED: Final = 20_000
"""So many are counted at a time; whoever was heard of least recently begins anew."""


class Rates:
    """A token bucket for each name. `limit` is what a refusal calls it, `per_second` and `burst` its measure."""

    def __init__(self, clock: Clock, limit: str, per_second: float, burst: float) -> None:
        self._clock = clock
        self._limit = limit
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: Hashable) -> None:
        """Count one. Raises `Refusal` with `rate_limited`."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = TokenBucket(self._per_second, self._burst)
            if len(self._buckets) > COUNTED:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(name)
        wait_seconds = bucket.take(self._clock.tick())
        if wait_seconds:
            text = f"too many calls; {self._per_second:g} a second are served"
            raise Refusal("rate_limited", text, limit=self._limit, retry_after_seconds=round(wait_seconds, 3))
