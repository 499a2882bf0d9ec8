"""What PostgreSQL stores of one user."""

from __future__ import annotations

from functools import partial
from typing import Any

from hereabouts.journal.personal import PERSONAL, Personal
from hereabouts.journal.postgres_audit import PostgresAudit
from hereabouts.journal.postgres_pool import Connection, Transactions
from hereabouts.journal.postgres_state import changed
from hereabouts.journal.subjects import Stored, Subjects

_AUDIT = "SELECT * FROM audit WHERE tenant = $1 AND (user_id = $2 OR actor = 'user:' || $2)"


class PostgresSubjects(Subjects):
    """See `Subjects`."""

    def __init__(self, journal: Transactions, audit: PostgresAudit) -> None:
        self._journal = journal
        self._audit = audit

    async def export(self, tenant: str, user_id: str) -> Stored:
        """See `Subjects.export`."""
        await self._journal.flush()
        return await self._journal.read(partial(_export, tenant=tenant, user_id=user_id))

    async def erase(self, tenant: str, user_id: str, alias: str) -> dict[str, int]:
        """See `Subjects.erase`."""
        # What waits would be written after what is written was deleted.
        await self._journal.flush()
        erased = await self._journal.write(partial(_erase, tenant=tenant, user_id=user_id, alias=alias))
        renamed = await self._audit.rename(tenant, user_id, alias)
        return {**erased, "audit": renamed} if renamed else erased


def _where(personal: Personal) -> str:
    named = " OR ".join(f"{name} = $2" for name in personal.names)
    return f"tenant = $1 AND ({named}) AND {personal.fixed}"


async def _export(connection: Connection, tenant: str, user_id: str) -> Stored:
    stored: Stored = {}
    for personal in PERSONAL:
        found = f"SELECT * FROM {personal.table} WHERE {_where(personal)}"
        stored[personal.table] = _named(await connection.fetch(found, tenant, user_id))
    stored["audit"] = _named(await connection.fetch(_AUDIT, tenant, user_id))
    return {table: rows for table, rows in stored.items() if rows}


def _named(rows: list[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]


async def _erase(connection: Connection, tenant: str, user_id: str, alias: str) -> dict[str, int]:
    erased: dict[str, int] = {}
    for personal in PERSONAL:
        if personal.is_shared:
            renamed = ", ".join(f"{name} = CASE {name} WHEN $2 THEN $3 ELSE {name} END" for name in personal.names)
            done = f"UPDATE {personal.table} SET {renamed} WHERE {_where(personal)}"
            erased[personal.table] = changed(await connection.execute(done, tenant, user_id, alias))
        elif not personal.is_kept:
            done = f"DELETE FROM {personal.table} WHERE {_where(personal)}"
            erased[personal.table] = changed(await connection.execute(done, tenant, user_id))
    return {table: rows for table, rows in erased.items() if rows}
