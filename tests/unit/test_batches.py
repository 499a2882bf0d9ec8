"""Rows on their way into a database that fails, is slow, or takes them at once. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from hereabouts.errors import JournalUnavailable
from hereabouts.journal.base import LastSeen, Row, Transition
from hereabouts.journal.batches import BATCH_ROWS, Batches
from hereabouts.testing import virtual_time


def turned(at: int) -> Transition:
    return Transition("default", "ada", "offline", "online", None, at)


class Database:
    """Takes batches at so many seconds each, or fails."""

    def __init__(self, queue_rows: int = 10_000) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_broken = False
        self.fault: Exception | None = None
        self.takes_seconds = 0.0
        self.faulty = 0
        self.tries: list[float] = []
        self.written: list[list[Row]] = []
        self.batches = Batches(
            self._write, "the database", flush_seconds=1, wait_seconds=10, queue_rows=queue_rows, wall=self.loop.time
        )
        self.batches.start()

    async def _write(self, rows: Sequence[Row]) -> int:
        with self.batches.noting():
            self.tries.append(self.loop.time())
            await asyncio.sleep(self.takes_seconds)
            if self.is_broken:
                raise JournalUnavailable("it is broken")
            if self.fault is not None:
                raise self.fault
            self.written.append(list(rows))
            return self.faulty


def play(scene: Callable[[Database], Awaitable[None]]) -> None:
    async def run() -> None:
        database = Database()
        await scene(database)
        await database.batches.stop()

    virtual_time.run(run())


def test_rows_are_written_together_after_the_flush_time() -> None:
    async def scene(database: Database) -> None:
        begun = database.loop.time()
        database.batches.record([turned(1)])
        await asyncio.sleep(0.5)
        database.batches.record([turned(2)])
        await asyncio.sleep(1)
        assert database.written == [[turned(1), turned(2)]]
        assert database.tries == [pytest.approx(begun + 1)]

    play(scene)


def test_a_full_batch_does_not_wait_and_is_no_larger() -> None:
    async def scene(database: Database) -> None:
        database.batches.record([turned(at) for at in range(2 * BATCH_ROWS + 1)])
        await asyncio.sleep(0.1)
        assert [len(rows) for rows in database.written] == [BATCH_ROWS, BATCH_ROWS, 1]
        assert [row.at for rows in database.written for row in rows if isinstance(row, Transition)] == [
            *range(2 * BATCH_ROWS + 1)
        ]

    play(scene)


def test_a_flush_hurries_and_returns_when_its_own_rows_are_written() -> None:
    async def scene(database: Database) -> None:
        database.takes_seconds = 2
        begun = database.loop.time()
        database.batches.record([turned(1)])
        flush = asyncio.create_task(database.batches.flush())
        await asyncio.sleep(1)
        database.batches.record([turned(2)])
        await flush
        assert database.loop.time() - begun == pytest.approx(2), "rows that came later are not waited for"
        assert database.written == [[turned(1)]]
        await database.batches.flush()
        assert database.written == [[turned(1)], [turned(2)]]
        await database.batches.flush()

    play(scene)


def test_a_broken_database_is_tried_again_ever_more_slowly_with_the_same_rows() -> None:
    async def scene(database: Database) -> None:
        database.is_broken = True
        database.batches.record([turned(1)])
        await asyncio.sleep(20)
        waits = [later - earlier for earlier, later in zip(database.tries, database.tries[1:], strict=False)]
        assert waits[:7] == [pytest.approx(wait) for wait in (0.1, 0.2, 0.4, 0.8, 1.6, 2, 2)]
        health = database.batches.health()
        assert (health.is_writable, health.queued_rows, health.error) == (False, 1, "it is broken")
        assert health.failing_since_at == pytest.approx(database.tries[0] * 1000, abs=1)
        database.batches.record([turned(2)])
        database.is_broken = False
        await asyncio.sleep(3)
        assert [row for rows in database.written for row in rows] == [turned(1), turned(2)]
        health = database.batches.health()
        assert (health.is_writable, health.queued_rows, health.lost_rows, health.error) == (True, 0, 0, None)

    play(scene)


def test_an_error_that_nobody_expected_ends_no_writing() -> None:
    async def scene(database: Database) -> None:
        database.fault = RuntimeError("the handler is closed")
        database.batches.record([turned(1)])
        await asyncio.sleep(5)
        health = database.batches.health()
        assert (health.is_writable, health.error) == (False, "RuntimeError('the handler is closed')")
        database.fault = None
        database.batches.record([turned(2)])
        await asyncio.sleep(3)
        assert [row for rows in database.written for row in rows] == [turned(1), turned(2)]
        assert database.batches.health().is_writable

    play(scene)


def test_a_flush_gives_up_in_time_and_the_rows_go_on_waiting() -> None:
    async def scene(database: Database) -> None:
        database.is_broken = True
        begun = database.loop.time()
        database.batches.record([turned(1)])
        with pytest.raises(JournalUnavailable, match=r"1 rows .* the database within 10 s: it is broken"):
            await database.batches.flush()
        assert database.loop.time() - begun == pytest.approx(10)
        database.is_broken = False
        await database.batches.flush()
        assert database.written == [[turned(1)]]

    play(scene)


def test_a_write_that_takes_too_long_is_a_failure_until_it_is_done() -> None:
    async def scene(database: Database) -> None:
        database.takes_seconds = 15
        database.batches.record([turned(1)])
        await asyncio.sleep(10)
        assert database.batches.health().is_writable
        await asyncio.sleep(2)
        health = database.batches.health()
        assert not health.is_writable and health.error == "the database: a write has taken 11.0 s already"
        await asyncio.sleep(5)
        assert database.batches.health().is_writable

    play(scene)


def test_what_is_lost_is_counted() -> None:
    async def scene(database: Database) -> None:
        database.faulty = 1
        database.batches.record([turned(1), turned(2)])
        await database.batches.flush()
        assert database.batches.health().lost_rows == 1
        database.is_broken = True
        database.batches.record([turned(3)])
        await database.batches.stop()
        database.batches.record([turned(4)])
        assert database.batches.health().lost_rows == 3
        assert database.batches.counts == {"transition": 3}

    play(scene)


def test_a_user_who_is_seen_often_takes_one_place() -> None:
    async def run() -> None:
        database = Database(queue_rows=2)
        database.is_broken = True
        for at in range(1_000):
            database.batches.record([LastSeen("default", "ada", at, None, at, None)])
            await asyncio.sleep(0.01)
        health = database.batches.health()
        assert (health.queued_rows, health.lost_rows) == (2, 0), "one that is being written, and the newest"
        await database.batches.stop()

    virtual_time.run(run())
