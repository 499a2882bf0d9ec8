"""Relations in PostgreSQL."""

from __future__ import annotations

from functools import partial
from typing import Final

from msgspec import structs

from hereabouts.errors import Refusal
from hereabouts.journal.postgres_pool import Connection, Transactions
from hereabouts.journal.postgres_state import changed
from hereabouts.journal.relations import WATCHED_MOST, Relation, RelationBook

# Edges of one watcher are added one after the other: two at once could both find room for the last one.
_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_COUNT: Final = "SELECT count(*) FROM relations WHERE tenant = $1 AND watcher = $2"
_INSERT: Final = """
    INSERT INTO relations (tenant, watcher, watched, since_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
_DELETE: Final = "DELETE FROM relations WHERE tenant = $1 AND watcher = $2 AND watched = $3"
_WATCHED: Final = "SELECT watched FROM relations WHERE tenant = $1 AND watcher = $2"
_WATCHERS: Final = "SELECT watcher FROM relations WHERE tenant = $1 AND watched = $2"


class PostgresRelations(RelationBook):
    """See `RelationBook`. Shares the connections of a journal."""

    def __init__(self, journal: Transactions, *, watched_most: int = WATCHED_MOST) -> None:
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
        return await self._journal.look(partial(_ids, sql=_WATCHED, end=(tenant, watcher)))

    async def watchers_of(self, tenant: str, watched: str) -> frozenset[str]:
        """See `RelationBook.watchers_of`."""
        return await self._journal.look(partial(_ids, sql=_WATCHERS, end=(tenant, watched)))


async def _put(connection: Connection, relation: Relation, watched_most: int) -> bool:
    await connection.execute(_ALONE, f"{relation.tenant}\0{relation.watcher}")
    is_new = changed(await connection.execute(_INSERT, *structs.astuple(relation))) == 1
    if is_new and await connection.fetchval(_COUNT, relation.tenant, relation.watcher) > watched_most:
        text = f"{relation.watcher!r} may watch {watched_most} users already; grant a pattern in the token instead"
        raise Refusal("limit_exceeded", text, limit="watched_most")
    return is_new


async def _remove(connection: Connection, edge: tuple[str, str, str]) -> bool:
    return changed(await connection.execute(_DELETE, *edge)) == 1


async def _ids(connection: Connection, sql: str, end: tuple[str, str]) -> frozenset[str]:
    return frozenset(id for (id,) in await connection.fetch(sql, *end))
