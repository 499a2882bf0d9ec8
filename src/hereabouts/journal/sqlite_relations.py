"""Relations in SQLite."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Final

from msgspec import structs

from hereabouts.errors import Refusal
from hereabouts.journal.relations import WATCHED_MOST, Relation, RelationBook
from hereabouts.journal.sqlite_file import Threads, transaction
from hereabouts.journal.sqlite_state import sync

_COUNT: Final = "SELECT count(*) FROM relations WHERE tenant = :tenant AND watcher = :watcher"
_INSERT: Final = """
    INSERT INTO relations (tenant, watcher, watched, since_at) VALUES (:tenant, :watcher, :watched, :since_at)
    ON CONFLICT DO NOTHING
"""
_DELETE: Final = "DELETE FROM relations WHERE tenant = ? AND watcher = ? AND watched = ?"
_WATCHED: Final = "SELECT watched FROM relations WHERE tenant = ? AND watcher = ?"
_WATCHERS: Final = "SELECT watcher FROM relations WHERE tenant = ? AND watched = ?"


class SqliteRelations(RelationBook):
    """See `RelationBook`. Shares the file and the threads of a journal."""

    def __init__(self, journal: Threads, *, watched_most: int = WATCHED_MOST) -> None:
        self._journal = journal
        self._watched_most = watched_most

    async def put(self, relation: Relation) -> bool:
        """See `RelationBook.put`."""
        return await self._journal.write(partial(_put, relation=relation, watched_most=self._watched_most))

    async def remove(self, tenant: str, watcher: str, watched: str) -> bool:
        """See `RelationBook.remove`."""
        return await self._journal.write(partial(_remove, edge=(tenant, watcher, watched)))

    async def watched_by(self, tenant: str, watcher: str) -> frozenset[str]:
        """See `RelationBook.watched_by`."""
        return await self._journal.read(partial(_ids, sql=_WATCHED, end=(tenant, watcher)))

    async def watchers_of(self, tenant: str, watched: str) -> frozenset[str]:
        """See `RelationBook.watchers_of`."""
        return await self._journal.read(partial(_ids, sql=_WATCHERS, end=(tenant, watched)))


def _put(connection: sqlite3.Connection, relation: Relation, watched_most: int) -> bool:
    row = structs.asdict(relation)
    with transaction(connection):
        is_new = connection.execute(_INSERT, row).rowcount == 1
        if is_new and connection.execute(_COUNT, row).fetchone()[0] > watched_most:
            text = f"{relation.watcher!r} may watch {watched_most} users already; grant a pattern in the token instead"
            raise Refusal("limit_exceeded", text, limit="watched_most")
    sync(connection)
    return is_new


def _remove(connection: sqlite3.Connection, edge: tuple[str, str, str]) -> bool:
    was_there = connection.execute(_DELETE, edge).rowcount == 1
    sync(connection)
    return was_there


def _ids(connection: sqlite3.Connection, sql: str, end: tuple[str, str]) -> frozenset[str]:
    return frozenset(id for (id,) in connection.execute(sql, end))
