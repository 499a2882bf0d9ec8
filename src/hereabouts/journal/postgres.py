"""The record in PostgreSQL, for one node or many. Rows wait in memory and are written in batches, off to the side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final

from hereabouts.journal import postgres_rows, postgres_state
from hereabouts.journal.base import Declared, Journal, JournalHealth, LastSeen, Revocable, Row, Transition
from hereabouts.journal.batches import Batches
from hereabouts.journal.outbox import OutboxRow
from hereabouts.journal.postgres_audit import PostgresAudit
from hereabouts.journal.postgres_cooldowns import PostgresCooldowns
from hereabouts.journal.postgres_history import PostgresHistory
from hereabouts.journal.postgres_occupancies import PostgresOccupancies
from hereabouts.journal.postgres_outbox import PostgresOutbox
from hereabouts.journal.postgres_policies import PostgresPolicies
from hereabouts.journal.postgres_pool import STATEMENT_SECONDS, Act, Pool, T
from hereabouts.journal.postgres_recovery import recover
from hereabouts.journal.postgres_relations import PostgresRelations
from hereabouts.journal.postgres_subjects import PostgresSubjects
from hereabouts.journal.postgres_tables import PostgresMigrations
from hereabouts.journal.revocations import Revocation, Revocations

QUEUE_ROWS: Final = 200_000
"""Rows that wait at most, about 100 MB: minutes of a busy node. Further ones are refused and counted."""

FLUSH_WAIT_SECONDS: Final = 10.0
"""How long `flush` and `close` wait for a database that does not take what there is."""

CONNECTIONS: Final = 4
"""Connections of a node for all that presence needs; questions about the past have their own."""


class PostgresJournal(Journal):
    """See the module. `node` is whose hand-over is read; `wall` gives seconds since the epoch."""

    def __init__(
        self,
        url: str,
        *,
        node: str = "",
        flush_seconds: float = 0.05,
        flush_wait_seconds: float = FLUSH_WAIT_SECONDS,
        statement_seconds: float = STATEMENT_SECONDS,
        queue_rows: int = QUEUE_ROWS,
        connections: int = CONNECTIONS,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._node = node
        self._wall = wall
        self._pool = Pool(url, connections, statement_seconds=statement_seconds)
        self._batches = Batches(
            self._write_rows,
            self._pool.shown,
            flush_seconds=flush_seconds,
            wait_seconds=flush_wait_seconds,
            queue_rows=queue_rows,
            wall=wall,
        )
        self._queue, self.counts = self._batches.queue, self._batches.counts
        self._revocations = Revocations()
        self.audit: PostgresAudit = PostgresAudit(self)
        self.cooldowns = PostgresCooldowns(self)
        self.policies: PostgresPolicies = PostgresPolicies(self)
        self.outbox: PostgresOutbox = PostgresOutbox(self)
        self.occupancies: PostgresOccupancies = PostgresOccupancies(self, self.outbox)
        self.history = self._history = PostgresHistory(url)
        self.relations: PostgresRelations = PostgresRelations(self)
        self.subjects: PostgresSubjects = PostgresSubjects(self)
        self._is_open = False

    # Life

    async def open(self) -> None:
        """See `Journal.open`. Brings the tables to this version; of several nodes one does, and the others wait."""
        await asyncio.to_thread(PostgresMigrations(self._url).up)
        await self._pool.open()
        try:
            for revocation in await self._pool.read(postgres_state.revocations):
                self._revocations.add(revocation)
            await self.cooldowns.load(int(self._wall() * 1000))
            await self._history.open()
        except BaseException:
            await self._pool.close()
            raise
        self._is_open = True
        self._batches.start()

    async def close(self) -> None:
        """See `Journal.close`."""
        if not self._is_open:
            return
        try:
            await self.flush()
        finally:
            await self._batches.stop()
            self._is_open = False
            await self._history.close()
            await self._pool.close()

    # Writing

    def record(self, rows: Sequence[Row]) -> None:
        """See `Journal.record`."""
        self._batches.record(rows)

    async def flush(self) -> None:
        """See `Journal.flush`. A batch that is written is on disk, and where the database has it so, on its standby."""
        await self._batches.flush()

    def health(self) -> JournalHealth:
        """See `Journal.health`."""
        return self._batches.health()

    async def _write_rows(self, rows: Sequence[Row]) -> int:
        faulty = await self.write(partial(postgres_rows.write, rows=rows, tell=self.outbox.add))
        if any(isinstance(row, OutboxRow) for row in rows):
            self.outbox.on_events()
        return faulty

    async def write(self, act: Act[T]) -> T:
        """Do something in one transaction, on disk when this returns."""
        with self._batches.noting():
            return await self._pool.write(act)

    # Reading

    async def read(self, act: Act[T]) -> T:
        """Read what is stored, all as of one moment, so that together with the queue nothing is missing."""
        return await self._whole(self._pool.read, act)

    async def look(self, act: Act[T]) -> T:
        """The same with a single statement."""
        return await self._whole(self._pool.look, act)

    async def _whole(self, read: Callable[[Act[T]], Awaitable[T]], act: Act[T]) -> T:
        while True:
            done = self._queue.done
            found = await read(act)
            # A row that left the queue meanwhile may be in neither.
            if done == self._queue.done:
                return found

    async def last_seen(self, tenant: str, user_ids: Sequence[str]) -> dict[str, LastSeen]:
        """See `Journal.last_seen`."""
        stored = await self.look(partial(postgres_rows.last_seen, tenant=tenant, user_ids=user_ids))
        known = {user: self._queue.last_seen(tenant, user, stored.get(user)) for user in user_ids}
        return {user: row for user, row in known.items() if row is not None}

    async def declared(self, tenant: str, user_id: str) -> Declared | None:
        """See `Journal.declared`."""
        stored = await self.look(partial(postgres_rows.declared, tenant=tenant, user_id=user_id))
        return self._queue.declared(tenant, user_id) or stored

    async def transitions(self, tenant: str, user_id: str, limit: int = 100) -> list[Transition]:
        """See `Journal.transitions`."""
        stored = await self.look(partial(postgres_rows.transitions, tenant=tenant, user_id=user_id, limit=limit))
        waiting = self._queue.transitions(tenant, user_id)
        # A batch may be written already and not yet be known to be.
        earlier = [row for row in stored if row not in waiting]
        return sorted([*reversed(waiting), *earlier], key=lambda row: row.at, reverse=True)[:limit]

    # State

    async def revoke(self, tenant: str, kind: Revocable, id: str, at: int, until_at: int) -> None:
        """See `Journal.revoke`. It is in force at once, also when it cannot be written."""
        revocation = Revocation(tenant, kind, id, at, until_at)
        self._revocations.add(revocation)
        await self.write(partial(postgres_state.revoke, revocation=revocation))

    async def revoked(self, tenant: str, user_id: str, token_id: str | None, issued_at: int | None) -> bool:
        """See `Journal.revoked`."""
        return self._revocations.hit(tenant, user_id, token_id, issued_at)

    async def hand_over(self, payloads: Sequence[bytes], at: int, valid_until_at: int) -> None:
        """See `Journal.hand_over`."""
        keep = partial(postgres_state.hand_over, node=self._node, payloads=payloads, valid_until_at=valid_until_at)
        await self.write(keep)

    async def take_over(self, at: int) -> list[bytes]:
        """See `Journal.take_over`."""
        return await self.write(partial(postgres_state.take_over, node=self._node, at=at))

    async def alive(self, node: str, at: int) -> None:
        """See `Journal.alive`."""
        await self.write(partial(postgres_state.alive, node=node, at=at))

    async def recover(self, node: str, at: int, kept: Collection[str] = ()) -> int:
        """See `Journal.recover`."""
        await self.flush()
        return await self.write(partial(recover, node=node, at=at, kept=kept))

    async def prune(self, before_at: Mapping[str, int]) -> int:
        """See `Journal.prune`. In small steps, so that nothing else waits for long."""
        forgotten = 0
        for kind, at in before_at.items():
            while step := await self.write(partial(postgres_state.prune, kind=kind, before_at=at)):
                forgotten += step
        return forgotten
