"""The outbox in the journal's SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec

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
from hereabouts.journal.sqlite_events import write
from hereabouts.journal.sqlite_file import Threads, transaction

REPLAY_EVENTS: Final = 10_000
"""Events that one call of `replay` looks at; no other write waits for longer than that takes."""


class SqliteOutbox(Outbox):
    """See the module. Belongs to a journal, in whose threads it reads and writes."""

    def __init__(self, journal: Threads) -> None:
        self._journal = journal
        self.route = lambda type, tenant, room: ()
        self.kinds: frozenset[StandingKind] = frozenset()
        self.on_events: Callable[[], None] = lambda: None

    def add(self, connection: sqlite3.Connection, row: OutboxRow) -> None:
        """Write a row; in the writer's thread, inside a transaction."""
        if row.kind in self.kinds:
            write(connection, row, self.route)

    async def waiting(self, endpoint: str, after: int, limit: int) -> list[Delivery]:
        """See `Outbox.waiting`."""

        def read(connection: sqlite3.Connection) -> list[Delivery]:
            rows = connection.execute(
                "SELECT seq, id, type, at, data, tenant, subject, attempts, first_tried_at"
                " FROM deliveries JOIN events USING (seq) WHERE endpoint = ? AND is_dead = 0 AND seq > ?"
                " ORDER BY seq LIMIT ?",
                (endpoint, after, limit),
            )
            return [Delivery(row[0], row[1], row[5], row[6], envelope(*row[:5]), row[7], row[8]) for row in rows]

        return await self._journal.read(read)

    async def delivered(self, endpoint: str, seq: int) -> None:
        """See `Outbox.delivered`."""
        await self._change("DELETE FROM deliveries WHERE endpoint = ? AND seq = ?", endpoint, seq)

    async def failed(self, endpoint: str, seq: int, at: int, error: str, *, is_dead: bool) -> None:
        """See `Outbox.failed`."""
        await self._change(
            "UPDATE deliveries SET attempts = attempts + 1, first_tried_at = ifnull(first_tried_at, ?), error = ?,"
            " is_dead = max(is_dead, ?) WHERE endpoint = ? AND seq = ?",
            *(at, error, int(is_dead), endpoint, seq),
        )

    async def disable(self, endpoint: str, at: int) -> None:
        """See `Outbox.disable`."""

        def disable(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.execute("INSERT OR IGNORE INTO disabled_endpoints VALUES (?, ?)", (endpoint, at))
                connection.execute("UPDATE deliveries SET is_dead = 1 WHERE endpoint = ? AND NOT is_dead", (endpoint,))

        await self._journal.write(disable)

    async def keep_only(self, endpoints: Collection[str]) -> int:
        """See `Outbox.keep_only`."""
        known = msgspec.json.encode(sorted(endpoints)).decode()
        return await self._change(
            "DELETE FROM deliveries WHERE endpoint NOT IN (SELECT value FROM json_each(?))", known
        )

    async def state(self, endpoint: str) -> EndpointState:
        """See `Outbox.state`."""

        def read(connection: sqlite3.Connection) -> EndpointState:
            counts = connection.execute(
                "SELECT count(*) FILTER (WHERE is_dead = 0), count(*) FILTER (WHERE is_dead = 1)"
                " FROM deliveries WHERE endpoint = ?",
                (endpoint,),
            ).fetchone()
            oldest = connection.execute(
                "SELECT at FROM deliveries JOIN events USING (seq) WHERE endpoint = ? AND is_dead = 0"
                " ORDER BY seq LIMIT 1",
                (endpoint,),
            ).fetchone()
            disabled = connection.execute(
                "SELECT disabled_at FROM disabled_endpoints WHERE endpoint = ?", (endpoint,)
            ).fetchone()
            return EndpointState(counts[0], counts[1], oldest and oldest[0], disabled and disabled[0])

        return await self._journal.read(read)

    async def events(self, tenant: str, after: int, limit: int) -> list[KeptEvent]:
        """See `Outbox.events`."""

        def read(connection: sqlite3.Connection) -> list[KeptEvent]:
            rows = connection.execute(
                "SELECT seq, id, type, at, data FROM events WHERE tenant = ? AND seq > ? ORDER BY seq LIMIT ?",
                (tenant, after, limit),
            ).fetchall()
            return [_kept(connection, row) for row in rows]

        return await self._journal.read(read)

    async def replay(self, tenant: str, endpoint: str, after: int, until: int | None, *, only_dead: bool) -> Replayed:
        """See `Outbox.replay`."""

        def replay(connection: sqlite3.Connection) -> Replayed:
            with transaction(connection):
                connection.execute("DELETE FROM disabled_endpoints WHERE endpoint = ?", (endpoint,))
                rows = connection.execute(
                    "SELECT events.seq, type, room, is_dead FROM events"
                    " LEFT JOIN deliveries ON deliveries.seq = events.seq AND endpoint = ?"
                    " WHERE tenant = ? AND events.seq > ? AND (? IS NULL OR events.seq <= ?)"
                    " ORDER BY events.seq LIMIT ?",
                    (endpoint, tenant, after, until, until, REPLAY_EVENTS),
                ).fetchall()
                again = [
                    (endpoint, seq)
                    for seq, type, room, is_dead in rows
                    if endpoint in self.route(type, tenant, room) and (is_dead if only_dead else is_dead != 0)
                ]
                connection.executemany(
                    "INSERT INTO deliveries (endpoint, seq) VALUES (?, ?) ON CONFLICT DO UPDATE SET"
                    " is_dead = 0, attempts = 0, first_tried_at = NULL, error = NULL",
                    again,
                )
            return Replayed(len(again), rows[-1][0] if rows else after)

        return await self._journal.write(replay)

    async def standing(self) -> Sequence[Standing]:
        """See `Outbox.standing`."""
        await self._journal.flush()

        def read(connection: sqlite3.Connection) -> list[Standing]:
            rows = connection.execute("SELECT tenant, kind, place, user_id, value FROM standings")
            return [Standing(*row) for row in rows]

        return await self._journal.read(read)

    async def erase(self, tenant: str, user_id: str) -> list[int]:
        """See `Outbox.erase`."""
        await self._journal.flush()

        def erase(connection: sqlite3.Connection) -> list[int]:
            of_user = (tenant, user_id)
            with transaction(connection):
                connection.execute("DELETE FROM standings WHERE tenant = ? AND user_id = ?", of_user)
                named = connection.execute("SELECT seq FROM events WHERE tenant = ? AND user_id = ?", of_user)
                positions = [seq for (seq,) in named]
                connection.execute("DELETE FROM events WHERE tenant = ? AND user_id = ?", of_user)
            return positions

        return await self._journal.write(erase)

    async def _change(self, statement: str, *values: object) -> int:
        return await self._journal.write(lambda connection: connection.execute(statement, values).rowcount)


def _kept(connection: sqlite3.Connection, row: tuple[int, str, str, int, bytes]) -> KeptEvent:
    deliveries = connection.execute(
        "SELECT endpoint, is_dead FROM deliveries WHERE seq = ? ORDER BY endpoint", (row[0],)
    ).fetchall()
    waiting = tuple(endpoint for endpoint, is_dead in deliveries if not is_dead)
    dead = tuple(endpoint for endpoint, is_dead in deliveries if is_dead)
    return KeptEvent(*row[:4], envelope(*row), waiting, dead)
