"""What SQLite does for the journal's reads: it looks rows up, and never through a whole table."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from hereabouts.journal import sqlite_recovery, sqlite_rows, sqlite_state
from hereabouts.journal.sqlite import SqliteJournal

READS: Final[dict[str, Callable[[sqlite3.Connection], object]]] = {
    "last seen": lambda connection: sqlite_rows.last_seen(connection, "default", ["ada", "bob"]),
    "what was declared": lambda connection: sqlite_rows.declared(connection, "default", "ada"),
    "the newest changes of a user": lambda connection: sqlite_rows.transitions(connection, "default", "ada", 10),
    "what a user's last change was": lambda connection: connection.execute(sqlite_recovery.NEWEST, ("default", "ada")),
    "old sessions": lambda connection: connection.execute(sqlite_state.PRUNE["sessions"], (1, 10)),
    "old changes": lambda connection: connection.execute(sqlite_state.PRUNE["transitions"], (1, 10)),
    "sessions without an end": lambda connection: sqlite_recovery.recover(connection, "n0", 1, ()),
}
SMALL: Final = {"sessions_open"}
"""Indexes that hold only what is open now: to go through one of them is to go through the live sessions."""

ABOUT_DEVICES: Final = {"ip", "address", "remote", "agent", "user_agent"}


async def plans(path: Path, read: Callable[[sqlite3.Connection], object]) -> list[str]:
    """What SQLite plans for each statement that is made while reading."""

    def trace(connection: sqlite3.Connection) -> list[str]:
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        read(connection)
        connection.set_trace_callback(None)
        asked = [statement for statement in statements if statement.lstrip().startswith(("SELECT", "DELETE", "UPDATE"))]
        assert asked
        return [row[3] for one in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {one}")]

    journal = SqliteJournal(path)
    await journal.open()
    try:
        return await journal.write(trace)
    finally:
        await journal.close()


@pytest.mark.parametrize("name", READS)
async def test_no_read_looks_at_a_whole_table(tmp_path: Path, name: str) -> None:
    steps = await plans(tmp_path / "journal.db", READS[name])
    whole = [step for step in steps if step.startswith("SCAN") and not any(index in step for index in SMALL)]
    assert whole == [], steps


async def test_no_table_has_a_place_for_an_address_or_an_agent(tmp_path: Path) -> None:
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
    # The audit says from where an admin acted; it tells nothing of users.
    assert [(table, name) for table, name in columns if name in ABOUT_DEVICES and table != "audit"] == []
