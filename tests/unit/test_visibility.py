"""What a viewer may see of somebody: views by role, and what each of them leaves out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from hereabouts.engine.policy import Policy, PolicyBook
from hereabouts.engine.roster import MemberFold
from hereabouts.engine.status import OFFLINE, Outcome
from hereabouts.engine.visibility import coarse, project_member, project_user, shows_typing, view_for
from hereabouts.protocol.codes import View

DAY = 86_400_000
POLICY = Policy()
ADA = MemberFold(
    user_id="ada",
    name="Ada",
    info=Raw(b'{"team":"x"}'),
    status="busy",
    text="deep work",
    joined_at=100,
    last_active_at=200,
    sessions=2,
    state={"cursor": Raw(b"[1,2]")},
)
HERE = Outcome("busy", "busy", "deep work", "🎧", last_seen_at=300, last_active_at=200, sessions=2)
HIDDEN = Outcome("offline", "invisible", last_seen_at=7, last_active_at=3, sessions=2)


def told(shown: object) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(shown))
    return found


# Which view


def test_as_shipped_rooms_are_full_users_have_a_status_and_holdings_exist() -> None:
    assert [view_for(POLICY, surface, None) for surface in ("rooms", "users", "occupancy")] == [
        "full", "status", "existence",
    ]  # fmt: skip
    assert {view_for(POLICY, surface, "admin") for surface in ("rooms", "users", "occupancy")} == {"full"}


def test_views_replaces_what_is_shipped_on_every_surface() -> None:
    policy = Policy(views={"agent": "full"})
    assert view_for(policy, "rooms", "agent") == "full"
    assert view_for(policy, "rooms", None) == "none"
    assert view_for(policy, "users", "admin") == "none"


def test_the_views_of_a_surface_go_before_views() -> None:
    policy = Policy(views={"default": "status"}, views_users={"default": "none"})
    assert (view_for(policy, "rooms", None), view_for(policy, "users", None)) == ("status", "none")


def test_the_role_s_own_entry_goes_before_all_else_even_if_narrower() -> None:
    policy = Policy(views={"guest": "existence", "@member": "full", "default": "status"})
    assert view_for(policy, "rooms", "guest", is_member=True) == "existence"


def test_without_an_own_entry_the_widest_that_matches_counts() -> None:
    policy = Policy(views={"@member": "status", "@related": "full", "default": "none"})
    assert view_for(policy, "rooms", "x", is_member=True) == "status"
    assert view_for(policy, "rooms", "x", is_member=True, is_related=True) == "full"
    assert view_for(policy, "rooms", "x") == "none"


def test_in_a_chat_members_see_each_other_there_and_who_is_related_sees_the_card() -> None:
    policy = PolicyBook({"default": {"preset": "chat"}}).resolve()
    assert [view_for(policy, "rooms", None, is_member=is_member) for is_member in (True, False)] == ["status", "none"]
    assert [view_for(policy, "users", None, is_related=is_related) for is_related in (True, False)] == [
        "status",
        "none",
    ]


@pytest.mark.parametrize("role", ["@member", "@related", "default"])
def test_nobody_is_a_member_by_the_name_of_the_role(role: str) -> None:
    policy = Policy(views={"@member": "full", "@related": "full", "default": "none"})
    assert view_for(policy, "rooms", role) == "none"


# Members


def test_full_has_everything() -> None:
    assert told(project_member(ADA, "full", is_typing=True)) == {
        "user_id": "ada", "name": "Ada", "info": {"team": "x"}, "status": "busy", "text": "deep work",
        "joined_at": 100, "last_active_at": 200, "sessions": 2, "state": {"cursor": [1, 2]}, "typing": True,
    }  # fmt: skip


def test_status_leaves_who_and_how_in_rooms() -> None:
    assert told(project_member(ADA, "status", is_typing=True)) == {"user_id": "ada", "status": "busy", "name": "Ada"}


@pytest.mark.parametrize("view", ["existence", "none"])
def test_the_narrower_views_leave_no_member_at_all(view: View) -> None:
    assert project_member(ADA, view) is None


@pytest.mark.parametrize("view", ["full", "status", "existence", "none"])
def test_the_own_entry_is_full_and_says_so_in_every_view(view: View) -> None:
    own = told(project_member(ADA, view, is_self=True))
    assert (own["self"], own["state"], own["sessions"]) == (True, {"cursor": [1, 2]}, 2)


def test_only_the_wider_views_hear_who_types() -> None:
    views: tuple[View, ...] = ("full", "status", "existence", "none")
    assert [shows_typing(view) for view in views] == [True, True, False, False]


# Users


def test_a_card_in_full() -> None:
    assert told(project_user("ada", HERE, "full", POLICY, 1_000)) == {
        "user_id": "ada", "status": "busy", "text": "deep work", "emoji": "🎧",
        "last_seen_at": 300, "last_active_at": 200, "sessions": 2,
    }  # fmt: skip


def test_a_card_by_status_has_no_sessions_and_no_time_of_input() -> None:
    assert told(project_user("ada", HERE, "status", POLICY, 1_000)) == {
        "user_id": "ada", "status": "busy", "text": "deep work", "emoji": "🎧", "last_seen_at": 300,
    }  # fmt: skip


@pytest.mark.parametrize("view", ["existence", "none"])
def test_who_may_see_nothing_gets_offline_without_times(view: View) -> None:
    assert told(project_user("ada", HERE, view, POLICY, 1_000)) == {"user_id": "ada", "status": "offline"}


@pytest.mark.parametrize("view", ["full", "status"])
def test_a_time_of_the_view_is_always_there(view: View) -> None:
    assert told(project_user("ada", OFFLINE, view, POLICY, 1_000))["last_seen_at"] is None


@pytest.mark.parametrize("view", ["full", "status", "existence", "none"])
def test_invisible_is_the_same_answer_as_offline(view: View) -> None:
    offline = Outcome("offline", last_seen_at=7, last_active_at=3)
    assert project_user("ada", HIDDEN, view, POLICY, 1_000) == project_user("ada", offline, view, POLICY, 1_000)


def test_one_s_own_card_says_what_was_declared_and_counts_every_session() -> None:
    own = told(project_user("ada", HIDDEN, "none", POLICY, 1_000, is_self=True))
    assert (own["status"], own["declared"], own["sessions"], own["self"]) == ("offline", "invisible", 2, True)


@pytest.mark.parametrize(
    ("precision", "shown"),
    [("exact", 5 * DAY + 3_723_004), ("minute", 5 * DAY + 3_720_000), ("hour", 5 * DAY + 3_600_000), ("day", 5 * DAY)],
)
def test_last_seen_is_told_as_coarse_as_policy_says(precision: str, shown: int) -> None:
    assert coarse(5 * DAY + 3_723_004, precision, 6 * DAY) == shown
    assert coarse(None, precision, 6 * DAY) is None


def test_recently_tells_only_whether_it_was_within_three_days() -> None:
    at = 10 * DAY + 5
    assert {coarse(at - age, "recently", at) for age in (0, DAY, 3 * DAY - 1)} == {7 * DAY}
    assert coarse(at - 3 * DAY, "recently", at) is None
