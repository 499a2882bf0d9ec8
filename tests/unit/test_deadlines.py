"""The wheel: never early, late by at most a slot, cheap to move."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hereabouts.engine.deadlines import Deadlines


class Item:
    def __init__(self, due: float | None) -> None:
        self.due = due
        self.filed_slot = -1

    def due_at(self) -> float | None:
        return self.due


def test_nothing_is_given_early_and_everything_within_a_slot() -> None:
    wheel: Deadlines[Item] = Deadlines(0.0, 0.1)
    item = Item(1.0)
    wheel.file(item)
    assert wheel.due(0.99) == []
    assert wheel.due(1.1) == [item]
    assert wheel.due(5.0) == []


def test_a_deadline_that_moved_later_is_found_at_its_new_time() -> None:
    wheel: Deadlines[Item] = Deadlines(0.0, 0.1)
    item = Item(1.0)
    wheel.file(item)
    item.due = 3.0
    assert wheel.due(1.5) == []
    assert wheel.due(3.2) == [item]


def test_a_deadline_that_moved_by_less_than_a_slot_is_not_early() -> None:
    wheel: Deadlines[Item] = Deadlines(0.0, 0.1)
    item = Item(1.0)
    wheel.file(item)
    item.due = 1.09
    assert wheel.due(1.05) == []
    assert wheel.due(1.25) == [item]


def test_a_deadline_that_moved_earlier_is_found_once_it_is_filed_again() -> None:
    wheel: Deadlines[Item] = Deadlines(0.0, 0.1)
    item = Item(3.0)
    wheel.file(item)
    item.due = 1.0
    wheel.file(item)
    assert wheel.due(1.2) == [item]
    item.due = None
    assert wheel.due(4.0) == []


def test_an_item_without_a_deadline_is_forgotten() -> None:
    wheel: Deadlines[Item] = Deadlines(0.0, 0.1)
    item = Item(1.0)
    wheel.file(item)
    item.due = None
    assert wheel.due(2.0) == []


def test_many_at_once_are_given_in_portions() -> None:
    wheel: Deadlines[Item] = Deadlines(0.0, 0.1)
    items = [Item(1.0) for _ in range(2_500)]
    for item in items:
        wheel.file(item)
    portions = [len(wheel.due(2.0, 1_000)) for _ in range(4)]
    assert portions == [1_000, 1_000, 500, 0]


def test_a_long_pause_misses_nobody() -> None:
    wheel: Deadlines[Item] = Deadlines(0.0, 0.1)
    items = [Item(float(n)) for n in range(100)]
    for item in items:
        wheel.file(item)
    assert set(wheel.due(1e6)) == set(items)


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 50)), max_size=60), st.floats(0.01, 2))
def test_against_a_plain_list(moves: list[tuple[int, float]], slot: float) -> None:
    wheel: Deadlines[Item] = Deadlines(0.0, slot)
    items = [Item(None) for _ in range(10)]
    now = 0.0
    for index, ahead in moves:
        now += ahead / 10
        for given_ in wheel.due(now):
            assert given_.due is not None and given_.due <= now
            given_.due = None
        for item in items:
            assert item.due is None or item.due > now - 2 * slot - 1e-6
        items[index].due = now + ahead
        wheel.file(items[index])
    found = set(wheel.due(now + 1_000))
    assert found == {item for item in items if item.due is not None}
