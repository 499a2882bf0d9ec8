"""Who may hold a resource."""

from __future__ import annotations

import pytest

from hereabouts.engine.occupancy import (
    Ask,
    Cooling,
    Ended,
    Giving,
    Granted,
    Happening,
    Holding,
    Lost,
    Refused,
    Terms,
    check_resource,
    kind_of,
    lapses_at,
    may_hold,
    may_take_over,
    occupy,
    release,
    stale_at,
    terms_of,
)
from hereabouts.engine.policy import Policy
from hereabouts.errors import Refusal


def holding(user_id: str = "ada", resource: str = "account:7", since_at: int = 1, fencing: int = 1) -> Holding:
    return Holding("acme", resource, user_id, since_at, fencing, since_at)


def ask(user_id: str = "ada", resource: str = "account:7", *, take_over: bool = False) -> Ask:
    return Ask("acme", resource, user_id, name=user_id.title(), may_take_over=take_over)


def granted(decision: Granted | Refused | Cooling) -> Granted:
    assert isinstance(decision, Granted)
    return decision


def test_what_nobody_holds_is_granted() -> None:
    decision = granted(occupy([], [], ask(), Terms(), fencing=9, at=500))
    assert decision.holding == Holding("acme", "account:7", "ada", 500, 9, 500, name="Ada")
    assert decision.happenings == (Happening("occupied", decision.holding),)
    assert decision.moved_from is None


def test_what_somebody_holds_is_refused_and_the_refusal_names_the_holder() -> None:
    assert occupy([holding("bob")], [], ask(), Terms(), 2, 5) == Refused(holding("bob"))


def test_asking_again_keeps_the_time_and_the_number() -> None:
    standing = holding()
    decision = granted(occupy([standing], [standing], ask(), Terms(), 2, 900))
    assert (decision.holding.since_at, decision.holding.fencing) == (1, 1)
    assert decision.holding.last_active_at == 900
    assert decision.happenings == ()


def test_who_asks_for_another_moves_in_one_step() -> None:
    standing = holding(resource="account:1")
    decision = granted(occupy([], [standing], ask(), Terms(), 2, 900))
    assert [happening.kind for happening in decision.happenings] == ["moved"]
    assert decision.moved_from == "account:1"
    assert decision.happenings[0].came_from == standing


def test_a_refused_move_gives_nothing_up() -> None:
    own = holding(resource="account:1")
    assert isinstance(occupy([holding("bob")], [own], ask(), Terms(), 2, 900), Refused)


def test_a_user_may_hold_several_and_then_moves_from_the_oldest() -> None:
    own = [holding(resource="account:1", since_at=20, fencing=2), holding(resource="account:2", since_at=10, fencing=1)]
    assert granted(occupy([], own, ask(), Terms(per_user=3), 3, 900)).moved_from is None
    assert granted(occupy([], own, ask(), Terms(per_user=2), 3, 900)).moved_from == "account:2"


def test_a_resource_may_have_several_holders() -> None:
    held = [holding(f"user{number}", fencing=number) for number in range(1, 3)]
    assert isinstance(occupy(held, [], ask(), Terms(capacity=3), 3, 900), Granted)
    assert occupy(held, [], ask(), Terms(capacity=2), 3, 900) == Refused(held[0])


def test_a_take_over_is_one_happening() -> None:
    decision = granted(occupy([holding("bob")], [], ask(take_over=True), Terms(), 2, 900))
    (happening,) = decision.happenings
    assert (happening.kind, happening.cause, happening.loser) == ("occupied", "taken_over", holding("bob"))


def test_of_several_holders_the_oldest_gives_way_and_it_is_said_who() -> None:
    held = [holding("bob", fencing=1), holding("cy", fencing=2)]
    first, second = granted(occupy(held, [], ask(take_over=True), Terms(capacity=2), 3, 900)).happenings
    assert (first.kind, first.holding.user_id, first.cause) == ("released", "bob", "taken_over")
    assert (second.kind, second.loser, second.cause) == ("occupied", None, None)


def test_who_takes_over_may_move_there() -> None:
    own = holding(resource="account:1")
    decision = granted(occupy([holding("bob")], [own], ask(take_over=True), Terms(), 2, 900))
    assert [(happening.kind, happening.cause) for happening in decision.happenings] == [("moved", "taken_over")]


def test_taking_over_what_is_free_is_an_ordinary_grant() -> None:
    decision = granted(occupy([], [], ask(take_over=True), Terms(), 2, 900))
    assert decision.happenings[0].cause is None


def test_a_holder_releases() -> None:
    decision = release([holding()], Giving("acme", "account:7", "ada", fencing=1))
    assert decision == Ended(holding(), (Happening("released", holding(), cause="released"),))


def test_an_old_number_releases_nothing() -> None:
    newer = holding(fencing=5)
    assert release([newer], Giving("acme", "account:7", "ada", fencing=4)) == Lost(newer)


def test_who_does_not_hold_it_releases_nothing() -> None:
    assert release([holding("bob")], Giving("acme", "account:7", "ada")) == Lost()


@pytest.mark.parametrize("resource", ["", "account", ":7", "account:"])
def test_a_resource_is_a_kind_and_a_name(resource: str) -> None:
    with pytest.raises(Refusal, match="kind:name"):
        check_resource(resource)


def test_the_name_may_have_colons() -> None:
    check_resource("account:a:b")
    assert kind_of("account:a:b") == "account"


def test_roles_that_take_over() -> None:
    assert may_take_over(Policy(), "admin")
    assert not may_take_over(Policy(), "agent")
    assert not may_take_over(Policy(), None)


def test_times() -> None:
    policy = Policy(occupancy_release_after_seconds=3_600, stale_after_seconds=120)
    assert lapses_at(1_000, policy) == 3_601_000
    assert stale_at(1_000, policy) == 121_000


def test_who_lost_a_resource_waits_for_the_cool_down_and_an_admin_does_not() -> None:
    terms = Terms(cooldown_seconds=10)
    assert occupy([], [], ask(), terms, 2, 14_999, lost_at=5_000) == Cooling(15_000)
    assert isinstance(occupy([], [], ask(), terms, 2, 15_000, lost_at=5_000), Granted)
    assert isinstance(occupy([], [], ask(take_over=True), terms, 2, 5_001, lost_at=5_000), Granted)


def test_a_policy_says_who_may_hold_and_how_many() -> None:
    policy = Policy(occupancy_capacity=3, occupancy_per_user=2, occupancy_hold_roles=("agent",))
    assert terms_of(policy) == Terms(3, 2)
    assert may_hold(Policy(), None)
    assert may_hold(policy, "agent")
    assert not may_hold(policy, None)
