"""PostgreSQL against the suites of every journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hereabouts.journal.base import Journal
from hereabouts.journal.occupancies import Occupancies
from hereabouts.journal.postgres import PostgresJournal
from hereabouts.journal.postgres_relations import PostgresRelations
from hereabouts.journal.relations import RelationBook
from hereabouts.testing.administration_contract import AdministrationContract
from hereabouts.testing.history_contract import HistoryContract
from hereabouts.testing.journal_contract import DurableJournalContract
from hereabouts.testing.occupancies_contract import DurableOccupanciesContract
from hereabouts.testing.outbox_contract import OutboxContract
from hereabouts.testing.relations_contract import RelationsContract
from hereabouts.testing.subjects_contract import SubjectsContract


class InPostgres:
    """A journal in a database of the test's own."""

    flush_seconds = 0.01

    @pytest.fixture(autouse=True)
    def _database(self, database: str) -> None:
        self.url = database

    def journal(self) -> Journal:
        return PostgresJournal(self.url, flush_seconds=self.flush_seconds, statement_seconds=30)


class TestPostgres(InPostgres, DurableJournalContract):
    pass


class TestPostgresThatIsSlowToFlush(TestPostgres):
    """What is read comes from the queue, as nothing is written unasked."""

    flush_seconds = 60


class TestPostgresAdministration(InPostgres, AdministrationContract):
    pass


class TestPostgresHistory(InPostgres, HistoryContract):
    pass


class TestPostgresOutbox(InPostgres, OutboxContract):
    pass


class TestPostgresOfOne(InPostgres, SubjectsContract):
    pass


class TestPostgresRelations(InPostgres, RelationsContract):
    def book(self, journal: Journal, watched_most: int) -> RelationBook:
        assert isinstance(journal, PostgresJournal)
        return PostgresRelations(journal, watched_most=watched_most)


class TestPostgresOccupancies(InPostgres, DurableOccupanciesContract):
    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Occupancies]:
        journal = PostgresJournal(self.url)
        await journal.open()
        try:
            yield journal.occupancies
        finally:
            await journal.close()
