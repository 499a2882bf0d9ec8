"""Who holds what, in the journal's SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from msgspec.structs import astuple, replace

from hereabouts.engine.occupancy import (
    Ask,
    Cooling,
    Ended,
    Giving,
    Granted,
    Happening,
    Holding,
    Lost,
    Refused,
    Terms,
    gone,
    kind_of,
    occupy,
    release,
)
from hereabouts.journal.occupancies import (
    Occupancies,
    OccupancyRow,
    Position,
    Standing,
    Step,
    lost_at,
    new_epoch,
    outward_rows,
    qualified,
    rows_of,
)
from hereabouts.journal.outbox import OutboxRow
from hereabouts.journal.sqlite_file import Threads, transaction
from hereabouts.journal.sqlite_outbox import SqliteOutbox
from hereabouts.journal.sqlite_state import sync

T = TypeVar("T")

_HOLDING: Final = "tenant, resource, user_id, since_at, fencing, last_active_at, name, role, ends_with_sessions"
_ROW: Final = "tenant, kind, seq, event, resource, user_id, fencing, since_at, at, from_resource, loser_id, cause"
_ROW_LENGTH: Final = len(_ROW.split(","))

_STEPS: Final = f"""
    SELECT {qualified("event", _ROW)}, {qualified("held", _HOLDING)} FROM occupancy_events AS event
    LEFT JOIN occupancies AS held USING (tenant, resource, user_id, fencing)
    WHERE event.tenant = ? AND event.kind = ? AND event.seq > ? ORDER BY event.seq LIMIT ?
"""


Tell = Callable[[sqlite3.Connection, OutboxRow], None]
"""Writes word of it to other servers, in the same transaction."""


class SqliteOccupancies(Occupancies):
    """See the module."""

    def __init__(self, journal: Threads, outbox: SqliteOutbox) -> None:
        self._journal = journal
        self._outbox = outbox

    async def occupy(self, ask: Ask, terms: Terms, at: int) -> Granted | Refused | Cooling:
        """See `Occupancies.occupy`."""
        decision = await self._journal.write(partial(_occupy, ask=ask, terms=terms, at=at, tell=self._outbox.add))
        self._outbox.on_events()
        return decision

    async def release(self, giving: Giving, at: int) -> Ended | Lost:
        """See `Occupancies.release`."""
        decision = await self._journal.write(partial(_release, giving=giving, at=at, tell=self._outbox.add))
        self._outbox.on_events()
        return decision

    async def standing(self) -> list[Standing]:
        """See `Occupancies.standing`."""
        return await self._journal.read(_standing)

    async def history(self, tenant: str, kind: str, since: int = 0, limit: int = 1_000) -> list[OccupancyRow]:
        """See `Occupancies.history`."""
        return await self._journal.read(partial(_history, tenant=tenant, kind=kind, since=since, limit=limit))

    async def steps(self, tenant: str, kind: str, since: int, limit: int = 1_000) -> list[Step]:
        """See `Occupancies.steps`."""
        return await self._journal.read(partial(_steps, tenant=tenant, kind=kind, since=since, limit=limit))

    async def positions(self) -> dict[tuple[str, str], Position]:
        """See `Occupancies.positions`."""
        return await self._journal.read(_positions)

    async def of_user(self, tenant: str, user_id: str) -> list[Holding]:
        """See `Occupancies.of_user`."""
        return await self._journal.read(partial(_of_user, tenant=tenant, user_id=user_id))

    async def alive_at(self) -> int | None:
        """See `Occupancies.alive_at`."""
        return await self._journal.read(_alive_at)


def _occupy(connection: sqlite3.Connection, ask: Ask, terms: Terms, at: int, tell: Tell) -> Granted | Refused | Cooling:
    kind = kind_of(ask.resource)
    with transaction(connection):
        epoch, seq, fencing = _counters(connection, ask.tenant, kind)
        held = _holdings(connection, "tenant = ? AND resource = ?", (ask.tenant, ask.resource))
        own = _holdings(connection, "tenant = ? AND user_id = ? AND kind = ?", (ask.tenant, ask.user_id, kind))
        decision = occupy(held, own, ask, terms, fencing + 1, at, _lost_at(connection, ask, terms, at))
        if not isinstance(decision, Granted):
            return decision
        _keep(connection, decision.happenings, seq, at, tell)
        _put(connection, decision.holding)
        if decision.happenings:
            counters = (ask.tenant, kind, epoch, seq + len(decision.happenings), decision.holding.fencing)
            connection.execute("INSERT OR REPLACE INTO occupancy_kinds VALUES (?, ?, ?, ?, ?)", counters)
    if decision.happenings:
        sync(connection)
    return decision


def _release(connection: sqlite3.Connection, giving: Giving, at: int, tell: Tell) -> Ended | Lost:
    kind = kind_of(giving.resource)
    with transaction(connection):
        held = _holdings(connection, "tenant = ? AND resource = ?", (giving.tenant, giving.resource))
        decision = release(held, giving)
        if isinstance(decision, Lost):
            return decision
        epoch, seq, fencing = _counters(connection, giving.tenant, kind)
        _keep(connection, decision.happenings, seq, at, tell)
        counters = (giving.tenant, kind, epoch, seq + len(decision.happenings), fencing)
        connection.execute("INSERT OR REPLACE INTO occupancy_kinds VALUES (?, ?, ?, ?, ?)", counters)
    sync(connection)
    return decision


def _counters(connection: sqlite3.Connection, tenant: str, kind: str) -> tuple[str, int, int]:
    found = connection.execute(
        "SELECT epoch, seq, fencing FROM occupancy_kinds WHERE tenant = ? AND kind = ?", (tenant, kind)
    ).fetchone()
    return found or (new_epoch(), 0, 0)


def _lost_at(connection: sqlite3.Connection, ask: Ask, terms: Terms, at: int) -> int | None:
    if not terms.cooldown_seconds:
        return None
    rows = connection.execute(
        f"SELECT {_ROW} FROM occupancy_events WHERE tenant = ? AND kind = ? AND at > ?",
        (ask.tenant, kind_of(ask.resource), at - int(terms.cooldown_seconds * 1000)),
    )
    return lost_at((OccupancyRow(*row) for row in rows), ask)


def _holdings(connection: sqlite3.Connection, where: str, values: Sequence[Any]) -> list[Holding]:
    rows = connection.execute(f"SELECT {_HOLDING} FROM occupancies WHERE {where} ORDER BY fencing", values)
    return [holding for row in rows if (holding := _holding(row)) is not None]


def _holding(row: Sequence[Any]) -> Holding | None:
    return replace(Holding(*row), ends_with_sessions=bool(row[-1])) if row[-1] is not None else None


def _keep(connection: sqlite3.Connection, happenings: tuple[Happening, ...], seq: int, at: int, tell: Tell) -> None:
    connection.executemany(
        "DELETE FROM occupancies WHERE tenant = ? AND resource = ? AND user_id = ?",
        [(holding.tenant, holding.resource, holding.user_id) for holding in gone(happenings)],
    )
    _insert(connection, "occupancy_events", _ROW, [astuple(row) for row in rows_of(happenings, seq, at)])
    for row in outward_rows(happenings, at):
        tell(connection, row)


def _put(connection: sqlite3.Connection, holding: Holding) -> None:
    _insert(connection, "occupancies", f"{_HOLDING}, kind", [(*astuple(holding), holding.kind)])


def _insert(connection: sqlite3.Connection, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
    places = ", ".join("?" * len(columns.split(",")))
    connection.executemany(f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({places})", rows)


def _standing(connection: sqlite3.Connection) -> list[Standing]:
    # One read transaction, so that the positions are those of the holdings.
    connection.execute("BEGIN")
    try:
        kinds = connection.execute("SELECT tenant, kind, epoch, seq FROM occupancy_kinds").fetchall()
        return [
            Standing(
                tenant,
                kind,
                Position(epoch, seq),
                tuple(_holdings(connection, "tenant = ? AND kind = ?", (tenant, kind))),
            )
            for tenant, kind, epoch, seq in kinds
        ]
    finally:
        connection.execute("COMMIT")


def _history(connection: sqlite3.Connection, tenant: str, kind: str, since: int, limit: int) -> list[OccupancyRow]:
    rows = connection.execute(
        f"SELECT {_ROW} FROM occupancy_events WHERE tenant = ? AND kind = ? AND seq > ? ORDER BY seq LIMIT ?",
        (tenant, kind, since, limit),
    )
    return [OccupancyRow(*row) for row in rows]


def _steps(connection: sqlite3.Connection, tenant: str, kind: str, since: int, limit: int) -> list[Step]:
    rows = connection.execute(_STEPS, (tenant, kind, since, limit))
    return [Step(OccupancyRow(*row[:_ROW_LENGTH]), _holding(row[_ROW_LENGTH:])) for row in rows]


def _positions(connection: sqlite3.Connection) -> dict[tuple[str, str], Position]:
    rows = connection.execute("SELECT tenant, kind, epoch, seq FROM occupancy_kinds")
    return {(tenant, kind): Position(epoch, seq) for tenant, kind, epoch, seq in rows}


def _of_user(connection: sqlite3.Connection, tenant: str, user_id: str) -> list[Holding]:
    return _holdings(connection, "tenant = ? AND user_id = ?", (tenant, user_id))


def _alive_at(connection: sqlite3.Connection) -> int | None:
    found: int | None = connection.execute("SELECT max(alive_at) FROM nodes").fetchone()[0]
    return found
