"""What is kept for admins: every journal that keeps it against the one suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from hereabouts.journal.base import Journal
from hereabouts.journal.none import NoJournal
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.testing.administration_contract import AdministrationContract


class TestSqliteAdministration(AdministrationContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "journal.db"

    def journal(self) -> Journal:
        return SqliteJournal(self.path, flush_seconds=0.01)


def test_without_a_journal_nothing_of_it_is_kept() -> None:
    journal = NoJournal()
    assert (journal.audit, journal.policies, journal.cooldowns) == (None, None, None)
