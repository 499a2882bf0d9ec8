"""The rows that wait: in order, bounded, merged a user, and the same ones until they are through."""

from __future__ import annotations

from hereabouts.journal.base import Declared, LastSeen, Transition
from hereabouts.journal.outbox import OutboxRow
from hereabouts.journal.queue import RowQueue


def seen(user_id: str, at: int) -> LastSeen:
    return LastSeen("default", user_id, at, None, at, None)


def turned(at: int, user_id: str = "ada") -> Transition:
    return Transition("default", user_id, "offline", "online", None, at)


def test_rows_come_out_in_the_order_of_their_places() -> None:
    queue = RowQueue(10)
    for row in (turned(1), seen("ada", 1), turned(2), seen("ada", 3), seen("bob", 2)):
        assert queue.add(row)
    assert len(queue) == queue.taken == 4
    assert queue.batch(3) == [turned(1), seen("ada", 3), turned(2)]
    assert queue.batch(3) == queue.batch(1), "a batch stays until it is through"
    assert len(queue) == 4
    queue.finish()
    assert (len(queue), queue.done) == (1, 3)
    assert queue.batch(3) == [seen("bob", 2)]


def test_a_row_that_comes_while_its_user_is_being_written_waits_on_its_own() -> None:
    queue = RowQueue(10)
    queue.add(seen("ada", 5))
    queue.batch(10)
    queue.add(seen("ada", 3))
    assert queue.last_seen("default", "ada", None) == LastSeen("default", "ada", 5, None, 3, None)
    queue.finish()
    assert queue.last_seen("default", "ada", seen("ada", 5)) == LastSeen("default", "ada", 5, None, 3, None)
    assert queue.batch(10) == [seen("ada", 3)]


def test_a_full_queue_takes_only_what_needs_no_place() -> None:
    queue = RowQueue(2)
    assert queue.add(seen("ada", 1))
    assert queue.add(turned(1))
    assert not queue.add(turned(2))
    assert not queue.add(seen("bob", 2))
    assert queue.add(seen("ada", 2))
    queue.batch(1)
    assert not queue.add(seen("ada", 3)), "what is being written takes its place until it is through"
    queue.finish()
    assert queue.add(seen("ada", 3))


def test_what_was_declared_last_wins() -> None:
    queue = RowQueue(10)
    first, second = (Declared("default", "ada", "busy", text, None, None, 5) for text in ("a", "b"))
    queue.add(first)
    queue.batch(1)
    queue.add(second)
    assert queue.declared("default", "ada") == second
    assert queue.declared("default", "bob") is None


def test_a_users_transitions_are_found_oldest_first() -> None:
    queue = RowQueue(10)
    for row in (turned(1), turned(2, "bob"), turned(3)):
        queue.add(row)
    queue.batch(1)
    assert queue.transitions("default", "ada") == [turned(1), turned(3)]


def test_a_row_for_other_servers_is_in_the_batch_of_the_row_before_it() -> None:
    queue = RowQueue(10)
    change = Transition("default", "ada", "offline", "online", None, 1)
    word = OutboxRow("default", "user", "", "ada", "online", None, 1)
    for row in (change, word, change, word):
        queue.add(row)
    assert queue.batch(1) == [change, word]
    queue.finish()
    assert queue.batch(3) == [change, word]


def test_many_rows_for_other_servers_are_no_batch_without_end() -> None:
    queue = RowQueue(10)
    words = [OutboxRow("default", "user", "", f"u{number}", "online", None, 1) for number in range(5)]
    queue.add(turned(1))
    for word in words:
        queue.add(word)
    assert queue.batch(1) == [turned(1), words[0]]
    queue.finish()
    assert queue.batch(3) == words[1:4]
