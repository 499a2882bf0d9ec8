"""Names of time zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hereabouts.errors import Refusal
from hereabouts.gateway.zones import zone

SUMMER = datetime(2026, 7, 1)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("Z", 0), ("UTC", 0), ("+05:30", 330), (" 0530", 330), ("-09:30", -570), ("Europe/Berlin", 120)],
)
def test_zones_are_told_by_offset_or_by_name(text: str, minutes: int) -> None:
    assert zone(text).utcoffset(SUMMER) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text", ["", "+25:00", "+05:60", "Mars/Base", "../../etc/passwd", "/etc/passwd", "Europe", "\0"]
)
def test_what_is_no_zone_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="tz is") as refused:
        zone(text)
    assert refused.value.code == "bad_request"


def test_no_time_is_lost_in_utc() -> None:
    assert zone("Z") is UTC
