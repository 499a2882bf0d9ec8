"""Every journal against the one suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from hereabouts.journal.base import Journal
from hereabouts.journal.none import NoJournal
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.testing.journal_contract import DurableJournalContract, JournalContract


class TestNone(JournalContract):
    def journal(self) -> Journal:
        return NoJournal()


class TestSqlite(DurableJournalContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "journal.db"

    def journal(self) -> Journal:
        return SqliteJournal(self.path, flush_seconds=0.01)


class TestSqliteThatIsSlowToFlush(TestSqlite):
    """What is read comes from the queue, as nothing is written unasked."""

    def journal(self) -> Journal:
        return SqliteJournal(self.path, flush_seconds=60)
