"""When what failed is tried again, and when it is given up."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

DOUBLINGS_MOST: Final = 30


class Schedule(Struct, frozen=True):
    """Waits that double from `first_seconds` to `most_seconds`; after `give_up_seconds` an event is dead."""

    first_seconds: float = 1
    most_seconds: float = 300
    give_up_seconds: float = 86_400

    def wait_seconds(self, attempts: int, chance: float) -> float:
        """How long to wait after so many failed attempts. `chance` (0 to 1) takes off up to half.

        So receivers that come back are not met by everybody at once.
        """
        full = self.first_seconds * 2.0 ** min(attempts - 1, DOUBLINGS_MOST)
        return min(full, self.most_seconds) * (1 - chance / 2)

    def is_over(self, first_tried_at: int, at: int) -> bool:
        """Whether an event that failed first at one moment is given up at another (milliseconds)."""
        return at - first_tried_at >= self.give_up_seconds * 1000
