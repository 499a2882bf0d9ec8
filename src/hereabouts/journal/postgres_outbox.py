"""The outbox in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from hereabouts.journal.outbox import (
    Delivery,
    EndpointState,
    KeptEvent,
    Outbox,
    OutboxRow,
    Replayed,
    Standing,
    StandingKind,
    envelope,
)
from hereabouts.journal.postgres_events import write
from hereabouts.journal.postgres_lease import PostgresLease
from hereabouts.journal.postgres_pool import Connection, Transactions
from hereabouts.journal.postgres_state import changed
from hereabouts.journal.postgres_text import escaped

REPLAY_EVENTS: Final = 10_000
"""Events that one call of `replay` looks at; no other write of events waits for longer than that takes."""

# First those that wait, then their events: joined at once, every event before them might be read.
_WAITING: Final = """
    SELECT seq, id, type, at, data, tenant, subject, attempts, first_tried_at
    FROM (
        SELECT seq, attempts, first_tried_at FROM deliveries
        WHERE endpoint = $1 AND NOT is_dead AND seq > $2 ORDER BY seq LIMIT $3
    ) AS waiting JOIN events USING (seq) ORDER BY seq
"""

PART_DELIVERIES: Final = 1_000
"""Deliveries that are changed in one transaction, of a queue that may be long."""

_DISABLE: Final = """
    UPDATE deliveries SET is_dead = TRUE
    WHERE endpoint = $1 AND EXISTS (SELECT 1 FROM disabled_endpoints WHERE endpoint = $1) AND seq IN (
        SELECT seq FROM deliveries WHERE endpoint = $1 AND NOT is_dead ORDER BY seq LIMIT $2
    )
"""

_FORGET_OTHERS: Final = """
    DELETE FROM deliveries WHERE ctid IN (SELECT ctid FROM deliveries WHERE endpoint <> ALL($1::text[]) LIMIT $2)
"""

_FAILED: Final = """
    UPDATE deliveries SET attempts = attempts + 1, first_tried_at = coalesce(first_tried_at, $3), error = $4,
        is_dead = is_dead OR $5
    WHERE endpoint = $1 AND seq = $2
"""

_STATE: Final = """
    SELECT count(*) FILTER (WHERE NOT is_dead), count(*) FILTER (WHERE is_dead),
        (SELECT at FROM events WHERE seq = (SELECT min(seq) FROM deliveries WHERE endpoint = $1 AND NOT is_dead)),
        (SELECT disabled_at FROM disabled_endpoints WHERE endpoint = $1)
    FROM deliveries WHERE endpoint = $1
"""

_EVENTS: Final = """
    SELECT seq, id, type, at, data,
        ARRAY(SELECT endpoint FROM deliveries WHERE seq = events.seq AND NOT is_dead ORDER BY endpoint),
        ARRAY(SELECT endpoint FROM deliveries WHERE seq = events.seq AND is_dead ORDER BY endpoint)
    FROM events WHERE tenant = $1 AND seq > $2 ORDER BY seq LIMIT $3
"""

_SENT: Final = """
    SELECT events.seq, type, room, is_dead FROM events
    LEFT JOIN deliveries ON deliveries.seq = events.seq AND endpoint = $1
    WHERE tenant = $2 AND events.seq > $3 AND ($4::bigint IS NULL OR events.seq <= $4) ORDER BY events.seq LIMIT $5
"""

_AGAIN: Final = """
    INSERT INTO deliveries (endpoint, seq) VALUES ($1, $2) ON CONFLICT (endpoint, seq) DO UPDATE SET
        is_dead = FALSE, attempts = 0, first_tried_at = NULL, error = NULL
"""


class PostgresOutbox(Outbox):
    """See the module. Belongs to a journal, by whose connections it reads and writes."""

    def __init__(self, journal: Transactions) -> None:
        self._journal = journal
        self.lease: PostgresLease = PostgresLease(journal)
        self.route = lambda type, tenant, room: ()
        self.kinds: frozenset[StandingKind] = frozenset()
        self.on_events: Callable[[], None] = lambda: None

    async def add(self, connection: Connection, rows: Iterable[OutboxRow]) -> None:
        """Write rows, inside a transaction."""
        wanted = [row for row in rows if row.kind in self.kinds]
        if wanted:
            await write(connection, wanted, self.route)

    async def waiting(self, endpoint: str, after: int, limit: int) -> list[Delivery]:
        """See `Outbox.waiting`."""
        rows = await self._journal.look(lambda connection: connection.fetch(_WAITING, endpoint, after, limit))
        return [Delivery(row[0], row[1], row[5], row[6], envelope(*row[:5]), row[7], row[8]) for row in rows]

    async def delivered(self, endpoint: str, seq: int) -> None:
        """See `Outbox.delivered`."""
        await self._change("DELETE FROM deliveries WHERE endpoint = $1 AND seq = $2", endpoint, seq)

    async def failed(self, endpoint: str, seq: int, at: int, error: str, *, is_dead: bool) -> None:
        """See `Outbox.failed`."""
        await self._change(_FAILED, endpoint, seq, at, error, is_dead)

    async def disable(self, endpoint: str, at: int) -> None:
        """See `Outbox.disable`."""

        await self._change("INSERT INTO disabled_endpoints VALUES ($1, $2) ON CONFLICT DO NOTHING", endpoint, at)
        await self._change_all(_DISABLE, endpoint)

    async def keep_only(self, endpoints: Collection[str]) -> int:
        """See `Outbox.keep_only`."""
        return await self._change_all(_FORGET_OTHERS, [escaped(endpoint) for endpoint in endpoints])

    async def state(self, endpoint: str) -> EndpointState:
        """See `Outbox.state`."""
        row = await self._journal.look(lambda connection: connection.fetchrow(_STATE, endpoint))
        return EndpointState(*row)

    async def events(self, tenant: str, after: int, limit: int) -> list[KeptEvent]:
        """See `Outbox.events`."""
        rows = await self._journal.look(lambda connection: connection.fetch(_EVENTS, tenant, after, limit))
        return [_kept(*row) for row in rows]

    async def replay(self, tenant: str, endpoint: str, after: int, until: int | None, *, only_dead: bool) -> Replayed:
        """See `Outbox.replay`."""

        async def replay(connection: Connection) -> Replayed:
            await connection.execute("DELETE FROM disabled_endpoints WHERE endpoint = $1", endpoint)
            rows = await connection.fetch(_SENT, endpoint, tenant, after, until, REPLAY_EVENTS)
            again = [
                (endpoint, seq)
                for seq, type, room, is_dead in rows
                if endpoint in self.route(type, tenant, room) and (is_dead if only_dead else is_dead is not False)
            ]
            await connection.executemany(_AGAIN, again)
            return Replayed(len(again), rows[-1][0] if rows else after)

        return await self._journal.write(replay)

    async def standing(self) -> Sequence[Standing]:
        """See `Outbox.standing`."""
        await self._journal.flush()
        rows = await self._journal.look(
            lambda connection: connection.fetch(
                "SELECT tenant, kind, place, user_id, value FROM standings WHERE value IS NOT NULL"
            )
        )
        return [Standing(*row) for row in rows]

    async def erase(self, tenant: str, user_id: str) -> list[int]:
        """See `Outbox.erase`."""
        await self._journal.flush()

        async def erase(connection: Connection) -> list[int]:
            await connection.execute("DELETE FROM standings WHERE tenant = $1 AND user_id = $2", tenant, user_id)
            gone = "DELETE FROM events WHERE tenant = $1 AND user_id = $2 RETURNING seq"
            return sorted([seq for (seq,) in await connection.fetch(gone, tenant, user_id)])

        return await self._journal.write(erase)

    async def _change(self, statement: str, *values: object) -> int:
        async def change(connection: Connection) -> int:
            return changed(await connection.execute(statement, *values))

        return await self._journal.write(change)

    async def _change_all(self, statement: str, *values: object) -> int:
        """Part by part, until nothing is left to change; how many."""
        done = 0
        while part := await self._change(statement, *values, PART_DELIVERIES):
            done += part
        return done


def _kept(seq: int, id: str, type: str, at: int, data: bytes, waiting: list[str], dead: list[str]) -> KeptEvent:
    return KeptEvent(seq, id, type, at, envelope(seq, id, type, at, data), tuple(waiting), tuple(dead))
