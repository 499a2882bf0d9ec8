"""Every outbox against the one suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from hereabouts.journal.base import Journal
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.testing.outbox_contract import OutboxContract


class TestSqliteOutbox(OutboxContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "journal.db"

    def journal(self) -> Journal:
        return SqliteJournal(self.path, flush_seconds=0.01)
