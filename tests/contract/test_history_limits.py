"""What one question may cost: how long it reads, how many wait."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from hereabouts.engine.buckets import Bucket
from hereabouts.errors import JournalUnavailable, Refusal
from hereabouts.journal import sqlite_past
from hereabouts.journal.history import SESSIONS_MOST, Pick
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.journal.sqlite_history import QUESTIONS_MOST, SqliteHistory
from hereabouts.journal.sqlite_rows import write
from hereabouts.testing.journal_contract import AT, HOUR, T, opened
from hereabouts.testing.waiting import eventually

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"


def endless(connection: sqlite3.Connection) -> None:
    connection.execute(ENDLESS).fetchone()


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(tmp_path / "journal.db", flush_seconds=0.01)
    await journal.open()
    yield journal
    await journal.close()


async def test_a_question_that_takes_too_long_is_cut_short(tmp_path: Path, journal: SqliteJournal) -> None:
    history = SqliteHistory(tmp_path / "journal.db", answer_seconds=0.1)
    await history.open()
    async with asyncio.timeout(10):
        with pytest.raises(Refusal, match=r"takes longer than 0\.1 s") as refused:
            await history._ask(endless)
    assert (refused.value.code, refused.value.limit) == ("limit_exceeded", "answer_seconds")
    assert await history.at(T, AT, Pick()) == []
    await history.close()


async def test_too_many_questions_are_refused_and_a_close_ends_those_that_wait(
    tmp_path: Path, journal: SqliteJournal
) -> None:
    history = SqliteHistory(tmp_path / "journal.db")
    await history.open()
    asked = [asyncio.create_task(history._ask(endless if not place else len_of)) for place in range(QUESTIONS_MOST)]
    await asyncio.sleep(0)
    with pytest.raises(Refusal, match="already") as refused:
        await history.at(T, AT, Pick())
    assert refused.value.code == "rate_limited"

    def is_cut_short() -> bool:
        # It may not have begun yet.
        history._connection.interrupt()
        return asked[0].done()

    await eventually(is_cut_short)
    with pytest.raises(JournalUnavailable, match="interrupted"):
        await asked[0]
    assert await asyncio.gather(*asked[1:]) == [0] * (QUESTIONS_MOST - 1)
    await history.close()
    with pytest.raises(JournalUnavailable, match="not open"):
        await history.at(T, AT, Pick())


def len_of(connection: sqlite3.Connection) -> int:
    return len(connection.execute("SELECT * FROM sessions").fetchall())


async def test_an_attendance_of_too_many_sessions_is_refused(journal: SqliteJournal) -> None:
    rows = [opened(f"s{number}", f"user{number % 7}", AT + number) for number in range(SESSIONS_MOST + 1)]
    await journal.write(partial(write, rows=rows, outbox=journal.outbox.add))
    span = Bucket(AT, AT + HOUR)
    with pytest.raises(Refusal, match="ask about less time") as refused:
        await journal.history.spans(T, span, Pick(), AT + HOUR)
    assert refused.value.code == "limit_exceeded"
    assert len(await journal.history.spans(T, span, Pick(limit=3), AT + HOUR)) == 3


async def test_the_questions_read_indexes_and_never_all_rows(journal: SqliteJournal) -> None:
    given = {"tenant": T, "at": 1, "from_at": 1, "to_at": 2, "first": "", "last": b"", "after": "", "limit": 1}
    given |= {"most": 1, "users_least": 1, "user_id": "ada"}
    texts = [
        text for name, text in vars(sqlite_past).items() if isinstance(text, str) and "SELECT" in text and name in ASKED
    ]

    def plans(connection: sqlite3.Connection) -> list[str]:
        return [row[3] for text in texts for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", given)]

    assert len(texts) == len(ASKED)
    found = await journal.history._ask(plans)
    assert [step for step in found if step.startswith(("SCAN transitions", "SCAN sessions"))] == []


ASKED = ("_COUNT", "_THEN", "_CHANGED", "_PRESENT", "_SPANS", "_UNCERTAIN", "_OPEN_THEN", "_REGIONS")
