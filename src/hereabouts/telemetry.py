"""Every metric once. Counted in plain numbers, for they are counted on the hot path; exposed when asked for."""

from __future__ import annotations

from collections import Counter


class Telemetry:
    """The counters of a node. Attributes are added to directly; labelled ones through a method."""

    def __init__(self) -> None:
        self.beats = 0
        self.http_beats = 0
        self.joins = 0
        self.leaves: Counter[str] = Counter()
        self.frames: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.closes: Counter[int] = Counter()
        self.deliveries = 0
        self.delivered_bytes = 0
        self.pauses = 0
        self.slow_readers = 0
        self.faults = 0

    def left(self, cause: str) -> None:
        """A member left a room."""
        self.leaves[cause] += 1

    def frame(self, kind: str) -> None:
        """A message of this kind came."""
        self.frames[kind] += 1

    def error(self, code: str) -> None:
        """A request was refused."""
        self.errors[code] += 1

    def close(self, code: int) -> None:
        """A connection was closed by us."""
        self.closes[code] += 1
