"""Holdings out of happenings, against a table of who holds what at each moment."""

from __future__ import annotations

from random import Random

import pytest

from hereabouts.engine.attendance import Span
from hereabouts.engine.occupancy import Ask, Giving, Granted, Holding, Terms, occupy, release
from hereabouts.engine.tenures import Tenure, Turn, tenures


def test_a_move_and_a_take_over_end_what_was_held() -> None:
    turns = [
        Turn(10, "occupied", "desk:1", "ada", None, None),
        Turn(20, "moved", "desk:2", "ada", "desk:1", None),
        Turn(30, "occupied", "desk:2", "bob", None, "ada"),
        Turn(40, "released", "desk:2", "bob", None, None),
        Turn(50, "released", "desk:3", "eve", None, None),
    ]
    assert list(tenures(turns, 5)) == [
        Tenure("ada", "desk:1", Span(10, 20, 20)),
        Tenure("ada", "desk:2", Span(20, 30, 30)),
        Tenure("bob", "desk:2", Span(30, 40, 40)),
        Tenure("eve", "desk:3", Span(5, 50, 50)),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_tenures_are_what_the_decisions_made_of_the_holdings(seed: int) -> None:
    chance, held, turns = Random(seed), list[Holding](), list[Turn]()
    seen: dict[int, set[tuple[str, str]]] = {}
    for at in range(100):
        user, resource = chance.choice("abc"), f"desk:{chance.randrange(3)}"
        if chance.random() < 0.7:
            ask = Ask("t", resource, user, may_take_over=chance.random() < 0.5)
            granted = occupy(_of(held, resource=resource), _of(held, user_id=user), ask, Terms(), at, at)
            happenings = granted.happenings if isinstance(granted, Granted) else ()
        else:
            own = [holding for holding in held if (holding.user_id, holding.resource) == (user, resource)]
            happenings = release(own, Giving("t", resource, user)).happenings if own else ()  # type: ignore[union-attr]
        for happening in happenings:
            gone = [happening.came_from, happening.loser]
            held = [one for one in held if one not in gone and one != happening.holding]
            if happening.kind != "released":
                held.append(happening.holding)
            left, loser = happening.came_from, happening.loser
            turns.append(
                Turn(
                    at,
                    happening.kind,
                    happening.holding.resource,
                    happening.holding.user_id,
                    left.resource if left is not None else None,
                    loser.user_id if loser is not None else None,
                )
            )
        seen[at] = {(holding.user_id, holding.resource) for holding in held}
    still = [Tenure(one.user_id, one.resource, Span(one.since_at, 100, 100)) for one in held]
    found = [*tenures(turns, 0), *still]
    for at, holders in seen.items():
        assert {(t.user_id, t.resource) for t in found if t.span.start_at <= at < t.span.end_at} == holders, at


def _of(held: list[Holding], **wanted: str) -> list[Holding]:
    return [one for one in held if all(getattr(one, name) == value for name, value in wanted.items())]
