"""Who holds what, in PostgreSQL: decided there, in one transaction, so that it is exclusive whichever node is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar

from msgspec.structs import astuple

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
from hereabouts.journal.postgres_outbox import PostgresOutbox
from hereabouts.journal.postgres_pool import Connection, Transactions
from hereabouts.journal.postgres_rows import Tell

T = TypeVar("T")

_HOLDING: Final = "tenant, resource, user_id, since_at, fencing, last_active_at, name, role, ends_with_sessions"
_ROW: Final = "tenant, kind, seq, event, resource, user_id, fencing, since_at, at, from_resource, loser_id, cause"
_ROW_LENGTH: Final = len(_ROW.split(","))

_STEPS: Final = f"""
    SELECT {qualified("event", _ROW)}, {qualified("held", _HOLDING)} FROM occupancy_events AS event
    LEFT JOIN occupancies AS held USING (tenant, resource, user_id, fencing)
    WHERE event.tenant = $1 AND event.kind = $2 AND event.seq > $3 ORDER BY event.seq LIMIT $4
"""

# What changes once it is there: how active the holder is, and the name that is shown.
_PUT: Final = f"""
    INSERT INTO occupancies ({_HOLDING}, kind) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (tenant, resource, user_id) DO UPDATE SET
        since_at = excluded.since_at, fencing = excluded.fencing, last_active_at = excluded.last_active_at,
        name = excluded.name, role = excluded.role, ends_with_sessions = excluded.ends_with_sessions
"""

_GONE: Final = "DELETE FROM occupancies WHERE tenant = $1 AND resource = $2 AND user_id = $3"

_EVENT: Final = f"INSERT INTO occupancy_events ({_ROW}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"


class PostgresOccupancies(Occupancies):
    """See the module. The outbox hears of it in the same transaction."""

    def __init__(self, journal: Transactions, outbox: PostgresOutbox) -> None:
        self._journal = journal
        self._outbox = outbox

    async def occupy(self, ask: Ask, terms: Terms, at: int) -> Granted | Refused | Cooling:
        """See `Occupancies.occupy`."""
        return await self._decide(partial(_occupy, ask=ask, terms=terms, at=at, tell=self._outbox.add))

    async def release(self, giving: Giving, at: int) -> Ended | Lost:
        """See `Occupancies.release`."""
        return await self._decide(partial(_release, giving=giving, at=at, tell=self._outbox.add))

    async def _decide(self, act: Callable[[Connection], Awaitable[T]]) -> T:
        decision = await self._journal.write(act)
        self._outbox.on_events()
        return decision

    async def standing(self) -> list[Standing]:
        """See `Occupancies.standing`."""
        return await self._journal.read(_standing)

    async def history(self, tenant: str, kind: str, since: int = 0, limit: int = 1_000) -> list[OccupancyRow]:
        """See `Occupancies.history`."""
        return await self._journal.look(partial(_history, tenant=tenant, kind=kind, since=since, limit=limit))

    async def steps(self, tenant: str, kind: str, since: int, limit: int = 1_000) -> list[Step]:
        """See `Occupancies.steps`."""
        return await self._journal.look(partial(_steps, tenant=tenant, kind=kind, since=since, limit=limit))

    async def positions(self) -> dict[tuple[str, str], Position]:
        """See `Occupancies.positions`."""
        return await self._journal.look(_positions)

    async def of_user(self, tenant: str, user_id: str) -> list[Holding]:
        """See `Occupancies.of_user`."""
        return await self._journal.look(partial(_of_user, tenant=tenant, user_id=user_id))

    async def alive_at(self) -> int | None:
        """See `Occupancies.alive_at`."""
        return await self._journal.look(_alive_at)


async def _occupy(connection: Connection, ask: Ask, terms: Terms, at: int, tell: Tell) -> Granted | Refused | Cooling:
    kind = kind_of(ask.resource)
    seq, fencing = await _locked(connection, ask.tenant, kind)
    held = await _holdings(connection, "tenant = $1 AND resource = $2", ask.tenant, ask.resource)
    own = await _holdings(connection, "tenant = $1 AND user_id = $2 AND kind = $3", ask.tenant, ask.user_id, kind)
    decision = occupy(held, own, ask, terms, fencing + 1, at, await _lost_at(connection, ask, terms, at))
    if isinstance(decision, Granted):
        await _keep(connection, decision.happenings, seq, at, tell)
        await connection.execute(_PUT, *astuple(decision.holding), kind)
        if decision.happenings:
            await _count(connection, ask.tenant, kind, seq + len(decision.happenings), decision.holding.fencing)
    return decision


async def _release(connection: Connection, giving: Giving, at: int, tell: Tell) -> Ended | Lost:
    kind = kind_of(giving.resource)
    seq, fencing = await _locked(connection, giving.tenant, kind)
    held = await _holdings(connection, "tenant = $1 AND resource = $2", giving.tenant, giving.resource)
    decision = release(held, giving)
    if isinstance(decision, Ended):
        await _keep(connection, decision.happenings, seq, at, tell)
        await _count(connection, giving.tenant, kind, seq + len(decision.happenings), fencing)
    return decision


async def _locked(connection: Connection, tenant: str, kind: str) -> tuple[int, int]:
    """The newest place and fencing number of a kind. Until the transaction ends nobody else decides of it.

    What is read after it is what the one before left: each statement sees all that was committed when it began.
    """
    ours = "SELECT seq, fencing FROM occupancy_kinds WHERE tenant = $1 AND kind = $2 FOR UPDATE"
    row = await connection.fetchrow(ours, tenant, kind)
    if row is None:
        await connection.execute(
            "INSERT INTO occupancy_kinds VALUES ($1, $2, $3, 0, 0) ON CONFLICT DO NOTHING", tenant, kind, new_epoch()
        )
        row = await connection.fetchrow(ours, tenant, kind)
    return row["seq"], row["fencing"]


async def _count(connection: Connection, tenant: str, kind: str, seq: int, fencing: int) -> None:
    await connection.execute(
        "UPDATE occupancy_kinds SET seq = $3, fencing = $4 WHERE tenant = $1 AND kind = $2", tenant, kind, seq, fencing
    )


async def _lost_at(connection: Connection, ask: Ask, terms: Terms, at: int) -> int | None:
    if not terms.cooldown_seconds:
        return None
    rows = await connection.fetch(
        f"SELECT {_ROW} FROM occupancy_events WHERE tenant = $1 AND kind = $2 AND at > $3",
        *(ask.tenant, kind_of(ask.resource), at - int(terms.cooldown_seconds * 1000)),
    )
    return lost_at((OccupancyRow(*row) for row in rows), ask)


async def _holdings(connection: Connection, where: str, *values: Any) -> list[Holding]:
    rows = await connection.fetch(f"SELECT {_HOLDING} FROM occupancies WHERE {where} ORDER BY fencing", *values)
    return [Holding(*row) for row in rows]


async def _keep(connection: Connection, happenings: tuple[Happening, ...], seq: int, at: int, tell: Tell) -> None:
    for holding in gone(happenings):
        await connection.execute(_GONE, holding.tenant, holding.resource, holding.user_id)
    for happened in rows_of(happenings, seq, at):
        await connection.execute(_EVENT, *astuple(happened))
    await tell(connection, outward_rows(happenings, at))


async def _standing(connection: Connection) -> list[Standing]:
    kinds = await connection.fetch("SELECT tenant, kind, epoch, seq FROM occupancy_kinds WHERE seq > 0")
    held: dict[tuple[str, str], list[Holding]] = {}
    for holding in await _holdings(connection, "TRUE"):
        held.setdefault((holding.tenant, holding.kind), []).append(holding)
    return [
        Standing(tenant, kind, Position(epoch, seq), tuple(held.get((tenant, kind), ())))
        for tenant, kind, epoch, seq in kinds
    ]


async def _history(connection: Connection, tenant: str, kind: str, since: int, limit: int) -> list[OccupancyRow]:
    rows = await connection.fetch(
        f"SELECT {_ROW} FROM occupancy_events WHERE tenant = $1 AND kind = $2 AND seq > $3 ORDER BY seq LIMIT $4",
        *(tenant, kind, since, limit),
    )
    return [OccupancyRow(*row) for row in rows]


async def _steps(connection: Connection, tenant: str, kind: str, since: int, limit: int) -> list[Step]:
    rows = [tuple(row) for row in await connection.fetch(_STEPS, tenant, kind, since, limit)]
    return [Step(OccupancyRow(*row[:_ROW_LENGTH]), _holding(row[_ROW_LENGTH:])) for row in rows]


def _holding(row: tuple[Any, ...]) -> Holding | None:
    return Holding(*row) if row[-1] is not None else None


async def _positions(connection: Connection) -> dict[tuple[str, str], Position]:
    rows = await connection.fetch("SELECT tenant, kind, epoch, seq FROM occupancy_kinds WHERE seq > 0")
    return {(tenant, kind): Position(epoch, seq) for tenant, kind, epoch, seq in rows}


async def _of_user(connection: Connection, tenant: str, user_id: str) -> list[Holding]:
    return await _holdings(connection, "tenant = $1 AND user_id = $2", tenant, user_id)


async def _alive_at(connection: Connection) -> int | None:
    found: int | None = await connection.fetchval("SELECT max(alive_at) FROM nodes")
    return found
