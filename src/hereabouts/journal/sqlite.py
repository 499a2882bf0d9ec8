"""The record in one SQLite file. One thread writes, another reads; the event loop waits for neither."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from hereabouts.errors import JournalUnavailable
from hereabouts.journal import sqlite_rows, sqlite_state
from hereabouts.journal.base import Declared, LastSeen, Row, Transition
from hereabouts.journal.queued import FLUSH_WAIT_SECONDS, QUEUE_ROWS, QueuedJournal
from hereabouts.journal.revocations import Revocation
from hereabouts.journal.sqlite_audit import SqliteAudit
from hereabouts.journal.sqlite_cooldowns import SqliteCooldowns
from hereabouts.journal.sqlite_file import claim, migrate, open_file, open_reader
from hereabouts.journal.sqlite_history import SqliteHistory
from hereabouts.journal.sqlite_occupancies import SqliteOccupancies
from hereabouts.journal.sqlite_outbox import SqliteOutbox
from hereabouts.journal.sqlite_policies import SqlitePolicies
from hereabouts.journal.sqlite_recovery import recover
from hereabouts.journal.sqlite_relations import SqliteRelations
from hereabouts.journal.sqlite_subjects import SqliteSubjects

T = TypeVar("T")


class SqliteJournal(QueuedJournal):
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
        super().__init__(
            str(path),
            flush_seconds=flush_seconds,
            flush_wait_seconds=flush_wait_seconds,
            queue_rows=queue_rows,
            wall=wall,
        )
        self._path = path
        self.audit: SqliteAudit = SqliteAudit(self)
        self.cooldowns = SqliteCooldowns(self)
        self.policies = SqlitePolicies(self)
        self.outbox: SqliteOutbox = SqliteOutbox(self)
        self.occupancies: SqliteOccupancies = SqliteOccupancies(self, self.outbox)
        self.history: SqliteHistory = SqliteHistory(path)
        self.relations: SqliteRelations = SqliteRelations(self)
        self.subjects: SqliteSubjects = SqliteSubjects(self, self.audit)

    # Life

    async def open(self) -> None:
        """See `Journal.open`. Brings the tables to this version."""
        self._claim = claim(self._path)
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
            os.close(self._claim)
            raise
        self._revocations.take(standing)
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
            os.close(self._claim)

    # Writing

    async def flush(self) -> None:
        """See `Journal.flush`. What it acknowledges survives a loss of power."""
        await super().flush()
        await self.write(sqlite_state.sync)

    async def _store(self, rows: Sequence[Row]) -> int:
        return await self.write(partial(sqlite_rows.write, rows=rows, outbox=self.outbox.add))

    async def _store_revocation(self, revocation: Revocation) -> None:
        await self.write(partial(sqlite_state.revoke, revocation=revocation))

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
        """Read what is stored."""
        self._check_open()
        return await self._in(self._reader, act, self._read_from)

    async def _stored_last_seen(self, tenant: str, user_ids: Sequence[str]) -> dict[str, LastSeen]:
        return await self.read(partial(sqlite_rows.last_seen, tenant=tenant, user_ids=user_ids))

    async def _stored_declared(self, tenant: str, user_id: str) -> Declared | None:
        return await self.read(partial(sqlite_rows.declared, tenant=tenant, user_id=user_id))

    async def _stored_transitions(self, tenant: str, user_id: str, limit: int) -> list[Transition]:
        return await self.read(partial(sqlite_rows.transitions, tenant=tenant, user_id=user_id, limit=limit))

    # State

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

    async def _prune_some(self, kind: str, before_at: int) -> int:
        return await self.write(partial(sqlite_state.prune, kind=kind, before_at=before_at))
