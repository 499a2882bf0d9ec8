"""What is counted over all sessions when metrics are asked for."""

from __future__ import annotations

import pytest

from hereabouts.engine.policy import Policy, PolicyBook
from hereabouts.runtime.tally import tally
from hereabouts.testing.life import Life

BOOK = PolicyBook({"platforms": {"kiosk": {"grace_seconds": 5}}})


def test_hidden_sessions_are_expected_to_beat_less() -> None:
    policy = Policy(beat_visible_seconds=20, beat_hidden_seconds=60)
    shown, hidden, lost = Life(policy), Life(policy, visible=False), Life(policy)
    paused = Life(Policy(beat_hidden_seconds=None), visible=False)
    lost.after(61)
    counted = tally([life.session for life in (shown, hidden, lost, paused)], BOOK)
    assert counted["expected_beats_per_second"] == pytest.approx(1 / 20 + 1 / 60)


def test_a_platform_that_a_client_makes_up_is_no_label() -> None:
    told = ("web", "web", "kiosk", "x" * 200, None)
    counted = tally([Life(platform=platform).session for platform in told], BOOK)
    assert counted["platform_sessions"] == {"web": 2, "kiosk": 1, "other": 1, "none": 1}
