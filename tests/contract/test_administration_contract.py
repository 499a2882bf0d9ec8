"""What is kept for admins: every journal that keeps it against the one suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from hereabouts.journal.base import Journal
from hereabouts.journal.cooldowns import Cooldown
from hereabouts.journal.none import NoJournal
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.testing.administration_contract import AT, AdministrationContract, T


class TestSqliteAdministration(AdministrationContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "journal.db"

    def journal(self) -> Journal:
        return SqliteJournal(self.path, flush_seconds=0.01)


async def test_without_a_journal_cooldowns_are_kept_for_the_life_of_the_process() -> None:
    journal = NoJournal()
    assert (journal.audit, journal.policies) == (None, None)
    await journal.cooldowns.add(Cooldown(T, "user", "ada", AT, AT + 1_000))
    await journal.cooldowns.load(AT)
    assert journal.cooldowns.standing(T, "user", "ada", AT) is not None
    assert await journal.cooldowns.end(T, "user", "ada")
    assert not await journal.cooldowns.end(T, "user", "ada")
