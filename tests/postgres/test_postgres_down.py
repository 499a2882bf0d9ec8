"""PostgreSQL that stands still, is gone, or comes back: rows wait, and nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import asyncpg
import pytest

from hereabouts.engine.occupancy import Ask, Granted, Refused, Terms
from hereabouts.errors import JournalUnavailable
from hereabouts.journal.base import Journal, SessionClosed
from hereabouts.journal.outbox import OutboxRow
from hereabouts.journal.postgres import PostgresJournal
from hereabouts.journal.postgres_tables import PostgresMigrations
from hereabouts.protocol.codes import Status
from hereabouts.testing.fault_proxy import FaultProxy, Faults
from hereabouts.testing.journal_contract import AT, T, opened, seen, turned
from hereabouts.testing.outbox_contract import all_to_crm
from hereabouts.testing.postgres import PostgresServer, postgres
from hereabouts.testing.waiting import eventually, pause

TURNS: tuple[tuple[Status, Status], ...] = (("idle", "online"), ("online", "idle"))


@pytest.fixture(scope="module")
def victim() -> Iterator[PostgresServer]:
    """A server of its own, that no other test minds."""
    with postgres() as server:
        PostgresMigrations(server.url()).up()
        yield server


def impatient(victim: PostgresServer, queue_rows: int = 200_000) -> PostgresJournal:
    return PostgresJournal(
        victim.url(), flush_seconds=0.01, statement_seconds=0.4, flush_wait_seconds=5, queue_rows=queue_rows
    )


async def _went_on(journal: Journal, user_id: str, away: Callable[[], None], back: Callable[[], None]) -> None:
    """Rows are taken all the time, before, while the database is away, and after."""
    for number in range(600):
        if number == 200:
            await asyncio.to_thread(away)
        if number == 400:
            await eventually(lambda: not journal.health().is_writable)
            with pytest.raises(JournalUnavailable):
                await journal.revoke(T, "token", "t", AT, AT)
            await asyncio.to_thread(back)
        change = turned(user_id, *TURNS[number % 2], AT + number)
        journal.record([change, opened(f"{user_id}{number}", user_id, AT)])
        if number % 10 == 0:
            journal.record(
                [SessionClosed(T, f"{user_id}{number}", AT + number, "leave", AT), seen(user_id, AT + number)]
            )
            await pause(0.002)
    await eventually(lambda: journal.health().is_writable and not journal.health().queued_rows)
    assert journal.health().lost_rows == 0
    told = await journal.transitions(T, user_id, 1_000)
    assert [row.at - AT for row in told] == list(range(599, -1, -1)), "each once, in order"
    assert (await journal.last_seen(T, [user_id]))[user_id].seen_at == AT + 590


async def test_one_that_stands_still_under_load(victim: PostgresServer) -> None:
    journal = impatient(victim)
    await journal.open()
    try:
        await _went_on(journal, "ada", victim.freeze, victim.thaw)
    finally:
        victim.thaw()
        await journal.close()


async def test_one_that_is_killed_under_load(victim: PostgresServer) -> None:
    journal = impatient(victim)
    await journal.open()
    try:
        await _went_on(journal, "bob", victim.stop, victim.start)
    finally:
        await journal.close()


async def test_what_is_waited_for_fails_in_time(victim: PostgresServer) -> None:
    journal = impatient(victim)
    await journal.open()
    victim.freeze()
    try:
        started = time.monotonic()
        with pytest.raises(JournalUnavailable):
            await journal.last_seen(T, ["ada"])
        with pytest.raises(JournalUnavailable):
            await journal.alive("n1", AT)
        assert time.monotonic() - started < 4
        health = journal.health()
        assert (health.is_writable, health.failing_since_at is not None) == (False, True)
    finally:
        victim.thaw()
    await journal.alive("n1", AT)
    assert journal.health().is_writable
    await journal.close()


async def test_past_the_bound_rows_are_refused_and_counted(victim: PostgresServer) -> None:
    journal = impatient(victim, queue_rows=100)
    await journal.open()
    victim.freeze()
    journal.record([turned("eve", "offline", "online", AT + number) for number in range(150)])
    assert (journal.health().queued_rows, journal.health().lost_rows) == (100, 50)
    victim.thaw()
    await eventually(lambda: not journal.health().queued_rows)
    assert len(await journal.transitions(T, "eve", 1_000)) == 100
    await journal.close()


async def test_connections_that_are_ended_are_made_anew(victim: PostgresServer) -> None:
    journal = impatient(victim)
    await journal.open()
    for number in range(5):
        await asyncio.to_thread(
            victim.execute,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hereabouts'",
        )
        journal.record([seen("kim", AT + number)])
        await journal.flush()
        assert (await journal.last_seen(T, ["kim"]))["kim"].seen_at == AT + number
    await journal.close()


async def test_closing_says_what_could_not_be_written(victim: PostgresServer) -> None:
    journal = PostgresJournal(victim.url(), flush_seconds=0.01, statement_seconds=0.3, flush_wait_seconds=0.6)
    await journal.open()
    victim.freeze()
    try:
        journal.record([seen("zoe", AT)])
        with pytest.raises(JournalUnavailable, match="1 rows could not be written"):
            await journal.close()
        assert journal.health().lost_rows == 1
    finally:
        victim.thaw()


SLOW_TO_COMMIT = """
    CREATE FUNCTION hereabouts.dally() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.user_id LIKE 'lea%' THEN PERFORM pg_sleep(0.5); END IF; RETURN NULL; END
    $$;
    CREATE CONSTRAINT TRIGGER dally AFTER INSERT ON hereabouts.transitions DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION hereabouts.dally();
    CREATE CONSTRAINT TRIGGER dally AFTER INSERT ON hereabouts.occupancy_events DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION hereabouts.dally();
"""

COMMITTING = "SELECT 1 FROM pg_stat_activity WHERE query ILIKE 'COMMIT%' AND state = 'active'"


async def _lose_the_answer(proxy: FaultProxy, other: Any) -> None:
    """From the next commit on the server hears everything, and nothing that it says comes back."""
    async with asyncio.timeout(5):
        while not await other.fetch(COMMITTING):
            await pause(0.01)
    proxy.down = Faults(is_black_hole=True)


async def _heal(proxy: FaultProxy) -> None:
    for link in proxy.links:
        link.cut()
    proxy.down = Faults()


async def test_a_commit_whose_answer_was_lost_is_made_again_and_changes_nothing(victim: PostgresServer) -> None:
    other = await asyncpg.connect(victim.url())
    await other.execute(SLOW_TO_COMMIT)
    async with FaultProxy("127.0.0.1", victim.port, random=Random(1)) as proxy:
        url = victim.url().replace(str(victim.port), str(proxy.port))
        journal = PostgresJournal(url, flush_seconds=0.01, statement_seconds=1)
        journal.outbox.route, journal.outbox.kinds = all_to_crm, frozenset({"user"})
        await journal.open()
        for number in range(2):
            before, after = TURNS[number]
            journal.record([opened("lea1", "lea", AT), turned("lea", before, after, AT + number)])
            journal.record([OutboxRow(T, "user", "", "lea", after, None, AT + number)])
            await _lose_the_answer(proxy, other)
            await eventually(lambda: not journal.health().is_writable)
            assert len(await journal_rows(other)) == number + 1, "it was committed"
            await _heal(proxy)
            await journal.flush()
        assert [row["at"] - AT for row in await journal_rows(other)] == [0, 1]
        assert len(await journal.outbox.events(T, 0, 100)) == 2
        asked = asyncio.create_task(journal.occupancies.occupy(Ask(T, "desk:lea", "lea"), Terms(), AT))
        await _lose_the_answer(proxy, other)
        with pytest.raises(JournalUnavailable):
            await asked
        await _heal(proxy)
        # Nobody was told that lea holds it, and nobody else gets it either; lea, who asks again, has it.
        assert isinstance(await journal.occupancies.occupy(Ask(T, "desk:lea", "bob"), Terms(), AT), Refused)
        granted = await journal.occupancies.occupy(Ask(T, "desk:lea", "lea"), Terms(), AT)
        assert isinstance(granted, Granted) and granted.holding.fencing == 1
        await journal.close()
    await other.execute("DROP FUNCTION hereabouts.dally CASCADE")
    await other.close()


async def journal_rows(other: Any) -> list[Any]:
    return list(await other.fetch("SELECT at FROM hereabouts.transitions WHERE user_id = 'lea' ORDER BY id"))


FULL = """
    CREATE FUNCTION hereabouts.full() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END
    $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON hereabouts.transitions
        FOR EACH STATEMENT EXECUTE FUNCTION hereabouts.full();
    CREATE TRIGGER full_disk BEFORE INSERT ON hereabouts.occupancies
        FOR EACH STATEMENT EXECUTE FUNCTION hereabouts.full();
"""
"""What a server says whose disk is full: to each statement, while its connections stay."""


async def test_one_whose_disk_is_full_loses_no_row_and_grants_nothing(victim: PostgresServer) -> None:
    other = await asyncpg.connect(victim.url())
    journal = impatient(victim)
    await journal.open()
    await other.execute(FULL)
    journal.record([turned("max", *TURNS[number % 2], AT + number) for number in range(100)])
    await eventually(lambda: not journal.health().is_writable)
    with pytest.raises(JournalUnavailable):
        await journal.occupancies.occupy(Ask(T, "desk:max", "max"), Terms(), AT)
    assert (journal.health().queued_rows, journal.health().lost_rows) == (100, 0)
    await other.execute("DROP FUNCTION hereabouts.full CASCADE")
    await eventually(lambda: journal.health().is_writable and not journal.health().queued_rows)
    assert len(await journal.transitions(T, "max", 1_000)) == 100
    assert isinstance(await journal.occupancies.occupy(Ask(T, "desk:max", "bob"), Terms(), AT), Granted)
    await journal.close()
    await other.close()
