"""Rows of a batch in heaps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hereabouts.journal.base import Row, SessionClosed, SessionOpened
from hereabouts.journal.heaps import heaps
from hereabouts.testing.journal_contract import AT, T, opened, seen, turned


def closed(session_id: str) -> SessionClosed:
    return SessionClosed(T, session_id, AT, "leave", AT)


def test_a_usual_batch_is_a_heap_of_each_kind_in_the_order_of_keys() -> None:
    rows: list[Row] = [
        opened("s2", "bob", AT), turned("bob", "offline", "online", AT), seen("bob", AT),
        opened("s1", "ada", AT), turned("ada", "offline", "online", AT), seen("ada", AT), closed("s2"), closed("s0"),
    ]  # fmt: skip
    told = [(kind.__name__, [getattr(row, "session_id", row.tenant) for row in heap]) for kind, heap in heaps(rows)]
    assert told == [
        ("SessionOpened", ["s1", "s2"]),
        ("SessionClosed", ["s0", "s2"]),
        ("Transition", [T, T]),
        ("LastSeen", [T, T]),
    ]


def test_changes_of_one_user_keep_their_order() -> None:
    changes: list[Row] = [
        turned("bob", "offline", "online", AT), turned("ada", "offline", "online", AT),
        turned("bob", "online", "idle", AT), turned("bob", "idle", "away", AT),
    ]  # fmt: skip
    ((_, heap),) = heaps(changes)
    assert heap == [changes[1], changes[0], *changes[2:]]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30))
def test_begins_and_ends_of_a_session_keep_their_order(said: list[tuple[str, bool]]) -> None:
    rows: list[Row] = [opened(name, "ada", AT) if is_begin else closed(name) for name, is_begin in said]
    put = [(kind, row) for kind, heap in heaps(rows) for row in heap]
    assert all(type(row) is kind for kind, row in put)
    for name in "abc":
        want = [row for row, (other, _) in zip(rows, said, strict=True) if other == name]
        assert [
            row for _, row in put if isinstance(row, SessionOpened | SessionClosed) and row.session_id == name
        ] == want
