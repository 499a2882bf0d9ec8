"""Cooldowns in the SQLite journal."""

from __future__ import annotations

import sqlite3
from functools import partial

from hereabouts.journal.cooldowns import Cooldown, Cooldowns, Cooled
from hereabouts.journal.sqlite_file import Threads, transaction
from hereabouts.journal.sqlite_state import sync


class SqliteCooldowns(Cooldowns):
    """See `Cooldowns`."""

    def __init__(self, journal: Threads) -> None:
        super().__init__()
        self._journal = journal

    async def load(self, at: int) -> list[Cooldown]:
        """See `Cooldowns.load`."""
        found = await self._journal.read(partial(_standing, at=at))
        for cooldown in found:
            self.keep(cooldown)
        return found

    async def add(self, cooldown: Cooldown) -> None:
        """See `Cooldowns.add`."""
        self.keep(cooldown)
        await self._journal.write(partial(_add, cooldown=cooldown))

    async def end(self, tenant: str, kind: Cooled, id: str) -> bool:
        """See `Cooldowns.end`."""
        found = self._standing.pop((tenant, kind, id), None)
        await self._journal.write(partial(_end, key=(tenant, kind, id)))
        return found is not None


def _standing(connection: sqlite3.Connection, at: int) -> list[Cooldown]:
    rows = connection.execute(
        "SELECT tenant, kind, id, at, until_at, reason FROM cooldowns WHERE until_at > ? ORDER BY at", (at,)
    )
    return [Cooldown(*row) for row in rows]


def _add(connection: sqlite3.Connection, cooldown: Cooldown) -> None:
    with transaction(connection):
        connection.execute("DELETE FROM cooldowns WHERE until_at <= ?", (cooldown.at,))
        connection.execute(
            "INSERT OR REPLACE INTO cooldowns (tenant, kind, id, at, until_at, reason) VALUES (?, ?, ?, ?, ?, ?)",
            (cooldown.tenant, cooldown.kind, cooldown.id, cooldown.at, cooldown.until_at, cooldown.reason),
        )
    sync(connection)


def _end(connection: sqlite3.Connection, key: tuple[str, Cooled, str]) -> None:
    connection.execute("DELETE FROM cooldowns WHERE (tenant, kind, id) = (?, ?, ?)", key)
    sync(connection)
