"""The record in one SQLite file. One thread writes, another reads; the event loop waits for neither."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from hereabouts.errors import JournalUnavailable
from hereabouts.journal import sqlite_rows, sqlite_state
from hereabouts.journal.base import Declared, Journal, JournalHealth, LastSeen, Revocable, Row, Transition
from hereabouts.journal.batches import Batches
from hereabouts.journal.outbox import OutboxRow
from hereabouts.journal.revocations import Revocation, Revocations
from hereabouts.journal.sqlite_audit import SqliteAudit
from hereabouts.journal.sqlite_cooldowns import SqliteCooldowns
from hereabouts.journal.sqlite_file import migrate, open_file, open_reader
from hereabouts.journal.sqlite_history import SqliteHistory
from hereabouts.journal.sqlite_occupancies import SqliteOccupancies
from hereabouts.journal.sqlite_outbox import SqliteOutbox
from hereabouts.journal.sqlite_policies import SqlitePolicies
from hereabouts.journal.sqlite_recovery import recover
from hereabouts.journal.sqlite_relations import SqliteRelations
from hereabouts.journal.sqlite_subjects import SqliteSubjects

T = TypeVar("T")

QUEUE_ROWS: Final = 200_000
"""Rows that wait at most, about 100 MB; further ones are refused and counted."""

FLUSH_WAIT_SECONDS: Final = 10.0
"""How long `flush` and `close` wait for a disk that does not take what there is."""


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
        self._path = path
        self._wall = wall
        self._batches = Batches(
            self._write_rows,
            str(path),
            flush_seconds=flush_seconds,
            wait_seconds=flush_wait_seconds,
            queue_rows=queue_rows,
            wall=wall,
        )
        self._queue, self.counts = self._batches.queue, self._batches.counts
        self._revocations = Revocations()
        self.audit: SqliteAudit = SqliteAudit(self)
        self.cooldowns = SqliteCooldowns(self)
        self.policies = SqlitePolicies(self)
        self.outbox: SqliteOutbox = SqliteOutbox(self)
        self.occupancies: SqliteOccupancies = SqliteOccupancies(self, self.outbox)
        self.history: SqliteHistory = SqliteHistory(path)
        self._is_open = False
        self.relations: SqliteRelations = SqliteRelations(self)
        self.subjects: SqliteSubjects = SqliteSubjects(self)

    # Life

    async def open(self) -> None:
        """See `Journal.open`. Brings the tables to this version."""
        self._writer = ThreadPoolExecutor(1, "journal-writer")
        self._reader = ThreadPoolExecutor(1, "journal-reader")
        loop = asyncio.get_running_loop()
        try:
            self._write_to, standing = await loop.run_in_executor(self._writer, self._open_file)
            self._read_from = await loop.run_in_executor(self._reader, open_reader, self._path)
            await self.history.open()
        except BaseException:
            self._writer.shutdown(wait=False)
            self._reader.shutdown(wait=False)
            raise
        for revocation in standing:
            self._revocations.add(revocation)
        self._is_open = True
        await self.cooldowns.load(int(self._wall() * 1000))
        self._batches.start()

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
        if not self._is_open:
            return
        try:
            await self.flush()
        finally:
            await self._batches.stop()
            self._is_open = False
            await self.history.close()
            loop = asyncio.get_running_loop()
            for executor, connection in ((self._reader, self._read_from), (self._writer, self._write_to)):
                await loop.run_in_executor(executor, connection.close)
                executor.shutdown()

    # Writing

    def record(self, rows: Sequence[Row]) -> None:
        """See `Journal.record`."""
        self._batches.record(rows)

    async def flush(self) -> None:
        """See `Journal.flush`. What it acknowledges survives a loss of power."""
        await self._batches.flush()
        await self.write(sqlite_state.sync)

    def health(self) -> JournalHealth:
        """See `Journal.health`."""
        return self._batches.health()

    async def _write_rows(self, rows: Sequence[Row]) -> int:
        faulty = await self.write(partial(sqlite_rows.write, rows=rows, outbox=self.outbox.add))
        if any(isinstance(row, OutboxRow) for row in rows):
            self.outbox.on_events()
        return faulty

    async def write(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in the writer's thread."""
        self._check_open()
        with self._batches.noting():
            return await self._in(self._writer, act, self._write_to)

    def _check_open(self) -> None:
        if not self._is_open:
            raise JournalUnavailable(f"the journal {self._path} is not open")

    async def _in(
        self, executor: ThreadPoolExecutor, act: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection
    ) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, act, connection)
        except (sqlite3.Error, OSError) as error:
            raise JournalUnavailable(f"{self._path}: {error}") from error

    # Reading

    async def read(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Read what is stored, so that together with the queue nothing is missing."""
        self._check_open()
        while True:
            done = self._queue.done
            found = await self._in(self._reader, act, self._read_from)
            # A row that left the queue meanwhile may be in neither.
            if done == self._queue.done:
                return found

    async def last_seen(self, tenant: str, user_ids: Sequence[str]) -> dict[str, LastSeen]:
        """See `Journal.last_seen`."""
        stored = await self.read(partial(sqlite_rows.last_seen, tenant=tenant, user_ids=user_ids))
        known = {user: self._queue.last_seen(tenant, user, stored.get(user)) for user in user_ids}
        return {user: row for user, row in known.items() if row is not None}

    async def declared(self, tenant: str, user_id: str) -> Declared | None:
        """See `Journal.declared`."""
        stored = await self.read(partial(sqlite_rows.declared, tenant=tenant, user_id=user_id))
        return self._queue.declared(tenant, user_id) or stored

    async def transitions(self, tenant: str, user_id: str, limit: int = 100) -> list[Transition]:
        """See `Journal.transitions`."""
        stored = await self.read(partial(sqlite_rows.transitions, tenant=tenant, user_id=user_id, limit=limit))
        waiting = self._queue.transitions(tenant, user_id)
        # A batch may be written already and not yet be known to be.
        earlier = [row for row in stored if row not in waiting]
        return sorted([*reversed(waiting), *earlier], key=lambda row: row.at, reverse=True)[:limit]

    # State

    async def revoke(self, tenant: str, kind: Revocable, id: str, at: int, until_at: int) -> None:
        """See `Journal.revoke`. It is in force at once, also when it cannot be written."""
        revocation = Revocation(tenant, kind, id, at, until_at)
        self._revocations.add(revocation)
        await self.write(partial(sqlite_state.revoke, revocation=revocation))

    async def revoked(self, tenant: str, user_id: str, token_id: str | None, issued_at: int | None) -> bool:
        """See `Journal.revoked`."""
        return self._revocations.hit(tenant, user_id, token_id, issued_at)

    async def hand_over(self, payloads: Sequence[bytes], at: int, valid_until_at: int) -> None:
        """See `Journal.hand_over`."""
        await self.write(partial(sqlite_state.hand_over, payloads=payloads, valid_until_at=valid_until_at))

    async def take_over(self, at: int) -> list[bytes]:
        """See `Journal.take_over`."""
        return await self.write(partial(sqlite_state.take_over, at=at))

    async def alive(self, node: str, at: int) -> None:
        """See `Journal.alive`."""
        await self.write(partial(sqlite_state.alive, node=node, at=at))

    async def recover(self, node: str, at: int, kept: Collection[str] = ()) -> int:
        """See `Journal.recover`."""
        await self.flush()
        return await self.write(partial(recover, node=node, at=at, kept=kept))

    async def prune(self, before_at: Mapping[str, int]) -> int:
        """See `Journal.prune`. In small steps, so that nothing else waits for long."""
        forgotten = 0
        for kind, at in before_at.items():
            while step := await self.write(partial(sqlite_state.prune, kind=kind, before_at=at)):
                forgotten += step
        return forgotten
