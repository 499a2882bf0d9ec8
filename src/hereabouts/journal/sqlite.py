"""The record in one SQLite file. One thread writes, another reads; the event loop waits for neither.

Rows queue on the loop and are written together, every `flush_seconds` or as soon as a batch is full. When the disk
does not take them they stay queued, up to a bound, and are tried again until it does.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import structlog

from hereabouts.errors import JournalUnavailable
from hereabouts.journal import sqlite_rows, sqlite_state
from hereabouts.journal.base import (
    ROW_KINDS,
    Declared,
    Journal,
    JournalHealth,
    LastSeen,
    Revocable,
    Row,
    Transition,
)
from hereabouts.journal.queue import RowQueue
from hereabouts.journal.revocations import Revocation, Revocations
from hereabouts.journal.sqlite_file import migrate, open_file, open_reader
from hereabouts.journal.sqlite_recovery import recover

T = TypeVar("T")

log = structlog.get_logger("hereabouts")

BATCH_ROWS: Final = 500
"""Rows of one transaction; so many are written without waiting for more."""

QUEUE_ROWS: Final = 200_000
"""Rows that wait at most, about 100 MB; further ones are refused and counted."""

FLUSH_WAIT_SECONDS: Final = 10.0
"""How long `flush` and `close` wait for a disk that does not take what there is."""

RETRY_SECONDS: Final = (0.1, 2.0)
"""The wait after a first failure, and the longest it grows to."""


class SqliteJournal(Journal):
    """See the module. `wall` gives seconds since the epoch."""

    def __init__(
        self,
        path: Path,
        *,
        flush_seconds: float = 0.05,
        flush_wait_seconds: float = FLUSH_WAIT_SECONDS,
        queue_rows: int = QUEUE_ROWS,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._path = path
        self._flush_seconds = flush_seconds
        self._flush_wait_seconds = flush_wait_seconds
        self._wall = wall
        self._queue = RowQueue(queue_rows)
        self._revocations = Revocations()
        self._lost_rows = 0
        self._batch_since_at: int | None = None
        self._error: str | None = None
        self._failing_since_at: int | None = None
        self._last_flush_at: int | None = None
        self._has_rows = asyncio.Event()
        self._hurry = asyncio.Event()
        self._through: list[tuple[int, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._is_closed = False

    # Life

    async def open(self) -> None:
        """See `Journal.open`. Brings the tables to this version."""
        self._writer = ThreadPoolExecutor(1, "journal-writer")
        self._reader = ThreadPoolExecutor(1, "journal-reader")
        loop = asyncio.get_running_loop()
        try:
            self._write_to, standing = await loop.run_in_executor(self._writer, self._open_file)
            self._read_from = await loop.run_in_executor(self._reader, open_reader, self._path)
        except BaseException:
            self._writer.shutdown(wait=False)
            self._reader.shutdown(wait=False)
            raise
        for revocation in standing:
            self._revocations.add(revocation)
        self._writing = asyncio.create_task(self._write_on())

    def _open_file(self) -> tuple[sqlite3.Connection, list[Revocation]]:
        connection = open_file(self._path)
        try:
            migrate(connection, self._path)
            return connection, sqlite_state.revocations(connection)
        except BaseException:
            connection.close()
            raise

    async def close(self) -> None:
        """See `Journal.close`."""
        if self._writing is None:
            return
        try:
            await self.flush()
        finally:
            self._writing.cancel()
            with suppress(asyncio.CancelledError):
                await self._writing
            self._writing, self._is_closed = None, True
            self._lost_rows += len(self._queue)
            loop = asyncio.get_running_loop()
            for executor, connection in ((self._reader, self._read_from), (self._writer, self._write_to)):
                await loop.run_in_executor(executor, connection.close)
                executor.shutdown()

    # Writing

    def record(self, rows: Sequence[Row]) -> None:
        """See `Journal.record`."""
        for row in rows:
            if self._is_closed:
                self._lose(1, "the journal is closed")
            elif self._queue.add(row):
                self.counts[ROW_KINDS[type(row)]] += 1
            else:
                self._lose(1, f"{len(self._queue)} rows wait already")
        self._has_rows.set()
        if len(self._queue) >= BATCH_ROWS:
            self._hurry.set()

    async def flush(self) -> None:
        """See `Journal.flush`. What it acknowledges survives a loss of power."""
        goal = self._queue.taken
        if self._queue.done < goal:
            through = asyncio.get_running_loop().create_future()
            self._through.append((goal, through))
            self._hurry.set()
            try:
                await asyncio.wait_for(through, self._flush_wait_seconds)
            except TimeoutError:
                raise JournalUnavailable(
                    f"{len(self._queue)} rows could not be written to {self._path} within"
                    f" {self._flush_wait_seconds} s: {self._error or 'the disk is slow'}"
                ) from None
        await self._write(sqlite_state.sync)

    async def _write_on(self) -> None:
        while True:
            await self._has_rows.wait()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._flush_seconds)
            self._has_rows.clear()
            self._hurry.clear()
            while len(self._queue):
                await self._write_batch()

    async def _write_batch(self) -> None:
        wait, most = RETRY_SECONDS
        rows = self._queue.batch(BATCH_ROWS)
        self._batch_since_at = self._now()
        while True:
            try:
                faulty = await self._write(partial(sqlite_rows.write, rows=rows))
                break
            except JournalUnavailable:
                await asyncio.sleep(wait)
                wait = min(wait * 2, most)
        self._queue.finish()
        self._last_flush_at, self._batch_since_at = self._now(), None
        if faulty:
            self._lose(faulty, "what is in them cannot be written")
        for goal, through in self._through:
            if goal <= self._queue.done and not through.done():
                through.set_result(None)
        self._through = [(goal, through) for goal, through in self._through if not through.done()]

    async def _write(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in the writer's thread. Notes whether it could be done."""
        try:
            done = await self._in(self._writer, act, self._write_to)
        except JournalUnavailable as error:
            if self._failing_since_at is None:
                self._failing_since_at = self._now()
                log.error("journal", text="the journal cannot be written; rows wait", error=str(error))
            self._error = str(error)
            raise
        if self._failing_since_at is not None:
            log.warning("journal", text="the journal can be written again", failed_since_at=self._failing_since_at)
        self._failing_since_at = self._error = None
        return done

    async def _in(
        self, executor: ThreadPoolExecutor, act: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection
    ) -> T:
        if self._writing is None:
            raise JournalUnavailable(f"the journal {self._path} is not open")
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, act, connection)
        except (sqlite3.Error, OSError) as error:
            raise JournalUnavailable(f"{self._path}: {error}") from error

    def _lose(self, rows: int, why: str) -> None:
        if self._lost_rows == 0:
            log.error("journal", text="rows could not be kept; see the metric journal_lost_rows_total", why=why)
        self._lost_rows += rows

    def _now(self) -> int:
        return int(self._wall() * 1000)

    # Reading

    async def _read(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Read what is stored, so that together with the queue nothing is missing."""
        while True:
            done = self._queue.done
            found = await self._in(self._reader, act, self._read_from)
            # A row that left the queue meanwhile may be in neither.
            if done == self._queue.done:
                return found

    async def last_seen(self, tenant: str, user_ids: Sequence[str]) -> dict[str, LastSeen]:
        """See `Journal.last_seen`."""
        stored = await self._read(partial(sqlite_rows.last_seen, tenant=tenant, user_ids=user_ids))
        known = {user: self._queue.last_seen(tenant, user, stored.get(user)) for user in user_ids}
        return {user: row for user, row in known.items() if row is not None}

    async def declared(self, tenant: str, user_id: str) -> Declared | None:
        """See `Journal.declared`."""
        stored = await self._read(partial(sqlite_rows.declared, tenant=tenant, user_id=user_id))
        return self._queue.declared(tenant, user_id) or stored

    async def transitions(self, tenant: str, user_id: str, limit: int = 100) -> list[Transition]:
        """See `Journal.transitions`."""
        stored = await self._read(partial(sqlite_rows.transitions, tenant=tenant, user_id=user_id, limit=limit))
        waiting = self._queue.transitions(tenant, user_id)
        # A batch may be written already and not yet be known to be.
        earlier = [row for row in stored if row not in waiting]
        return sorted([*reversed(waiting), *earlier], key=lambda row: row.at, reverse=True)[:limit]

    # State

    async def revoke(self, tenant: str, kind: Revocable, id: str, at: int, until_at: int) -> None:
        """See `Journal.revoke`. It is in force at once, also when it cannot be written."""
        revocation = Revocation(tenant, kind, id, at, until_at)
        self._revocations.add(revocation)
        await self._write(partial(sqlite_state.revoke, revocation=revocation))

    async def revoked(self, tenant: str, user_id: str, token_id: str | None, issued_at: int | None) -> bool:
        """See `Journal.revoked`."""
        return self._revocations.hit(tenant, user_id, token_id, issued_at)

    async def hand_over(self, payloads: Sequence[bytes], at: int, valid_until_at: int) -> None:
        """See `Journal.hand_over`."""
        await self._write(partial(sqlite_state.hand_over, payloads=payloads, valid_until_at=valid_until_at))

    async def take_over(self, at: int) -> list[bytes]:
        """See `Journal.take_over`."""
        return await self._write(partial(sqlite_state.take_over, at=at))

    async def alive(self, node: str, at: int) -> None:
        """See `Journal.alive`."""
        await self._write(partial(sqlite_state.alive, node=node, at=at))

    async def recover(self, node: str, at: int, kept: Collection[str] = ()) -> int:
        """See `Journal.recover`."""
        await self.flush()
        return await self._write(partial(recover, node=node, at=at, kept=kept))

    async def prune(self, before_at: Mapping[str, int]) -> int:
        """See `Journal.prune`. In small steps, so that nothing else waits for long."""
        forgotten = 0
        for kind, at in before_at.items():
            while step := await self._write(partial(sqlite_state.prune, kind=kind, before_at=at)):
                forgotten += step
        return forgotten

    def health(self) -> JournalHealth:
        """See `Journal.health`. A disk that neither takes a batch nor refuses it is as bad as a full one."""
        since_at, error = self._failing_since_at, self._error
        if since_at is None and self._batch_since_at is not None:
            waited = (self._now() - self._batch_since_at) / 1000
            if waited > self._flush_wait_seconds:
                since_at, error = self._batch_since_at, f"{self._path}: a write has taken {waited:.1f} s already"
        return JournalHealth(
            is_writable=since_at is None,
            failing_since_at=since_at,
            queued_rows=len(self._queue),
            lost_rows=self._lost_rows,
            last_flush_at=self._last_flush_at,
            error=error,
        )
