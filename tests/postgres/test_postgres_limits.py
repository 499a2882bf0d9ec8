"""What one question about the past may cost in PostgreSQL: how long it reads, how many wait, how much it answers."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from hereabouts.engine.buckets import Bucket
from hereabouts.engine.occupancy import Ask, Granted, Terms
from hereabouts.errors import JournalUnavailable, Refusal
from hereabouts.journal import postgres_holdings, postgres_recovery
from hereabouts.journal.history import SESSIONS_MOST, Pick
from hereabouts.journal.postgres import PostgresJournal
from hereabouts.journal.postgres_history import QUESTIONS_MOST, PostgresHistory
from hereabouts.journal.postgres_pool import Act, Connection
from hereabouts.journal.postgres_rows import write
from hereabouts.testing.journal_contract import AT, HOUR, T, opened, turned


async def sleeps(connection: Connection, seconds: float) -> None:
    await connection.execute("SELECT pg_sleep($1)", seconds)


async def test_a_question_that_takes_too_long_is_cut_short(database: str) -> None:
    history = PostgresHistory(database, answer_seconds=0.1)
    await history.open()
    with pytest.raises(Refusal, match=r"takes longer than 0\.1 s") as refused:
        await history._ask(partial(sleeps, seconds=60))
    assert (refused.value.code, refused.value.limit) == ("limit_exceeded", "answer_seconds")
    assert await history.at(T, AT, Pick()) == []
    await history.close()
    with pytest.raises(JournalUnavailable, match="not open"):
        await history.at(T, AT, Pick())


async def test_many_short_statements_are_one_question(database: str) -> None:
    history = PostgresHistory(database, answer_seconds=0.3)
    await history.open()

    async def reads_on(connection: Connection) -> None:
        for _ in range(100):
            await sleeps(connection, 0.05)

    with pytest.raises(Refusal, match=r"takes longer than 0\.3 s"):
        await history._ask(reads_on)
    assert await history.at(T, AT, Pick()) == []
    await history.close()


async def test_who_held_what_is_read_in_parts_and_of_one_resource_alone(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_holdings, "AT_ONCE", 2)
    journal = PostgresJournal(database)
    await journal.open()
    for at, user, resource in ((1, "ada", "desk:1"), (2, "bob", "desk:2"), (3, "ada", "desk:3"), (4, "bob", "desk:1")):
        ask = Ask(T, resource, user, None)
        assert isinstance(await journal.occupancies.occupy(ask, Terms(), AT + at), Granted)
    history, span = journal._history, Bucket(AT, AT + HOUR)

    async def held(resource: str | None) -> dict[str, list[tuple[int, int]]]:
        told = await history.held(T, span, Pick(), AT + 9, "desk", resource)
        return {user: sorted((s.start_at - AT, s.end_at - AT) for s in spans) for user, spans in told}

    assert await held("desk:1") == {"ada": [(1, 3)], "bob": [(4, 9)]}
    assert await held("desk:2") == {"bob": [(2, 4)]}
    assert await held(None) == {"ada": [(1, 3), (3, 9)], "bob": [(2, 4), (4, 9)]}
    await journal.close()


async def test_too_many_questions_are_refused_and_presence_waits_for_none(database: str) -> None:
    journal = PostgresJournal(database)
    await journal.open()
    asked = [asyncio.create_task(journal._history._ask(partial(sleeps, seconds=0.2))) for _ in range(QUESTIONS_MOST)]
    await asyncio.sleep(0)
    with pytest.raises(Refusal, match="already") as refused:
        await journal._history.at(T, AT, Pick())
    assert refused.value.code == "rate_limited"
    assert await journal.last_seen(T, ["ada"]) == {}
    assert not all(task.done() for task in asked)
    await asyncio.gather(*asked)
    await journal.close()


async def test_an_attendance_of_too_many_sessions_is_refused(database: str) -> None:
    journal = PostgresJournal(database)
    await journal.open()
    rows = [opened(f"s{number}", f"user{number % 7}", AT + number) for number in range(SESSIONS_MOST + 1)]
    await journal.write(partial(write, rows=rows, tell=journal.outbox.add))
    span = Bucket(AT, AT + HOUR)
    with pytest.raises(Refusal, match="ask about less time") as refused:
        await journal._history.spans(T, span, Pick(), AT + HOUR)
    assert refused.value.code == "limit_exceeded"
    assert len(await journal._history.spans(T, span, Pick(limit=3), AT + HOUR)) == 3
    await journal.close()


async def test_a_crash_of_many_sessions_is_recovered_in_parts(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_recovery, "PART_SESSIONS", 2)
    journal = PostgresJournal(database)
    await journal.open()
    users = ["bob", "ada", "ada", "eve", "ada", "joe"]
    journal.record([opened(f"s{number}", user, AT + number) for number, user in enumerate(users)])
    journal.record([turned(user, "offline", "online", AT) for user in set(users)])
    await journal.flush()
    writes, write_once = [], journal._pool.write

    async def counted(act: Act[int]) -> int:
        writes.append(await write_once(act))
        return writes[-1]

    monkeypatch.setattr(journal._pool, "write", counted)
    assert await journal.recover("n1", AT + 50, ["s3"]) == 5
    assert writes == [3, 2], "all of ada's together"
    assert [(await journal.transitions(T, user))[0].after for user in ("ada", "bob", "joe")] == ["offline"] * 3
    assert [(await journal.transitions(T, "ada"))[0].at, await journal.recover("n1", AT + 50)] == [AT + 4, 1]
    await journal.close()


async def test_many_who_read_while_it_is_written_read_once_each(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waited for a connection has missed many writes, and must not stand in line anew for that."""
    journal = PostgresJournal(database, flush_seconds=0.001)
    await journal.open()
    look, looks = journal._pool.look, 0

    async def counted(act: Act[object]) -> object:
        nonlocal looks
        looks += 1
        return await look(act)

    monkeypatch.setattr(journal._pool, "look", counted)

    async def comes(number: int) -> None:
        await journal.last_seen(T, [f"u{number}"])
        journal.record([opened(f"s{number}", f"u{number}", AT)])
        await journal.declared(T, f"u{number}")

    await asyncio.gather(*map(comes, range(1_000)))
    assert looks < 2_400
    await journal.close()
