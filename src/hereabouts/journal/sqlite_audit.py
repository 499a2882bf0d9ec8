"""The audit in the SQLite journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec

from hereabouts.journal.audit import ANYTHING, Act, Audit, AuditEntry, AuditFilter
from hereabouts.journal.sqlite_file import Threads, transaction
from hereabouts.journal.sqlite_state import sync

_COLUMNS: Final = "tenant, at, actor, action, target, user_id, reason, origin, details"

_CONDITIONS: Final = {
    "actor": "actor = ?",
    "action": "action = ?",
    "target": "target = ?",
    "user_id": "user_id = ?",
    "since_at": "at >= ?",
    "until_at": "at < ?",
}


class SqliteAudit(Audit):
    """See `Audit`."""

    def __init__(self, journal: Threads) -> None:
        self._journal = journal

    async def note(self, acts: Sequence[Act]) -> None:
        """See `Audit.note`."""
        await self._journal.write(partial(_note, acts=acts))

    async def find(
        self, tenant: str, which: AuditFilter = ANYTHING, *, before_id: int | None = None, limit: int = 100
    ) -> list[AuditEntry]:
        """See `Audit.find`."""
        return await self._journal.read(partial(_find, tenant=tenant, which=which, before_id=before_id, limit=limit))

    async def rename(self, tenant: str, user_id: str, alias: str) -> int:
        """See `Audit.rename`."""
        return await self._journal.write(partial(_rename, tenant=tenant, user_id=user_id, alias=alias))


def _note(connection: sqlite3.Connection, acts: Sequence[Act]) -> None:
    rows = [
        (
            act.tenant,
            act.at,
            act.actor,
            act.action,
            act.target,
            act.user_id,
            act.reason,
            act.origin,
            msgspec.json.encode(act.details).decode(),
        )
        for act in acts
    ]
    with transaction(connection):
        connection.executemany(f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    sync(connection)


def _find(
    connection: sqlite3.Connection, tenant: str, which: AuditFilter, before_id: int | None, limit: int
) -> list[AuditEntry]:
    told = {name: getattr(which, name) for name in _CONDITIONS}
    asked = {name: value for name, value in told.items() if value is not None}
    conditions = ["tenant = ?", *(_CONDITIONS[name] for name in asked)]
    values: list[Any] = [tenant, *asked.values()]
    if before_id is not None:
        conditions.append("id < ?")
        values.append(before_id)
    rows = connection.execute(
        f"SELECT id, {_COLUMNS} FROM audit WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?", (*values, limit)
    )
    return [_entry(*row) for row in rows]


def _entry(id: int, *told: Any) -> AuditEntry:
    *plain, details = told
    return AuditEntry(id, Act(*(*plain, msgspec.json.decode(details))))


def _rename(connection: sqlite3.Connection, tenant: str, user_id: str, alias: str) -> int:
    name = f"user:{user_id}"
    with transaction(connection):
        changed = connection.execute(
            """
            UPDATE audit SET
                actor = CASE actor WHEN :name THEN :new_name ELSE actor END,
                target = CASE target WHEN :name THEN :new_name ELSE target END,
                user_id = CASE user_id WHEN :user_id THEN :alias ELSE user_id END,
                origin = CASE actor WHEN :name THEN NULL ELSE origin END,
                reason = NULL,
                details = '{}'
            WHERE tenant = :tenant AND (actor = :name OR target = :name OR user_id = :user_id)
            """,
            {"tenant": tenant, "name": name, "new_name": f"user:{alias}", "user_id": user_id, "alias": alias},
        ).rowcount
    sync(connection)
    return changed
