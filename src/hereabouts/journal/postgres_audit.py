"""The audit in the PostgreSQL journal."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec

from hereabouts.journal.audit import ANYTHING, Act, Audit, AuditEntry, AuditFilter
from hereabouts.journal.postgres_pool import Connection, Transactions
from hereabouts.journal.postgres_state import changed

_COLUMNS: Final = "tenant, at, actor, action, target, user_id, reason, origin, details"

_CONDITIONS: Final = {
    "actor": "actor =",
    "action": "action =",
    "target": "target =",
    "user_id": "user_id =",
    "since_at": "at >=",
    "until_at": "at <",
}

_RENAME: Final = """
    UPDATE audit SET
        actor = CASE actor WHEN $2 THEN $3 ELSE actor END,
        target = CASE target WHEN $2 THEN $3 ELSE target END,
        user_id = CASE user_id WHEN $4 THEN $5 ELSE user_id END,
        origin = CASE actor WHEN $2 THEN NULL ELSE origin END,
        reason = NULL,
        details = '{}'
    WHERE tenant = $1 AND (actor = $2 OR target = $2 OR user_id = $4)
"""


class PostgresAudit(Audit):
    """See `Audit`."""

    def __init__(self, journal: Transactions) -> None:
        self._journal = journal

    async def note(self, acts: Sequence[Act]) -> None:
        """See `Audit.note`."""
        await self._journal.write(partial(_note, acts=acts))

    async def find(
        self, tenant: str, which: AuditFilter = ANYTHING, *, before_id: int | None = None, limit: int = 100
    ) -> list[AuditEntry]:
        """See `Audit.find`."""
        return await self._journal.look(partial(_find, tenant=tenant, which=which, before_id=before_id, limit=limit))

    async def rename(self, tenant: str, user_id: str, alias: str) -> int:
        """See `Audit.rename`."""
        return await self._journal.write(partial(_rename, tenant=tenant, user_id=user_id, alias=alias))


async def _note(connection: Connection, acts: Sequence[Act]) -> None:
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
    await connection.executemany(f"INSERT INTO audit ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", rows)


async def _find(
    connection: Connection, tenant: str, which: AuditFilter, before_id: int | None, limit: int
) -> list[AuditEntry]:
    asked: list[tuple[str, Any]] = [("tenant =", tenant)]
    asked += [(condition, getattr(which, name)) for name, condition in _CONDITIONS.items()]
    asked.append(("id <", before_id))
    asked = [(condition, value) for condition, value in asked if value is not None]
    where = " AND ".join(f"{condition} ${place}" for place, (condition, _) in enumerate(asked, 2))
    rows = await connection.fetch(
        f"SELECT id, {_COLUMNS} FROM audit WHERE {where} ORDER BY id DESC LIMIT $1",
        *(limit, *(value for _, value in asked)),
    )
    return [_entry(*row) for row in rows]


def _entry(id: int, *told: Any) -> AuditEntry:
    *plain, details = told
    return AuditEntry(id, Act(*(*plain, msgspec.json.decode(details))))


async def _rename(connection: Connection, tenant: str, user_id: str, alias: str) -> int:
    names = (f"user:{user_id}", f"user:{alias}")
    return changed(await connection.execute(_RENAME, tenant, *names, user_id, alias))
