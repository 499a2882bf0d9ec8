"""The tables in PostgreSQL: who brings them to a version, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from hereabouts.errors import ConfigError, JournalUnavailable
from hereabouts.journal import postgres_tables
from hereabouts.journal.migrate import Migration, load
from hereabouts.journal.opening import migrations, open_journal
from hereabouts.journal.postgres import PostgresJournal
from hereabouts.journal.postgres_tables import PostgresMigrations
from hereabouts.testing.journal_contract import AT, T, opened, seen
from hereabouts.testing.postgres import PostgresServer

NEWEST = len(load("postgres"))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """A connection of somebody else to a database."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def empty(records: PostgresServer, own: str) -> str:
    """A database without tables."""
    name = own.rpartition("/")[2]
    records.drop(name)
    records.copy("template1", name)
    return own


async def test_of_nodes_that_start_at_once_one_migrates(empty: str) -> None:
    journals = [PostgresJournal(empty, node=f"n{number}") for number in range(5)]
    await asyncio.gather(*(journal.open() for journal in journals))
    await asyncio.gather(*(journal.close() for journal in journals))
    async with connected(empty) as other:
        assert await other.fetchval("SELECT count(*) FROM hereabouts.migrations") == NEWEST


def test_migrations_go_up_down_and_up_again(empty: str) -> None:
    runner = migrations(empty)
    assert len(runner.up()) == NEWEST
    assert len(runner.down(0)) == NEWEST
    assert all(line.endswith("pending") for line in runner.status())
    assert len(runner.up()) == NEWEST
    assert runner.verify()[0] == f"{NEWEST} of {NEWEST} migrations are applied, and they are the ones of this version"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ("DROP INDEX hereabouts.sessions_open", "index sessions_open is missing"),
        ("ALTER TABLE hereabouts.sessions ALTER COLUMN node DROP NOT NULL", "table sessions is not as its script"),
    ],
)
async def test_a_journal_that_somebody_else_changed_is_noticed(empty: str, change: str, wrong: str) -> None:
    runner = migrations(empty)
    await asyncio.to_thread(runner.up)
    told = await asyncio.to_thread(runner.verify)
    assert int(told[1].split()[0]) > NEWEST
    async with connected(empty) as other:
        await other.execute("CREATE INDEX of_their_own ON hereabouts.sessions (platform)")
        assert await asyncio.to_thread(runner.verify) == told
        await other.execute(change)
    with pytest.raises(ConfigError, match=wrong):
        await asyncio.to_thread(runner.verify)


def test_every_migration_of_sqlite_has_its_tables_here_too() -> None:
    def made(dialect: str) -> set[str]:
        lines = "\n".join(migration.up for migration in load(dialect)).splitlines()
        return {line.split()[2] for line in lines if line.startswith("CREATE TABLE")}

    # A file belongs to one process: nobody has to ask whose turn it is.
    assert made("postgres") == made("sqlite") | {"outbox_lease"}


async def test_the_tables_of_a_newer_version_are_refused(own: str) -> None:
    async with connected(own) as other:
        await other.execute(f"INSERT INTO hereabouts.migrations VALUES ({NEWEST + 1}, 'future', 'x', 1, 'h 9.9')")
    with pytest.raises(ConfigError, match=f"is at migration {NEWEST + 1} future"):
        await open_journal(own).open()


async def test_a_script_that_was_changed_is_refused(own: str) -> None:
    async with connected(own) as other:
        await other.execute("UPDATE hereabouts.migrations SET checksum = 'x' WHERE id = 1")
    with pytest.raises(ConfigError, match="another program's journal or a changed installation"):
        await open_journal(own).open()


async def test_the_tables_of_others_are_left_alone(empty: str) -> None:
    async with connected(empty) as other:
        await other.execute("CREATE TABLE public.sessions (mine INTEGER); INSERT INTO public.sessions VALUES (7)")
        journal = open_journal(empty)
        await journal.open()
        await journal.close()
        assert await other.fetchval("SELECT mine FROM public.sessions") == 7


async def test_a_role_needs_no_more_than_its_own_schema(records: PostgresServer, empty: str) -> None:
    async with connected(empty) as other:
        await other.execute("CREATE ROLE visitor LOGIN; CREATE SCHEMA hereabouts AUTHORIZATION visitor")
        journal = open_journal(empty.replace("postgres@", "visitor@"))
        await journal.open()
        await journal.close()
        await other.execute("DROP SCHEMA hereabouts CASCADE")
        with pytest.raises(ConfigError, match="permission denied"):
            await open_journal(empty.replace("postgres@", "visitor@")).open()
        await other.execute("DROP ROLE visitor")


async def test_who_waits_too_long_for_another_that_migrates_says_so(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_tables, "LOCK_SECONDS", 0.2)
    async with connected(empty) as other:
        await other.execute("SELECT pg_advisory_lock($1)", postgres_tables.LOCK)
        with pytest.raises(JournalUnavailable, match=r"another node has been migrating the journal for 0\.2 s"):
            await open_journal(empty).open()


async def test_a_script_may_take_longer_than_others_wait(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_tables, "LOCK_SECONDS", 0.2)
    slow = Migration(1, "slow", "SELECT pg_sleep(0.5)", "SELECT 1")
    monkeypatch.setattr(postgres_tables, "load", lambda dialect: [slow])
    assert await asyncio.to_thread(PostgresMigrations(empty).up) == ["0001 slow applied"]
    assert await asyncio.to_thread(PostgresMigrations(empty).down) == ["0001 slow reverted"]


async def test_what_does_not_pass_by_itself_is_told_apart_from_what_does(records: PostgresServer) -> None:
    with pytest.raises(ConfigError, match='database "nowhere" does not exist; see docs'):
        await open_journal(records.url("nowhere")).open()
    with pytest.raises(ConfigError, match='role "ada" does not exist') as caught:
        await open_journal(records.url().replace("postgres@", "ada:s3cret@")).open()
    assert "s3cret" not in str(caught.value)
    with pytest.raises(JournalUnavailable, match=r"ada@127.0.0.1:1/x cannot be reached now"):
        await open_journal("postgresql://ada:s3cret@127.0.0.1:1/x").open()
    with pytest.raises(ConfigError, match='unrecognized configuration parameter "colour"'):
        await open_journal(f"{records.url()}?colour=red").open()


async def test_a_database_in_another_encoding_is_refused(records: PostgresServer) -> None:
    async with connected(records.url()) as other:
        await other.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
        with pytest.raises(ConfigError, match="encoding LATIN1"):
            await open_journal(records.url("latin")).open()
        await other.execute("DROP DATABASE latin")


async def test_a_node_that_runs_goes_on_when_a_newer_version_adds_to_the_tables(own: str) -> None:
    journal = PostgresJournal(own, flush_seconds=0.01)
    await journal.open()
    journal.record([opened("s1", "ada", AT)])
    assert len((await journal.subjects.export(T, "ada"))["sessions"]) == 1
    async with connected(own) as newer:
        await newer.execute(
            "ALTER TABLE hereabouts.sessions ADD COLUMN mood TEXT;"
            "ALTER TABLE hereabouts.last_seen ADD COLUMN mood TEXT;"
            f"INSERT INTO hereabouts.migrations VALUES ({NEWEST + 1}, 'mood', 'x', 1, 'hereabouts 9.9')"
        )
    journal.record([opened("s2", "ada", AT), seen("ada", AT)])
    await journal.flush()
    assert [row["mood"] for row in (await journal.subjects.export(T, "ada"))["sessions"]] == [None, None]
    assert (await journal.last_seen(T, ["ada"]))["ada"].seen_at == AT
    assert (journal.health().lost_rows, journal.health().is_writable) == (0, True)
    await journal.close()
