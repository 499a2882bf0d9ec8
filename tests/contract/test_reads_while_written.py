"""Reading the record while rows come into it: nothing that was recorded is missing, and nobody waits for quiet."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hereabouts.journal.base import Declared, Row
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.testing.journal_contract import AT, T, seen, turned
from hereabouts.testing.waiting import pause, stall


@asynccontextmanager
async def opened(folder: Path, flush_seconds: float) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(folder / "record.db", flush_seconds=flush_seconds)
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()


@pytest.mark.parametrize("what", ["last_seen", "declared", "transitions"])
async def test_a_row_that_is_written_while_it_is_asked_for_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    # Nothing is written of itself: only by what the question meets.
    async with opened(tmp_path, flush_seconds=60) as journal:
        read = getattr(journal, f"_stored_{what}")

        async def late(tenant: str, whom: Sequence[str] | str, *more: Any) -> Any:
            """What was stored before the row was."""
            stored = await read(tenant, whom, *more)
            await journal.flush()
            return stored

        monkeypatch.setattr(journal, f"_stored_{what}", late)
        declared, changed = Declared(T, "ada", "busy", None, None, None, AT), turned("ada", "offline", "online", AT)
        rows: list[Row] = [seen("ada", AT), declared, changed]
        journal.record(rows)
        told = [
            (await journal.last_seen(T, ["ada", "bob"])).get("ada"),
            await journal.declared(T, "ada"),
            *await journal.transitions(T, "ada"),
        ]
        assert told == rows


async def test_a_question_that_takes_longer_than_a_write_is_answered_while_rows_come_all_the_time(
    tmp_path: Path,
) -> None:
    def slowly(connection: sqlite3.Connection) -> str:
        stall(0.05)
        return "answered"

    async def comes(journal: SqliteJournal) -> None:
        for at in range(1_000_000):
            journal.record([turned("ada", "offline", "online", AT + at)])
            await pause(0.001)

    async with opened(tmp_path, flush_seconds=0.001) as journal:
        coming = asyncio.create_task(comes(journal))
        async with asyncio.timeout(5):
            assert await journal.read(slowly) == "answered"
        coming.cancel()
