"""The time zone of a question: `Z`, an offset such as `+05:30`, or a name such as `Europe/Berlin`."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from hereabouts.errors import Refusal

# In a query a plus that is not escaped reads as a space.
_OFFSET: Final = re.compile(r"([+ -])(\d\d):?(\d\d)")


def zone(text: str) -> tzinfo:
    """The zone. Raises `Refusal` with `bad_request` for one that is not known here."""
    if text in ("Z", "UTC"):
        return UTC
    offset = _OFFSET.fullmatch(text)
    if offset is not None and int(offset[2]) < 24 and int(offset[3]) < 60:
        length = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-length if offset[1] == "-" else length)
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise Refusal(
            "bad_request", f"tz is {text[:64]!a}; it is Z, an offset such as +05:30, or a name such as Europe/Berlin"
        ) from None
