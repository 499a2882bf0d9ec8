"""What is counted over all sessions of this node when somebody asks for metrics: a pass over them, nothing kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from hereabouts.engine.policy import PolicyBook
from hereabouts.engine.session import Session
from hereabouts.telemetry import Reading

PLATFORMS: Final = frozenset({"web", "mobile", "desktop", "ios", "android", "server"})
"""These, and those that a policy names, are told apart; a client may say anything."""


def tally(sessions: Iterable[Session], policies: PolicyBook) -> dict[str, Reading]:
    """By the names of `telemetry.MEASURES`: sessions by platform, and how many beats a second are due."""
    named = PLATFORMS | {layer.name for layer in policies.layers if layer.kind == "platform"}
    platforms: Counter[str] = Counter()
    expected = 0.0
    for session in sessions:
        platform = session.platform
        platforms["none" if platform is None else platform if platform in named else "other"] += 1
        if session.phase == "live":
            expected += _beats_per_second(session)
    return {"platform_sessions": platforms, "expected_beats_per_second": expected}


def _beats_per_second(session: Session) -> float:
    policy = session.policy
    seconds = policy.beat_visible_seconds if session.visible else policy.beat_hidden_seconds
    return 1 / seconds if seconds else 0.0
