"""What happened to a kind, told again from its rows: the picture comes out the same, and the story too."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from hereabouts.engine.holdings import Held
from hereabouts.engine.occupancy import Ask, Giving, Granted, Happening, Holding, Terms
from hereabouts.journal.occupancies import MemoryOccupancies, Step
from hereabouts.journal.steps import difference, follow, is_whole

T, AT = "default", 1_800_000_000_000

USERS, DESKS = ("ada", "bob", "eve"), ("desk:1", "desk:2")

acts = st.lists(st.tuples(st.sampled_from(("take", "ask", "give")), st.sampled_from(USERS), st.sampled_from(DESKS)))


async def _act(kept: MemoryOccupancies, act: tuple[str, str, str], capacity: int) -> tuple[Happening, ...]:
    how, user_id, desk = act
    if how == "give":
        decision = await kept.release(Giving(T, desk, user_id), AT)
    else:
        ask = Ask(T, desk, user_id, may_take_over=how == "take")
        decision = await kept.occupy(ask, Terms(capacity), AT)  # type: ignore[assignment]
    return getattr(decision, "happenings", ())


def told(held: Held, steps: list[Step]) -> list[Happening]:
    found = []
    for happening in follow(held, steps):
        held.apply((happening,))
        found.append(happening)
    return found


def story(happenings: list[Happening]) -> list[tuple[object, ...]]:
    return [
        (
            h.kind,
            h.holding.user_id,
            h.holding.fencing,
            *(p.fencing if p else None for p in (h.came_from, h.loser)),
            h.cause,
        )
        for h in happenings
    ]


@given(acts, st.integers(0, 30), st.sampled_from((1, 2)))
def test_who_hears_of_it_later_has_the_same_picture_and_the_same_story(
    history: list[tuple[str, str, str]], heard: int, capacity: int
) -> None:
    async def run() -> None:
        kept, held, all_told, decided = MemoryOccupancies(), Held(), [], list[Happening]()
        for number, act in enumerate(history):
            decided += await _act(kept, act, capacity)
            if number == heard:
                all_told = told(held, await kept.steps(T, "desk", 0))
        all_told += told(held, await kept.steps(T, "desk", len(all_told)))
        assert story(all_told) == story(decided)
        assert {(h.resource, h.user_id, h.fencing) for h in held} == {
            (h.resource, h.user_id, h.fencing) for standing in await kept.standing() for h in standing.holdings
        }

    asyncio.run(run())


def holding(user_id: str, resource: str, fencing: int) -> Holding:
    return Holding(T, resource, user_id, AT, fencing, AT)


async def test_what_an_erasure_took_is_over() -> None:
    kept, held = MemoryOccupancies(), Held()
    assert isinstance(await kept.occupy(Ask(T, "desk:1", "ada"), Terms(), AT), Granted)
    (step,) = await kept.steps(T, "desk", 0)
    happened = told(held, [Step(step.row, None)])
    assert [(h.kind, h.cause) for h in happened] == [("occupied", None), ("released", "cleared")]
    assert len(held) == 0


async def test_the_end_of_an_erased_user_s_grant_is_known_by_its_number() -> None:
    kept, held = MemoryOccupancies(), Held()
    held.put(holding("ada-as-she-was-called", "desk:1", 1))
    await kept.occupy(Ask(T, "desk:1", "alias"), Terms(), AT)
    await kept.release(Giving(T, "desk:1", "alias", "cleared"), AT)
    told(held, await kept.steps(T, "desk", 1))
    assert len(held) == 0


def test_the_difference_makes_what_stands() -> None:
    held = Held()
    kept, old, gone = holding("ada", "desk:1", 1), holding("bob", "desk:2", 2), holding("eve", "desk:3", 3)
    for one in (kept, old, gone):
        held.put(one)
    new, came = holding("bob", "desk:2", 5), holding("dan", "desk:3", 4)
    stands = [kept, new, came]
    for happening in difference(held, stands):
        held.apply((happening,))
    assert set(held) == set(stands)
    assert list(difference(held, stands)) == []


async def test_steps_are_whole_from_where_one_is_to_their_end() -> None:
    kept = MemoryOccupancies()
    for number in range(3):
        await kept.occupy(Ask(T, f"desk:{number}", "ada"), Terms(), AT)
    steps = await kept.steps(T, "desk", 1)
    assert is_whole(steps, 1, limit=3)
    assert is_whole([], 3, limit=3)
    assert not is_whole(steps, 0, limit=3)
    assert not is_whole(steps, 1, limit=2)
