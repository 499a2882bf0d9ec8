"""Cooldowns in the PostgreSQL journal."""

from __future__ import annotations

from functools import partial

from hereabouts.journal.cooldowns import Cooldown, Cooldowns, Cooled
from hereabouts.journal.postgres_pool import Connection, Transactions


class PostgresCooldowns(Cooldowns):
    """See `Cooldowns`."""

    def __init__(self, journal: Transactions) -> None:
        super().__init__()
        self._journal = journal

    async def load(self, at: int) -> None:
        """See `Cooldowns.load`."""
        for cooldown in await self._journal.look(partial(_standing, at=at)):
            self.keep(cooldown)

    async def add(self, cooldown: Cooldown) -> None:
        """See `Cooldowns.add`."""
        self.keep(cooldown)
        await self._journal.write(partial(_add, cooldown=cooldown))

    async def end(self, tenant: str, kind: Cooled, id: str) -> bool:
        """See `Cooldowns.end`."""
        found = self._standing.pop((tenant, kind, id), None)
        await self._journal.write(partial(_end, key=(tenant, kind, id)))
        return found is not None


async def _standing(connection: Connection, at: int) -> list[Cooldown]:
    rows = await connection.fetch(
        "SELECT tenant, kind, id, at, until_at, reason FROM cooldowns WHERE until_at > $1 ORDER BY at", at
    )
    return [Cooldown(*row) for row in rows]


async def _add(connection: Connection, cooldown: Cooldown) -> None:
    await connection.execute("DELETE FROM cooldowns WHERE until_at <= $1", cooldown.at)
    await connection.execute(
        "INSERT INTO cooldowns (tenant, kind, id, at, until_at, reason) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (tenant, kind, id) DO UPDATE SET"
        " at = excluded.at, until_at = excluded.until_at, reason = excluded.reason",
        *(cooldown.tenant, cooldown.kind, cooldown.id, cooldown.at, cooldown.until_at, cooldown.reason),
    )


async def _end(connection: Connection, key: tuple[str, Cooled, str]) -> None:
    await connection.execute("DELETE FROM cooldowns WHERE (tenant, kind, id) = ($1, $2, $3)", *key)
