"""The record in PostgreSQL, for one node or many. Rows wait in memory and are written in batches, off to the side.

A batch that is written is on disk, and where the database has it so, on its standby.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final

from hereabouts.journal import postgres_rows, postgres_state
from hereabouts.journal.base import Declared, LastSeen, Row, Transition
from hereabouts.journal.cooldowns import Cooldown
from hereabouts.journal.postgres_audit import PostgresAudit
from hereabouts.journal.postgres_claim import PostgresClaim
from hereabouts.journal.postgres_cooldowns import PostgresCooldowns
from hereabouts.journal.postgres_examining import judge, look
from hereabouts.journal.postgres_history import PostgresHistory
from hereabouts.journal.postgres_occupancies import PostgresOccupancies
from hereabouts.journal.postgres_outbox import PostgresOutbox
from hereabouts.journal.postgres_policies import PostgresPolicies
from hereabouts.journal.postgres_pool import STATEMENT_SECONDS, Act, Pool, T
from hereabouts.journal.postgres_recovery import lost, recover, told
from hereabouts.journal.postgres_relations import PostgresRelations
from hereabouts.journal.postgres_subjects import PostgresSubjects
from hereabouts.journal.postgres_tables import PostgresMigrations
from hereabouts.journal.queued import FLUSH_WAIT_SECONDS, QUEUE_ROWS, QueuedJournal
from hereabouts.journal.revocations import Revocation

CONNECTIONS: Final = 4
"""Connections of a node for all that presence needs; questions about the past have their own."""

LATE_MS: Final = 3_600_000
"""A revocation that comes into the database so long after it was said is heard of by its node alone."""


class PostgresJournal(QueuedJournal):
    """See the module. `node` is whose hand-over is read; `wall` gives seconds since the epoch.

    `is_alone` is whether the node has no store that others share; who gives `None` claims nothing, and is no node.
    """

    is_shared = True

    def __init__(
        self,
        url: str,
        *,
        node: str = "",
        is_alone: bool | None = None,
        flush_seconds: float = 0.05,
        flush_wait_seconds: float = FLUSH_WAIT_SECONDS,
        statement_seconds: float = STATEMENT_SECONDS,
        queue_rows: int = QUEUE_ROWS,
        connections: int = CONNECTIONS,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._pool = Pool(url, connections, statement_seconds=statement_seconds)
        super().__init__(
            self._pool.shown,
            flush_seconds=flush_seconds,
            flush_wait_seconds=flush_wait_seconds,
            queue_rows=queue_rows,
            wall=wall,
        )
        self._url = url
        self._node = node
        self._claim = None if is_alone is None else PostgresClaim(url, is_alone=is_alone)
        self.audit: PostgresAudit = PostgresAudit(self)
        self.cooldowns = PostgresCooldowns(self)
        self.policies: PostgresPolicies = PostgresPolicies(self)
        self.outbox: PostgresOutbox = PostgresOutbox(self)
        self.occupancies: PostgresOccupancies = PostgresOccupancies(self, self.outbox)
        self.history = self._history = PostgresHistory(url)
        self.relations: PostgresRelations = PostgresRelations(self)
        self.subjects: PostgresSubjects = PostgresSubjects(self, self.audit)

    # Life

    async def open(self) -> None:
        """See `Journal.open`. Brings the tables to this version; of several nodes one does, and the others wait."""
        if self._claim is not None:
            await self._claim.open()
        try:
            await asyncio.to_thread(PostgresMigrations(self._url).up)
            await self._pool.open()
            await self.look_again()
            await self._history.open()
        except BaseException:
            await self._let_go()
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
            await self._let_go()

    async def _let_go(self) -> None:
        await self._pool.close()
        if self._claim is not None:
            await self._claim.close()

    async def examine(self) -> list[tuple[bool, str]]:
        """See `Journal.examine`."""
        return judge(await self._pool.look(look), self._wall())

    async def look_again(self) -> list[Revocation | Cooldown]:
        """See `Journal.look_again`."""
        since_at = self._revocations.newest_at - LATE_MS
        stored = await self._pool.read(partial(postgres_state.revocations, since_at=since_at))
        revoked = self._revocations.take(stored)
        return [*await self.cooldowns.load(int(self._wall() * 1000)), *revoked]

    # Writing

    async def _store(self, rows: Sequence[Row]) -> int:
        return await self.write(partial(postgres_rows.write, rows=rows, tell=self.outbox.add))

    async def _store_revocation(self, revocation: Revocation) -> None:
        await self.write(partial(postgres_state.revoke, revocation=revocation))

    async def write(self, act: Act[T]) -> T:
        """Do something in one transaction, on disk when this returns."""
        with self._batches.noting():
            return await self._pool.write(act)

    # Reading

    async def read(self, act: Act[T]) -> T:
        """Read what is stored, all as of one moment."""
        return await self._pool.read(act)

    async def look(self, act: Act[T]) -> T:
        """The same with a single statement."""
        return await self._pool.look(act)

    async def _stored_last_seen(self, tenant: str, user_ids: Sequence[str]) -> dict[str, LastSeen]:
        return await self.look(partial(postgres_rows.last_seen, tenant=tenant, user_ids=user_ids))

    async def _stored_declared(self, tenant: str, user_id: str) -> Declared | None:
        return await self.look(partial(postgres_rows.declared, tenant=tenant, user_id=user_id))

    async def _stored_transitions(self, tenant: str, user_id: str, limit: int) -> list[Transition]:
        return await self.look(partial(postgres_rows.transitions, tenant=tenant, user_id=user_id, limit=limit))

    # State

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
        parts = await self.look(partial(lost, node=node, kept=kept))
        return sum([await self.write(partial(recover, node=node, at=at, part=part)) for part in parts])

    async def recover_silent(self, node: str, since_at: int, at: int) -> int:
        """See `Journal.recover_silent`."""
        told_at = await self.look(partial(told, node=node))
        return await self.recover(node, at) if told_at is not None and told_at <= since_at else 0

    async def _prune_some(self, kind: str, before_at: int) -> int:
        return await self.write(partial(postgres_state.prune, kind=kind, before_at=before_at))
