"""What is held of a kind, found both ways."""

from __future__ import annotations

from hereabouts.engine.holdings import Held
from hereabouts.engine.occupancy import Happening, Holding


def holding(user_id: str, resource: str, fencing: int = 1) -> Holding:
    return Holding("acme", resource, user_id, 1, fencing, 1)


def test_it_is_found_by_resource_and_by_user() -> None:
    held = Held()
    held.put(holding("ada", "account:1"))
    held.put(holding("bob", "account:1"))
    assert {found.user_id for found in held.of_resource("account:1")} == {"ada", "bob"}
    assert held.of_user("ada") == (holding("ada", "account:1"),)
    assert "account:1" in held
    assert len(held) == len(list(held)) == 2


def test_a_move_leaves_nothing_behind() -> None:
    held, before, after = Held(), holding("ada", "account:1"), holding("ada", "account:2", 2)
    held.apply((Happening("occupied", before),))
    held.apply((Happening("moved", after, came_from=before),))
    assert list(held) == [after]
    assert "account:1" not in held


def test_a_take_over_and_a_release() -> None:
    held, ada, bob = Held(), holding("ada", "account:1"), holding("bob", "account:1", 2)
    held.apply((Happening("occupied", ada),))
    held.apply((Happening("occupied", bob, loser=ada, cause="taken_over"),))
    assert held.find("account:1", "ada") is None
    assert list(held) == [bob]
    held.apply((Happening("released", bob),))
    assert len(held) == 0
    assert held.of_resource("account:1") == held.of_user("bob") == ()
