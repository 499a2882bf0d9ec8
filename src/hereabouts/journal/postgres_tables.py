"""The tables in PostgreSQL: brought to this version by one node at a time.

Migrations are compared and run in a thread with an event loop of its own: they are the same calls for every database,
and happen before anything else does.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import asyncpg

from hereabouts.errors import ConfigError, JournalUnavailable
from hereabouts.journal.migrate import Applied, Migration, Migrations, Shape, Target, load
from hereabouts.journal.postgres_address import SCHEMA, read_address
from hereabouts.journal.postgres_pool import CONNECT_SECONDS, UNREACHABLE, VERSION_LEAST, WRONG_ADDRESS, explain
from hereabouts.version import __version__

T = TypeVar("T")

LOCK: Final = 0x4865_7265_6162_6F75
"""The advisory lock of whoever migrates: "Hereabou"."""

LOCK_SECONDS: Final = 60
"""How long one node waits for another that migrates."""

SCRIPT_SECONDS: Final = 3600
"""How long a script may take: an index of a large table takes its time."""

_TABLE: Final = f"""
    CREATE TABLE IF NOT EXISTS {SCHEMA}.migrations (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL,
        applied_at BIGINT NOT NULL, applied_by TEXT NOT NULL
    )
"""


_SHAPE: Final = """
    SELECT 'table ' || c.relname, string_agg(
        a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
        ', ' ORDER BY a.attname
    )
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = to_regnamespace($1) AND c.relname <> 'migrations'
    GROUP BY c.relname
    UNION ALL
    SELECT 'index ' || indexname, indexdef FROM pg_indexes WHERE schemaname = $1 AND tablename <> 'migrations'
"""


class PostgresMigrations:
    """`hereabouts migrate` on a database. See `Migrations`. Not to be called where an event loop runs."""

    def __init__(self, url: str) -> None:
        self._address = read_address(url)

    def status(self) -> list[str]:
        """See `Migrations.status`."""
        return self._run(lambda migrations: migrations.status())

    def verify(self) -> list[str]:
        """See `Migrations.verify`."""
        return self._run(lambda migrations: migrations.verify())

    def up(self, to: int | None = None) -> list[str]:
        """See `Migrations.up`."""
        return self._run(lambda migrations: migrations.up(to))

    def down(self, to: int | None = None) -> list[str]:
        """See `Migrations.down`."""
        return self._run(lambda migrations: migrations.down(to))

    def _run(self, act: Callable[[Migrations], list[str]]) -> list[str]:
        try:
            with _target(self._address.url) as target:
                return act(Migrations(target, load("postgres")))
        except (*UNREACHABLE, *WRONG_ADDRESS) as error:
            raise explain(self._address.shown, error) from error


class PostgresTarget(Target):
    """See `Target`. `run` waits for what a connection is asked."""

    def __init__(self, connection: Any, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._connection = connection
        self._run = run

    def applied(self) -> list[Applied]:
        """See `Target.applied`."""
        if self._run(self._connection.fetchval(f"SELECT to_regclass('{SCHEMA}.migrations')")) is None:
            return []
        asked = f"SELECT id, name, checksum, applied_at, applied_by FROM {SCHEMA}.migrations ORDER BY id"
        rows = self._run(self._connection.fetch(asked))
        return [Applied(*row) for row in rows]

    def shape(self) -> Shape:
        """See `Target.shape`."""
        return dict(self._run(_shape(self._connection, SCHEMA)))

    def wanted(self, migrations: Sequence[Migration]) -> Shape:
        """See `Target.wanted`."""
        return dict(self._run(self._wanted(migrations)))

    def apply(self, migration: Migration) -> None:
        """See `Target.apply`."""
        self._run(self._apply(migration))

    def revert(self, migration: Migration) -> None:
        """See `Target.revert`."""
        self._run(self._revert(migration))

    async def _apply(self, migration: Migration) -> None:
        async with self._connection.transaction():
            await _make_schema(self._connection)
            await self._connection.execute(_TABLE)
            await self._connection.execute(migration.up, timeout=SCRIPT_SECONDS)
            await self._connection.execute(
                "INSERT INTO migrations VALUES ($1, $2, $3, $4, $5)",
                *(migration.number, migration.name, migration.checksum),
                *(int(time.time() * 1000), f"hereabouts {__version__}"),
            )

    async def _wanted(self, migrations: Sequence[Migration]) -> Shape:
        """Temporary tables, for which no right is needed that others do not have, and taken back at once."""
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            await self._connection.execute("SET LOCAL search_path = pg_temp")
            for migration in migrations:
                await self._connection.execute(migration.up)
            schema = await self._connection.fetchval("SELECT pg_my_temp_schema()::regnamespace::text")
            return {} if schema == "-" else await _shape(self._connection, schema)
        finally:
            await transaction.rollback()

    async def _revert(self, migration: Migration) -> None:
        async with self._connection.transaction():
            await self._connection.execute(migration.down, timeout=SCRIPT_SECONDS)
            await self._connection.execute("DELETE FROM migrations WHERE id = $1", migration.number)


@contextmanager
def _target(url: str) -> Iterator[PostgresTarget]:
    """A database that nobody else migrates meanwhile. The lock goes with the connection, also when we are killed."""
    with asyncio.Runner() as runner:
        connection = runner.run(_connect(url))
        try:
            yield PostgresTarget(connection, runner.run)
        finally:
            runner.run(connection.close(timeout=CONNECT_SECONDS))


async def _connect(url: str) -> Any:
    connection = await asyncpg.connect(
        url,
        timeout=CONNECT_SECONDS,
        command_timeout=LOCK_SECONDS,
        server_settings={"application_name": "hereabouts migrate", "search_path": SCHEMA},
    )
    try:
        version = connection.get_server_version()
        if version.major < VERSION_LEAST:
            raise ConfigError(f"the journal is on PostgreSQL {version.major}; it needs {VERSION_LEAST} or newer")
        encoding = await connection.fetchval("SHOW server_encoding")
        if encoding != "UTF8":
            raise ConfigError(f"the journal's database has the encoding {encoding}; create one with ENCODING 'UTF8'")
        if await connection.fetchval("SELECT pg_is_in_recovery()"):
            raise ConfigError("journal.url names a standby, which cannot be written; name the primary")
        await _lock(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _lock(connection: Any) -> None:
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK, timeout=LOCK_SECONDS)
    except TimeoutError:
        text = f"another node has been migrating the journal for {LOCK_SECONDS} s; start again when it is done"
        raise JournalUnavailable(text) from None


async def _shape(connection: Any, schema: str) -> Shape:
    rows = await connection.fetch(_SHAPE, schema)
    # Where an index stands is part of its text, and of no interest: `ON pg_temp.sessions`.
    return {name: re.sub(r" ON (\w+)\.", " ON ", made) for name, made in rows}


async def _make_schema(connection: Any) -> None:
    # Asked first, as `IF NOT EXISTS` wants the right to create schemas also where there is one.
    if await connection.fetchval("SELECT to_regnamespace($1::text)", SCHEMA) is None:
        await connection.execute(f"CREATE SCHEMA {SCHEMA}")
