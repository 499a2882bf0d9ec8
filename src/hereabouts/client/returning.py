"""Whether and when a client comes back after a lost connection. Pure; source: `spec/protocol.md`, "Codes"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

FIRST_SECONDS: Final = 0.25
MOST_SECONDS: Final = 30.0
STABLE_SECONDS: Final = 10.0
"""A connection that lived so long was a good one: the next loss begins with the first wait again."""

Verdict = Literal["stop", "new_token", "again"]


def verdict(code: int | None) -> Verdict:
    """What a close code asks for, by its band; `None` is a connection that broke or never came about."""
    if code is None or not 4000 <= code < 4200:
        return "again"
    return "stop" if code < 4100 else "new_token"


class BackOff:
    """Full jitter: anywhere between nothing and a bound that doubles with each failure.

    `random` gives numbers from 0 up to 1.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0

    def lost(self, lived_seconds: float) -> None:
        """A connection that was welcomed is gone after so long."""
        if lived_seconds >= STABLE_SECONDS:
            self._failures = 0

    def next_seconds(self) -> float:
        """How long to wait before the next attempt."""
        bound = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return self._random() * bound
