"""What each event makes of each phase of a session. `spec/protocol.md` shows the table as a diagram."""

from __future__ import annotations

from typing import Final, Literal

Phase = Literal["live", "lost", "leaving", "parked", "over"]
Event = Literal["frame", "close", "lapse", "beacon", "resume", "publish", "forget", "end"]

TRANSITIONS: Final[dict[tuple[Phase, Event], Phase]] = {
    ("live", "frame"): "live",
    ("live", "close"): "lost",
    ("live", "lapse"): "lost",
    ("live", "beacon"): "leaving",
    ("live", "resume"): "live",
    ("live", "end"): "over",
    ("lost", "frame"): "live",
    ("lost", "close"): "lost",
    ("lost", "beacon"): "leaving",
    ("lost", "resume"): "live",
    ("lost", "forget"): "over",
    ("lost", "end"): "over",
    ("leaving", "frame"): "live",
    ("leaving", "close"): "leaving",
    ("leaving", "beacon"): "leaving",
    ("leaving", "resume"): "live",
    ("leaving", "publish"): "parked",
    ("leaving", "end"): "over",
    ("parked", "frame"): "live",
    ("parked", "close"): "parked",
    ("parked", "beacon"): "parked",
    ("parked", "resume"): "live",
    ("parked", "forget"): "over",
    ("parked", "end"): "over",
    ("over", "close"): "over",
    ("over", "beacon"): "over",
}
"""What each event makes of each phase. A pair that is not here cannot happen; meeting one is a bug of ours."""
