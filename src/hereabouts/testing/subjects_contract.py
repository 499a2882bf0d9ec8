"""What every `Subjects` must do. A subclass gives `journal()`, whose `subjects` are judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hereabouts.journal.base import Declared, Journal, LastSeen
from hereabouts.journal.subjects import Subjects

T = "default"
AT = 1_800_000_000_000


class SubjectsContract(ABC):
    """The suite."""

    @abstractmethod
    def journal(self) -> Journal:
        """The journal, not opened."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[tuple[Journal, Subjects]]:
        """An open journal in which something is known of ada and of bob."""
        journal = self.journal()
        assert journal.subjects is not None
        await journal.open()
        try:
            for user_id in ("ada", "bob"):
                journal.record(
                    [LastSeen(T, user_id, AT, AT, AT, AT), Declared(T, user_id, "dnd", "hush", None, None, AT)]
                )
            yield journal, journal.subjects
        finally:
            await journal.close()

    async def test_everything_of_a_user_is_told_and_nothing_of_another(self) -> None:
        async with self.opened() as (_, subjects):
            stored = await subjects.export(T, "ada")
            assert {table: len(rows) for table, rows in stored.items()} == {"last_seen": 1, "declared": 1}
            assert stored["declared"][0]["text"] == "hush"
            assert {row["user_id"] for rows in stored.values() for row in rows} == {"ada"}
            assert await subjects.export("other", "ada") == {}
            assert await subjects.export(T, "never") == {}

    async def test_what_was_erased_is_gone_and_another_s_is_not(self) -> None:
        async with self.opened() as (journal, subjects):
            assert await subjects.erase(T, "ada", "erased:1") == {"last_seen": 1, "declared": 1}
            assert await subjects.erase(T, "ada", "erased:1") == {}
            assert await subjects.export(T, "ada") == {}
            assert await journal.last_seen(T, ["ada", "bob"]) == {"bob": LastSeen(T, "bob", AT, AT, AT, AT)}
            assert await journal.declared(T, "ada") is None
            assert await journal.declared(T, "bob") is not None

    async def test_what_keeps_a_user_out_stays(self) -> None:
        async with self.opened() as (journal, subjects):
            await journal.revoke(T, "user", "ada", AT, AT + 1_000)
            await subjects.erase(T, "ada", "erased:1")
            assert await journal.revoked(T, "ada", None, AT)
            assert not await journal.revoked(T, "ada", None, AT + 1)
