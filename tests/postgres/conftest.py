"""The real PostgreSQL that these tests share; each begins with empty tables."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from hereabouts.journal.postgres_tables import PostgresMigrations
from hereabouts.testing.postgres import PostgresServer, postgres

NUMBERS = count(1)

EMPTY = """
    DO $$ BEGIN EXECUTE (
        SELECT 'TRUNCATE ' || string_agg('hereabouts.' || tablename, ', ') || ' RESTART IDENTITY'
        FROM pg_tables WHERE schemaname = 'hereabouts' AND tablename <> 'migrations'
    ); END $$
"""


@pytest.fixture(scope="session")
def records() -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests."""
    with postgres() as server:
        server.copy("template1", "migrated")
        PostgresMigrations(server.url("migrated")).up()
        yield server


@pytest.fixture(scope="session")
def shared(records: PostgresServer) -> str:
    """The address of a database with all tables."""
    records.copy("migrated", "shared")
    return records.url("shared")


@pytest.fixture
def database(records: PostgresServer, shared: str) -> str:
    """The address of a database with all tables, which are empty. Faster than a new one."""
    records.execute(EMPTY, "shared")
    return shared


@pytest.fixture
def own(records: PostgresServer) -> Iterator[str]:
    """The address of a database with all tables that a test may do anything with."""
    name = f"test_{next(NUMBERS)}"
    records.copy("migrated", name)
    yield records.url(name)
    records.drop(name)
