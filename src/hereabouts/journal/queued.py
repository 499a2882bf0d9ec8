"""What every database's record has in common: rows wait in memory, and what is read of the record includes them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from hereabouts.journal.base import Declared, Journal, JournalHealth, LastSeen, Revocable, Row, Transition
from hereabouts.journal.batches import Batches
from hereabouts.journal.outbox import Outbox, OutboxRow
from hereabouts.journal.revocations import Revocation, Revocations

QUEUE_ROWS: Final = 200_000
"""Rows that wait at most, about 100 MB: minutes of a busy node. Further ones are refused and counted."""

FLUSH_WAIT_SECONDS: Final = 10.0
"""How long `flush` and `close` wait for a disk or a database that does not take what there is."""


class QueuedJournal(Journal):
    """A journal over a database that tells, under names with `stored`, what it has.

    `where` is what the database is called in errors; `wall` gives seconds since the epoch.
    """

    outbox: Outbox

    def __init__(
        self,
        where: str,
        *,
        flush_seconds: float,
        flush_wait_seconds: float,
        queue_rows: int,
        wall: Callable[[], float],
    ) -> None:
        self._wall = wall
        self._batches = Batches(
            self._write_rows,
            where,
            flush_seconds=flush_seconds,
            wait_seconds=flush_wait_seconds,
            queue_rows=queue_rows,
            wall=wall,
        )
        self._queue, self.counts = self._batches.queue, self._batches.counts
        self._revocations = Revocations()
        self._is_open = False

    # What a database does

    @abstractmethod
    async def _store(self, rows: Sequence[Row]) -> int:
        """Write rows in their order; how many could not be, because of what is in them."""

    @abstractmethod
    async def _store_revocation(self, revocation: Revocation) -> None:
        """Keep one, and forget those that ran out before it."""

    @abstractmethod
    async def _stored_last_seen(self, tenant: str, user_ids: Sequence[str]) -> dict[str, LastSeen]:
        """The rows of these users."""

    @abstractmethod
    async def _stored_declared(self, tenant: str, user_id: str) -> Declared | None:
        """The row of this user."""

    @abstractmethod
    async def _stored_transitions(self, tenant: str, user_id: str, limit: int) -> list[Transition]:
        """The newest rows of this user, newest first."""

    @abstractmethod
    async def _prune_some(self, kind: str, before_at: int) -> int:
        """Forget some rows of a class that ended before this moment; how many, 0 when none is left."""

    # Writing

    def record(self, rows: Sequence[Row]) -> None:
        """See `Journal.record`."""
        self._batches.record(rows)

    async def flush(self) -> None:
        """See `Journal.flush`."""
        await self._batches.flush()

    def health(self) -> JournalHealth:
        """See `Journal.health`."""
        return self._batches.health()

    async def _write_rows(self, rows: Sequence[Row]) -> int:
        faulty = await self._store(rows)
        if any(isinstance(row, OutboxRow) for row in rows):
            self.outbox.on_events()
        return faulty

    # Reading. A row that waited when the question began, and no longer when it was answered, may be in neither.

    async def last_seen(self, tenant: str, user_ids: Sequence[str]) -> dict[str, LastSeen]:
        """See `Journal.last_seen`."""
        known: dict[str, LastSeen | None] = {}
        while asked := [user for user in user_ids if user not in known]:
            waited = {user: self._queue.last_seen(tenant, user, None) for user in asked}
            stored = await self._stored_last_seen(tenant, asked)
            for user, row in waited.items():
                if row is None or self._queue.last_seen(tenant, user, None) is not None:
                    known[user] = self._queue.last_seen(tenant, user, stored.get(user))
        return {user: row for user, row in known.items() if row is not None}

    async def declared(self, tenant: str, user_id: str) -> Declared | None:
        """See `Journal.declared`."""
        while True:
            waited = self._queue.declared(tenant, user_id)
            stored = await self._stored_declared(tenant, user_id)
            waits = self._queue.declared(tenant, user_id)
            if waited is None or waits is not None:
                return waits or stored

    async def transitions(self, tenant: str, user_id: str, limit: int = 100) -> list[Transition]:
        """See `Journal.transitions`."""
        while True:
            waited = self._queue.transitions(tenant, user_id)
            stored = await self._stored_transitions(tenant, user_id, limit)
            waiting = self._queue.transitions(tenant, user_id)
            if waiting[: len(waited)] == waited:
                break
        # A batch may be written already and not yet be known to be.
        earlier = [row for row in stored if row not in waiting]
        return sorted([*reversed(waiting), *earlier], key=lambda row: row.at, reverse=True)[:limit]

    # State

    async def revoke(self, tenant: str, kind: Revocable, id: str, at: int, until_at: int) -> None:
        """See `Journal.revoke`. It is in force at once, also when it cannot be written."""
        revocation = Revocation(tenant, kind, id, at, until_at)
        self._revocations.add(revocation)
        await self._store_revocation(revocation)

    async def revoked(self, tenant: str, user_id: str, token_id: str | None, issued_at: int | None) -> bool:
        """See `Journal.revoked`."""
        return self._revocations.hit(tenant, user_id, token_id, issued_at)

    async def prune(self, before_at: Mapping[str, int]) -> int:
        """See `Journal.prune`. In small steps, so that nothing else waits for long."""
        forgotten = 0
        for kind, at in before_at.items():
            while step := await self._prune_some(kind, at):
                forgotten += step
        return forgotten
