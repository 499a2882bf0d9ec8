"""What SQLite stores of one user."""

from __future__ import annotations

import sqlite3
from functools import partial

from hereabouts.journal.personal import PERSONAL, Personal
from hereabouts.journal.sqlite_audit import SqliteAudit
from hereabouts.journal.sqlite_file import Threads, transaction
from hereabouts.journal.sqlite_state import sync
from hereabouts.journal.subjects import Stored, Subjects


class SqliteSubjects(Subjects):
    """See `Subjects`."""

    def __init__(self, journal: Threads, audit: SqliteAudit) -> None:
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
        await self._journal.write(_write_back)
        return {**erased, "audit": renamed} if renamed else erased


def _where(personal: Personal) -> str:
    named = " OR ".join(f"{name} = :user_id" for name in personal.names)
    return f"tenant = :tenant AND ({named}) AND {personal.fixed}"


def _export(connection: sqlite3.Connection, tenant: str, user_id: str) -> Stored:
    told = {"tenant": tenant, "user_id": user_id}
    stored: Stored = {}
    for personal in PERSONAL:
        stored[personal.table] = _rows(connection, f"SELECT * FROM {personal.table} WHERE {_where(personal)}", told)
    audit = "SELECT * FROM audit WHERE tenant = :tenant AND (user_id = :user_id OR actor = 'user:' || :user_id)"
    stored["audit"] = _rows(connection, audit, told)
    return {table: rows for table, rows in stored.items() if rows}


def _rows(connection: sqlite3.Connection, sql: str, told: dict[str, str]) -> list[dict[str, object]]:
    cursor = connection.execute(sql, told)
    columns = [column for column, *_ in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor]


def _erase(connection: sqlite3.Connection, tenant: str, user_id: str, alias: str) -> dict[str, int]:
    told = {"tenant": tenant, "user_id": user_id, "alias": alias}
    erased: dict[str, int] = {}
    with transaction(connection):
        for personal in PERSONAL:
            if not personal.is_kept:
                erased[personal.table] = connection.execute(_erasure(personal), told).rowcount
    sync(connection)
    return {table: rows for table, rows in erased.items() if rows}


def _write_back(connection: sqlite3.Connection) -> None:
    """Empty the log of changes, which still holds what was deleted. Where somebody reads it is done a little later."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _erasure(personal: Personal) -> str:
    if not personal.is_shared:
        return f"DELETE FROM {personal.table} WHERE {_where(personal)}"
    renamed = ", ".join(f"{name} = iif({name} = :user_id, :alias, {name})" for name in personal.names)
    return f"UPDATE {personal.table} SET {renamed} WHERE {_where(personal)}"
