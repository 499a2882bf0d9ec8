"""Cooldowns in the PostgreSQL journal."""

from __future__ import annotations

import asyncio
from functools import partial

from hereabouts.journal.cooldowns import Cooldown, Cooldowns, Cooled
from hereabouts.journal.postgres_pool import Connection, Transactions


class PostgresCooldowns(Cooldowns):
    """See `Cooldowns`."""

    def __init__(self, journal: Transactions) -> None:
        super().__init__()
        self._journal = journal
        # One after another: what is read must be neither older nor newer than what this node did itself.
        self._turn = asyncio.Lock()
        self._unwritten: dict[tuple[str, Cooled, str], Cooldown] = {}

    async def load(self, at: int) -> list[Cooldown]:
        """See `Cooldowns.load`. What is stored no more was ended by another node, and ends here."""
        async with self._turn:
            found = await self._journal.look(partial(_standing, at=at))
            before = self._standing
            self._standing = {(c.tenant, c.kind, c.id): c for c in found} | self._unwritten
            return [c for c in found if before.get((c.tenant, c.kind, c.id)) != c]

    async def add(self, cooldown: Cooldown) -> None:
        """See `Cooldowns.add`."""
        self.keep(cooldown)
        key = cooldown.tenant, cooldown.kind, cooldown.id
        self._unwritten[key] = cooldown
        async with self._turn:
            await self._journal.write(partial(_add, cooldown=cooldown))
            if self._unwritten.get(key) is cooldown:
                del self._unwritten[key]

    async def end(self, tenant: str, kind: Cooled, id: str) -> bool:
        """See `Cooldowns.end`."""
        key = tenant, kind, id
        self._unwritten.pop(key, None)
        async with self._turn:
            found = self._standing.pop(key, None)
            await self._journal.write(partial(_end, key=key))
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
