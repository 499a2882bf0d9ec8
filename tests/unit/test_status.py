"""The merge rule: what sessions and a declaration come to."""

from __future__ import annotations

from itertools import permutations

import pytest

from hereabouts.engine.records import Declaration, Owner, Presence, Records, Remove
from hereabouts.engine.status import OFFLINE, Outcome, depart, fold, follow
from hereabouts.protocol.codes import Declared

OWNER = Owner("n", 1)


def tab(
    name: str, *, visible: bool = True, active: bool = True, seen_at: int = 10, active_at: int | None = 5
) -> Presence:
    return Presence(name, "ada", 1, OWNER, 0, visible, active, active_at, seen_at)


def declares(status: Declared, **more: object) -> Declaration:
    return Declaration("a", "ada", 1, OWNER, status, 1, **more)  # type: ignore[arg-type]


def test_nobody_is_offline() -> None:
    assert fold([]) == OFFLINE


@pytest.mark.parametrize(
    ("tabs", "status"),
    [
        ([tab("a")], "online"),
        ([tab("a", active=False)], "idle"),
        ([tab("a", visible=False)], "away"),
        ([tab("a", visible=False), tab("b", active=False)], "idle"),
        ([tab("a", visible=False, active=False), tab("b")], "online"),
        ([tab("a", visible=False), tab("b", visible=False)], "away"),
    ],
)
def test_the_best_session_decides(tabs: list[Presence], status: str) -> None:
    for order in permutations(tabs):
        assert fold(order).status == status


@pytest.mark.parametrize("declared", ["busy", "dnd", "away"])
def test_a_declared_status_stands_over_attention(declared: Declared) -> None:
    outcome = fold([tab("a"), declares(declared, text="lunch", emoji="🍲")])
    assert (outcome.status, outcome.declared, outcome.text, outcome.emoji) == (declared, declared, "lunch", "🍲")
    assert (outcome.last_seen_at, outcome.last_active_at, outcome.sessions) == (10, 5, 1)


def test_a_declared_status_without_a_session_is_offline_and_says_nothing() -> None:
    outcome = fold([declares("busy", text="lunch")])
    assert (outcome.status, outcome.text, outcome.sessions) == ("offline", None, 0)


def test_available_leaves_the_status_to_attention_and_keeps_the_text() -> None:
    outcome = fold([tab("a", active=False), declares("available", text="from home")])
    assert (outcome.status, outcome.text) == ("idle", "from home")


def test_the_invisible_look_offline_with_times_frozen() -> None:
    outcome = fold([tab("a", seen_at=99), declares("invisible", text="x", public_seen_at=7, public_active_at=3)])
    assert (outcome.status, outcome.text, outcome.last_seen_at, outcome.last_active_at) == ("offline", None, 7, 3)
    assert (outcome.public_sessions, outcome.sessions) == (0, 1)


def test_times_are_the_newest_of_all_sessions() -> None:
    outcome = fold([tab("a", seen_at=10, active_at=None), tab("b", seen_at=8, active_at=2)])
    assert (outcome.last_seen_at, outcome.last_active_at) == (10, 2)


def test_the_last_one_out_leaves_the_last_proof_of_life() -> None:
    removal = Remove("a", "ada", 1, OWNER, "closed", seen_at=42, active_at=40)
    assert depart(fold([tab("a")]), removal) == Outcome("offline", last_seen_at=42, last_active_at=40)


def test_the_invisible_leave_no_newer_time_behind() -> None:
    hidden = fold([tab("a", seen_at=41), declares("invisible", public_seen_at=7)])
    removal = Remove("a", "ada", 1, OWNER, "closed", seen_at=42, active_at=40)
    assert depart(hidden, removal).last_seen_at == 7


def test_a_session_that_went_counts_though_another_is_left() -> None:
    """The phone was heard of last at 20, the desk said bye at 100; then the phone is lost."""
    phone, desk = tab("phone", visible=False, seen_at=20, active_at=3), tab("desk", seen_at=90)
    both = follow(OFFLINE, [phone, desk])
    left = follow(both, [phone], Remove("desk", "ada", 1, OWNER, "leave", seen_at=100, active_at=95))
    assert (left.status, left.last_seen_at, left.last_active_at) == ("away", 100, 95)
    gone = follow(left, [], Remove("phone", "ada", 1, OWNER, "lease_expired", seen_at=40, active_at=3))
    assert gone == Outcome("offline", last_seen_at=100, last_active_at=95)


def test_a_session_of_the_invisible_that_went_tells_no_time() -> None:
    stand: list[Records] = [tab("phone", seen_at=20), declares("invisible", public_seen_at=7, public_active_at=3)]
    left = follow(fold(stand), stand, Remove("desk", "ada", 1, OWNER, "leave", seen_at=100, active_at=95))
    assert (left.last_seen_at, left.last_active_at) == (7, 3)


def test_a_declaration_that_runs_out_takes_no_time_along() -> None:
    stand: list[Records] = [tab("a", seen_at=20)]
    removal = Remove("declaration", "ada", 1, OWNER, "leave")
    assert follow(fold([*stand, declares("dnd")]), stand, removal) == fold(stand)


def test_times_never_go_back_whatever_the_records_say() -> None:
    earlier = Outcome("online", last_seen_at=50, last_active_at=40, sessions=1)
    assert follow(earlier, [tab("a", seen_at=10, active_at=None)]).last_seen_at == 50
