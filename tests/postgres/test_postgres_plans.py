"""What PostgreSQL reads for the outbox when its queue is long: little, wherever it stands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hereabouts.journal import postgres_outbox
from hereabouts.journal.postgres import PostgresJournal
from hereabouts.journal.postgres_pool import Connection
from hereabouts.testing.outbox_contract import AT

EVENTS = 30_000

FILL = f"""
    INSERT INTO events (id, tenant, type, subject, at, data)
    SELECT 'evt_' || i, 'default', 'user.online', 'ada', {AT} + i, '{{}}' FROM generate_series(1, {EVENTS}) AS i
"""

QUEUE = "INSERT INTO deliveries (endpoint, seq) SELECT 'crm', seq FROM events WHERE seq > $1"


async def filled(database: str, delivered: int) -> PostgresJournal:
    journal = PostgresJournal(database)
    await journal.open()

    async def fill(connection: Connection) -> None:
        await connection.execute(FILL)
        await connection.execute(QUEUE, delivered)

    await journal.write(fill)
    await journal.look(lambda connection: connection.execute("VACUUM ANALYZE events, deliveries"))
    return journal


async def most_read(journal: PostgresJournal, table: str, statement: str, *values: object) -> int:
    """How many rows of a table one step of the plan went through."""

    async def explain(connection: Connection) -> Any:
        return await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)

    (plan,) = json.loads(await journal.write(explain))
    return max(_read(plan["Plan"], table), default=0)


def _read(step: dict[str, Any], table: str) -> list[int]:
    here = [step["Actual Rows"] * step["Actual Loops"] + step.get("Rows Removed by Filter", 0)]
    below = [rows for part in step.get("Plans", []) for rows in _read(part, table)]
    return [*(here if step.get("Relation Name") == table else []), *below]


@pytest.mark.parametrize("after", [0, EVENTS // 2, EVENTS - 10])
async def test_events_that_wait_are_found_from_anywhere_in_a_long_queue(database: str, after: int) -> None:
    journal = await filled(database, 0)
    for table in ("events", "deliveries"):
        assert await most_read(journal, table, postgres_outbox._WAITING, "crm", after, 100) <= 1_000
    await journal.close()


async def test_the_oldest_that_waits_is_found_behind_many_that_do_not(database: str) -> None:
    journal = await filled(database, EVENTS - 10)
    assert await most_read(journal, "events", postgres_outbox._STATE, "crm") <= 1_000
    assert (await journal.outbox.state("crm")).oldest_at == AT + EVENTS - 9
    await journal.close()


async def test_a_long_queue_is_disabled_and_forgotten_in_parts(database: str) -> None:
    journal = await filled(database, EVENTS - 2_500)
    await journal.outbox.disable("crm", AT)
    state = await journal.outbox.state("crm")
    assert (state.waiting, state.dead, state.disabled_at) == (0, 2_500, AT)
    assert await journal.outbox.keep_only(["billing"]) == 2_500
    await journal.close()
