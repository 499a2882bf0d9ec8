"""What SQLite does for the journal's calls: it looks rows up, and never through a whole table."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from hereabouts.engine.occupancy import Ask, Giving, Terms
from hereabouts.journal.audit import Act, AuditFilter
from hereabouts.journal.base import LastSeen, SessionClosed, SessionOpened, Transition
from hereabouts.journal.relations import Relation
from hereabouts.journal.sqlite import SqliteJournal

T: Final = "default"
WRITTEN: Final = (
    SessionOpened(T, "s1", "ada", "n0", None, 1),
    Transition(T, "ada", "offline", "online", None, 1),
    LastSeen(T, "ada", 1, 1, 1, 1),
    SessionClosed(T, "s1", 2, "leave", 2),
)


async def record(journal: SqliteJournal) -> None:
    journal.record(WRITTEN)
    await journal.flush()


CALLS: Final[dict[str, Callable[[SqliteJournal], Awaitable[object]]]] = {
    "a session begins and ends": record,
    "last seen": lambda journal: journal.last_seen(T, ["ada", "bob"]),
    "what was declared": lambda journal: journal.declared(T, "ada"),
    "the newest changes of a user": lambda journal: journal.transitions(T, "ada", 10),
    "what is old is forgotten": lambda journal: journal.prune({"sessions": 1, "transitions": 1}),
    "sessions without an end": lambda journal: journal.recover("n0", 1),
    "whom a user may watch": lambda journal: journal.relations.watched_by(T, "mum"),
    "who may watch a user": lambda journal: journal.relations.watchers_of(T, "kid"),
    "an edge is set": lambda journal: journal.relations.put(Relation(T, "mum", "kid", 1)),
    "a resource is taken": lambda journal: journal.occupancies.occupy(
        Ask(T, "account:7", "ada", None), Terms(cooldown_seconds=30), 1
    ),
    "a resource is given back": lambda journal: journal.occupancies.release(Giving(T, "account:7", "ada"), 1),
    "what happened to a kind": lambda journal: journal.occupancies.history(T, "account"),
    "what an admin did": lambda journal: journal.audit.note([Act(T, 1, "user:eve", "kick", "user:ada", "ada")]),
    "what was done to a user": lambda journal: journal.audit.find(T, AuditFilter(user_id="ada")),
    "events that wait": lambda journal: journal.outbox.waiting("crm", 0, 10),
    "events since": lambda journal: journal.outbox.events(T, 0, 10),
}
SMALL: Final = ("sessions_open",)
"""Indexes that hold only what is open now: to go through one of them is to go through the live sessions."""

ABOUT_DEVICES: Final = {"ip", "address", "remote", "agent", "user_agent"}


async def plans(path: Path, call: Callable[[SqliteJournal], Awaitable[object]]) -> list[str]:
    """What SQLite plans for each statement of a call."""
    statements: list[str] = []

    def trace(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)

    def explain(connection: sqlite3.Connection) -> list[str]:
        connection.set_trace_callback(None)
        asked = [one for one in statements if one.split(maxsplit=1)[0] in ("SELECT", "INSERT", "UPDATE", "DELETE")]
        assert asked, statements
        return [row[3] for one in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {one}")]

    journal = SqliteJournal(path)
    await journal.open()
    try:
        await journal.write(trace)
        await journal.read(trace)
        await call(journal)
        return await journal.write(explain)
    finally:
        await journal.close()


@pytest.mark.parametrize("name", CALLS)
async def test_no_call_looks_at_a_whole_table(tmp_path: Path, name: str) -> None:
    steps = await plans(tmp_path / "journal.db", CALLS[name])
    whole = [step for step in steps if step.startswith("SCAN") and not any(index in step for index in SMALL)]
    assert whole == [], steps


async def test_one_table_alone_has_a_place_for_an_address_or_an_agent(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    await journal.open()
    try:
        columns = await journal.write(
            lambda connection: connection.execute(
                "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'"
            ).fetchall()
        )
    finally:
        await journal.close()
    assert ("sessions", "platform") in columns
    # The audit says from where an admin acted; it tells nothing of users. Nothing goes into origins unless asked for.
    elsewhere = [(table, name) for table, name in columns if table not in ("audit", "origins")]
    assert [(table, name) for table, name in elsewhere if name in ABOUT_DEVICES] == []
