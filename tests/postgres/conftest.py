"""The real PostgreSQL that these tests share; each has a database of its own in it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from hereabouts.journal.postgres_tables import PostgresMigrations
from hereabouts.testing.postgres import PostgresServer, postgres

NUMBERS = count(1)


@pytest.fixture(scope="session")
def records() -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests."""
    with postgres() as server:
        server.copy("template1", "migrated")
        PostgresMigrations(server.url("migrated")).up()
        yield server


@pytest.fixture
def database(records: PostgresServer) -> Iterator[str]:
    """The address of a new database with all tables."""
    name = f"test_{next(NUMBERS)}"
    records.copy("migrated", name)
    yield records.url(name)
    records.drop(name)
