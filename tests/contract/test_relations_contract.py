"""Every record of relations against the one suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from hereabouts.journal.base import Journal
from hereabouts.journal.none import NoJournal
from hereabouts.journal.relations import RelationBook
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.journal.sqlite_relations import SqliteRelations
from hereabouts.testing.relations_contract import RelationsContract


class TestSqliteRelations(RelationsContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "journal.db"

    def journal(self) -> Journal:
        return SqliteJournal(self.path, flush_seconds=0.01)

    def book(self, journal: Journal, watched_most: int) -> RelationBook:
        assert isinstance(journal, SqliteJournal)
        return SqliteRelations(journal, watched_most=watched_most)


def test_without_a_record_there_are_none(tmp_path: Path) -> None:
    assert NoJournal().relations is None
    assert SqliteJournal(tmp_path / "journal.db").relations is not None
