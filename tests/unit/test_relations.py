"""What must hold between clocks, and the ghost bound that follows from them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from hereabouts.engine.policy import NodeClocks, Policy, PolicyBook
from hereabouts.engine.relations import check, ghost_bound, require_sound, slack_seconds
from hereabouts.errors import ConfigError


def broken(node: NodeClocks | None = None, **changes: Any) -> list[str]:
    return [problem.text for problem in check(structs.replace(Policy(), **changes), node or NodeClocks())]


def test_both_shipped_columns_hold() -> None:
    assert broken() == []
    book = PolicyBook({"default": {"preset": "test"}})
    assert check(book.resolve(), book.node) == []


@pytest.mark.parametrize(
    ("changes", "numbers"),
    [
        ({"lease_visible_seconds": 44.9}, ("44.9", "45", "20")),
        ({"lease_hidden_seconds": 124}, ("124", "125", "60")),
        ({"lease_hidden_seconds": 59, "beat_hidden_seconds": None}, ("59", "60")),
        ({"typing_lease_seconds": 5}, ("5", "6")),
        ({"grace_seconds": 61}, ("60", "61")),
        ({"stale_after_seconds": 4_000}, ("3600", "4000")),
        ({"idle_after_seconds": 4_000}, ("3600", "4000")),
    ],
)
def test_a_broken_relation_is_told_with_both_numbers(changes: dict[str, Any], numbers: tuple[str, ...]) -> None:
    (text,) = broken(**changes)
    assert all(number in text for number in numbers), text


def test_the_node_s_lease_is_within_the_shortest_lease_and_grace() -> None:
    assert broken(NodeClocks(lease_seconds=70)) == []
    (text,) = broken(NodeClocks(lease_seconds=71))
    assert "70" in text and "71" in text


def test_the_slack_is_five_seconds_or_a_tenth_of_a_short_lease() -> None:
    assert [slack_seconds(lease) for lease in (60, 10, 5, 3)] == [5, 5, 0.5, 0.3]


def test_who_pauses_while_hidden_needs_no_two_beats_in_the_lease() -> None:
    assert broken(beat_hidden_seconds=None, lease_hidden_seconds=60) == []


def test_an_unsafe_relation_may_be_allowed_and_an_impossible_value_may_not() -> None:
    unsafe = check(structs.replace(Policy(), typing_lease_seconds=5), NodeClocks())
    impossible = check(structs.replace(Policy(), grace_seconds=-1), NodeClocks())
    assert [problem.is_unsafe for problem in unsafe] == [True]
    assert [problem.is_unsafe for problem in impossible] == [False]


@pytest.mark.parametrize(
    "field",
    [
        "beat_visible_seconds", "beat_hidden_seconds", "lease_visible_seconds", "lease_hidden_seconds",
        "idle_after_seconds", "stale_after_seconds", "typing_refresh_seconds", "typing_lease_seconds",
        "occupancy_release_after_seconds", "fanout_window_seconds", "fanout_window_max_seconds", "fanout_budget",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_no_clock_may_stand_still_run_back_or_be_no_number(field: str, value: float) -> None:
    problems = check(structs.replace(Policy(), **{field: value}), NodeClocks())
    assert any(not problem.is_unsafe for problem in problems)


@pytest.mark.parametrize("node", [NodeClocks(sweep_seconds=0), NodeClocks(lease_seconds=float("nan"))])
def test_the_node_s_clocks_neither(node: NodeClocks) -> None:
    assert any(not problem.is_unsafe for problem in check(Policy(), node))


def test_there_may_be_no_grace_at_all_but_no_endless_one() -> None:
    assert broken(grace_seconds=0) == []
    assert any("grace_seconds" in text for text in broken(grace_seconds=float("nan")))


def test_the_longest_window_is_no_shorter_than_the_shortest() -> None:
    (text,) = broken(fanout_window_seconds=0.6)
    assert "0.5" in text and "0.6" in text


def test_the_ghost_bound_of_the_production_column() -> None:
    bound = ghost_bound(Policy(), NodeClocks(), 0.05)
    assert bound.silent_visible == pytest.approx(60 + 10 + 1 + 0.05 + 0.25)
    assert bound.silent_hidden == pytest.approx(150 + 10 + 1 + 0.05 + 0.25)
    assert bound.silent_earliest == 70
    assert bound.closed == pytest.approx(10 + 1 + 0.05 + 0.25)
    assert bound.leave == pytest.approx(0.05 + 0.25)
    assert bound.dead_node_earliest == pytest.approx(15 - 15 / 4 + 10)
    assert bound.dead_node_latest == pytest.approx(15 + 10 + 1 + 0.05 + 0.25)


def test_another_node_publishes_half_a_second_later() -> None:
    here, there = (ghost_bound(Policy(), NodeClocks(), 0.05, same_node=same) for same in (True, False))
    assert there.leave - here.leave == pytest.approx(0.5)


def test_a_book_is_sound_only_if_every_combination_is() -> None:
    roles = {"agent": {"lease.visible_seconds": 50}}
    platforms = {"app": {"beat.visible_seconds": 27}}
    require_sound(PolicyBook({"roles": roles}))
    require_sound(PolicyBook({"platforms": platforms}))
    with pytest.raises(ConfigError, match=r"policy role agent platform app: .*50.*27"):
        require_sound(PolicyBook({"roles": roles}, {"platforms": platforms}))


def test_an_unsafe_book_is_sound_where_it_says_so() -> None:
    unsafe = {"default": {"lease.visible_seconds": 30}}
    with pytest.raises(ConfigError, match="allow_unsafe = true accepts it"):
        require_sound(PolicyBook(unsafe))
    require_sound(PolicyBook({"default": {**unsafe["default"], "allow_unsafe": True}}))
