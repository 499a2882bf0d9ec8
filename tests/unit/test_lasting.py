"""How long a holding lasts, judged from times alone."""

from __future__ import annotations

import pytest

from hereabouts.engine.lasting import RETRY_MS, Known, Lasting, known_to, newest_of
from hereabouts.engine.occupancy import Holding
from hereabouts.engine.policy import Policy
from hereabouts.engine.session import Session
from hereabouts.testing.life import INVISIBLE, Life

POLICY = Policy(occupancy_release_after_seconds=60, stale_after_seconds=20)
AT = 1_800_000_000_000
"""When the holding was granted."""


def holding(active_at: int = AT, fencing: int = 1) -> Holding:
    return Holding("default", "account:7", "ada", AT, fencing, active_at, ends_with_sessions=True)


def over(times: Lasting, after_seconds: float, *sessions: Session) -> str | None:
    return times.over_because(
        POLICY, AT + int(after_seconds * 1000), has_sessions=any(session.is_published for session in sessions)
    )


def a_session() -> Life:
    """Somebody's session that began when the holding was granted."""
    life = Life()
    life.session.last_seen_at = life.session.last_active_at = AT
    return life


def test_it_lasts_as_long_as_the_last_human_input_says() -> None:
    times, life = Lasting(holding()), a_session()
    assert over(times, 59.999) is None
    life.session.last_active_at = AT + 30_000
    times.recall(known_to(life.session))
    assert over(times, 60) is None
    assert over(times, 89.999) is None
    assert over(times, 90) == "inactivity"


def test_signs_of_life_without_human_input_do_not_keep_it() -> None:
    times, life = Lasting(holding()), a_session()
    life.session.last_seen_at = AT + 59_000
    times.recall(known_to(life.session))
    assert over(times, 60) == "inactivity"


def test_what_is_over_and_goes_on_standing_is_judged_again_after_a_while() -> None:
    times = Lasting(holding())
    assert over(times, 60) == "inactivity"
    assert over(times, 60 + RETRY_MS / 1000 - 0.001) is None
    assert times.due_at(POLICY) <= AT + 60_000 + RETRY_MS
    assert over(times, 60 + RETRY_MS / 1000) == "inactivity"


def test_who_asks_again_begins_anew() -> None:
    times = Lasting(holding())
    over(times, 60)
    times.confirm(holding(AT + 61_000))
    assert over(times, 120.999) is None
    assert over(times, 121) == "inactivity"


@pytest.mark.parametrize("invisible", [False, True])
def test_an_invisible_holder_stands_still_for_others_and_lasts_all_the_same(invisible: bool) -> None:
    times, life = Lasting(holding()), a_session()
    life.session.last_seen_at = life.session.last_active_at = AT + 50_000
    if invisible:
        life.session.outcome = INVISIBLE
    times.recall(known_to(life.session))
    assert (times.told_active_at, times.told_seen_at) == ((AT, AT) if invisible else (AT + 50_000, AT + 50_000))
    assert over(times, 109) is None


def test_a_stale_holder_is_told_of_once_and_again_when_there_is_life() -> None:
    times, life = Lasting(holding()), a_session()
    assert times.due_at(POLICY) == AT + 20_000
    assert not times.judge_stale(POLICY, AT + 19_999)
    assert times.judge_stale(POLICY, AT + 20_000)
    assert times.is_stale
    assert times.due_at(POLICY) == AT + 22_000
    assert not times.judge_stale(POLICY, AT + 22_000)
    life.session.last_seen_at = AT + 23_000
    times.recall(known_to(life.session))
    assert times.judge_stale(POLICY, AT + 24_000)
    assert not times.is_stale


def test_after_a_restart_nothing_is_judged_before_a_lease_and_a_grace() -> None:
    times = Lasting(holding())
    began_at = AT + 100_000
    times.recall(Known(AT + 10_000, None, AT + 5_000))
    times.outlast(POLICY, began_at, began_at - 1_000)
    back_by = 100 + POLICY.lease_visible_seconds + POLICY.grace_seconds
    assert over(times, back_by - 0.001) is None
    assert over(times, back_by) == "node_lost"


def test_who_came_back_after_a_restart_goes_on_holding() -> None:
    times, life = Lasting(holding()), a_session()
    times.outlast(POLICY, AT + 1_000, AT)
    back_by = 1 + POLICY.lease_visible_seconds + POLICY.grace_seconds
    life.session.last_active_at = AT + int(back_by * 1000)
    times.recall(known_to(life.session))
    assert over(times, back_by, life.session) is None
    assert over(times, back_by + 59) is None
    assert over(times, back_by + 60) == "inactivity"


def test_a_changed_policy_is_judged_at_once() -> None:
    times = Lasting(holding())
    over(times, 60)
    times.look_again()
    assert over(times, 60.001) == "inactivity"


def test_what_several_know_is_the_newest_of_each() -> None:
    assert newest_of([]) == newest_of([Known()]) == Known()
    assert newest_of([Known(3, None, 5), Known(2, 7), Known()]) == Known(3, 7, 5)
    times = Lasting(holding())
    times.recall(Known(AT + 9, AT + 8, AT + 7))
    assert times.known == Known(AT + 9, AT + 8, AT + 7)
