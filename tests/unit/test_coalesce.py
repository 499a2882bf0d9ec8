"""Windows, and the log from which net changes are read."""

from __future__ import annotations

import pytest
from msgspec import structs

from hereabouts.engine.policy import Policy
from hereabouts.fanout.coalesce import LOG_STEPS, ChangeLog, Step, window_seconds

POLICY = Policy()  # 50 ms to 500 ms, 20,000 deliveries a second


@pytest.mark.parametrize(
    ("viewers", "churn", "seconds"),
    [(0, 0, 0.05), (1, 1, 0.05), (1_000, 0, 0.05), (2_000, 1, 0.1), (2_000, 2, 0.2), (100, 50, 0.25), (50_000, 1, 0.5)],
)
def test_a_window_grows_with_what_a_frame_costs_within_its_bounds(viewers: int, churn: int, seconds: float) -> None:
    assert window_seconds(POLICY, viewers, churn) == pytest.approx(seconds)


def test_the_bounds_are_policy_s() -> None:
    policy = structs.replace(POLICY, fanout_window_seconds=1.0, fanout_window_max_seconds=2.0)
    assert [window_seconds(policy, viewers, 1) for viewers in (1, 30_000, 10**6)] == [1.0, 1.5, 2.0]


def log(*steps: tuple[int, str, bool, str | None]) -> ChangeLog:
    made = ChangeLog()
    for step in steps:
        made.note(Step(*step))
    return made


def test_each_user_s_first_step_says_whether_it_was_shown_and_the_last_why_it_went() -> None:
    made = log((1, "ada", True, None), (2, "bob", False, None), (3, "ada", False, None), (4, "ada", True, "closed"))
    since = made.since(0)
    assert (since["ada"].was_shown, since["ada"].cause) == (True, "closed")
    assert (since["bob"].was_shown, since["bob"].cause) == (False, None)


def test_only_what_came_after_the_position_counts() -> None:
    made = log((1, "ada", False, None), (2, "ada", True, "closed"), (3, "ada", False, None))
    assert made.since(1)["ada"].was_shown
    assert not made.since(2)["ada"].was_shown
    assert made.since(3) == {}


def test_a_log_that_was_never_written_covers_everything_and_says_nothing() -> None:
    made = ChangeLog(5)
    assert (made.covers(5), made.covers(4), made.since(5)) == (True, False, {})


def test_what_was_forgotten_is_not_covered() -> None:
    made = ChangeLog()
    for seq in range(1, LOG_STEPS + 11):
        made.note(Step(seq, f"u{seq}", False, None))
    assert not made.covers(9)
    assert made.covers(10)
    assert len(made.since(10)) == LOG_STEPS


def test_a_position_of_which_only_a_part_is_remembered_is_not_covered() -> None:
    made = ChangeLog()
    for number in range(LOG_STEPS + 1):
        made.note(Step(1 if number < 2 else 2, f"u{number}", False, None))
    assert not made.covers(0)
    assert made.covers(1)


def test_clearing_begins_anew_at_a_position() -> None:
    made = log((1, "ada", False, None))
    made.clear(7)
    assert (made.covers(6), made.covers(7), made.since(7)) == (False, True, {})
