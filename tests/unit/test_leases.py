"""Leases that a new policy makes shorter: they count from the second beat after the session was told."""

from __future__ import annotations

import pytest
from msgspec import structs

from hereabouts.engine.leases import notice
from hereabouts.engine.policy import Policy
from hereabouts.testing.life import POLICY, Life

SHORT = structs.replace(POLICY, lease_visible_seconds=2, lease_hidden_seconds=3)
LONG = structs.replace(POLICY, lease_visible_seconds=90, lease_hidden_seconds=200)


def governed(policy: Policy, *, is_told: bool = True) -> Life:
    life = Life()
    life.join()
    life.session.govern(policy, dict.fromkeys(life.session.rooms, policy.grace_seconds), is_told=is_told)
    return life


def test_a_longer_lease_counts_at_once() -> None:
    assert governed(LONG).session.lease_seconds == 90


@pytest.mark.parametrize(("is_told", "beats"), [(True, 2), (False, 3)])
def test_a_shorter_lease_counts_from_the_second_beat_after_it_was_told(is_told: bool, beats: int) -> None:
    life = governed(SHORT, is_told=is_told)
    for _ in range(beats):
        assert life.session.lease_seconds == POLICY.lease_visible_seconds
        life.beat()
    assert life.session.lease_seconds == 2


def test_a_session_that_was_told_and_says_nothing_is_lost_when_it_would_have_been() -> None:
    life = governed(SHORT)
    assert life.session.lapse_tick == life.now.tick + POLICY.lease_visible_seconds


def test_one_policy_after_another_keeps_the_longest_lease_that_was_told() -> None:
    life = governed(LONG)
    for policy in (POLICY, SHORT):
        life.session.govern(policy, dict.fromkeys(life.session.rooms, 1), is_told=True)
    assert life.session.lease_seconds == 90


def test_a_lease_of_before_that_is_no_longer_leaves_nothing() -> None:
    assert notice(POLICY, LONG, notice(LONG, POLICY, None, is_told=True), is_told=True) is None


def test_nobody_comes_or_goes_and_the_grace_is_the_new_one() -> None:
    life = governed(structs.replace(POLICY, grace_seconds=0.5))
    assert {joined.grace_seconds for joined in life.session.rooms.values()} == {0.5}
    assert life.session.phase == "live"
