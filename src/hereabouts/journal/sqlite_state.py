"""What the journal keeps beside the rows: revocations, nodes, hand-over; and how it forgets and makes sure."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Final

from hereabouts.journal import sqlite_events
from hereabouts.journal.revocations import Revocation
from hereabouts.journal.sqlite_file import transaction

PRUNE_ROWS: Final = 1_000
"""Rows forgotten in one transaction."""

PRUNE: Final = {
    "sessions": """
        DELETE FROM sessions WHERE (tenant, session_id) IN
        (SELECT tenant, session_id FROM sessions WHERE closed_at < ? LIMIT ?)
    """,
    "events": sqlite_events.PRUNE,
    "transitions": "DELETE FROM transitions WHERE id IN (SELECT id FROM transitions WHERE at < ? LIMIT ?)",
    "occupancies": """
        DELETE FROM occupancy_events WHERE (tenant, kind, seq) IN
        (SELECT tenant, kind, seq FROM occupancy_events WHERE at < ? LIMIT ?)
    """,
    "origins": """
        DELETE FROM origins WHERE (tenant, session_id, at) IN
        (SELECT tenant, session_id, at FROM origins WHERE at < ? LIMIT ?)
    """,
    "audit": "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? LIMIT ?)",
}


def sync(connection: sqlite3.Connection) -> None:
    """Make sure that what was committed survives a loss of power. Raises `OSError`.

    Commits alone, with `synchronous = NORMAL`, survive the end of the process. A checkpoint would do too, but needs
    room in the main file. SQLite holds no lock on the log, so that opening and closing it here takes none away.
    """
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    try:
        opened = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        # Everything was written back and synced.
        return
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def revocations(connection: sqlite3.Connection) -> list[Revocation]:
    """Every one, oldest first."""
    return [
        Revocation(*row)
        for row in connection.execute("SELECT tenant, kind, id, at, until_at FROM revocations ORDER BY at")
    ]


def revoke(connection: sqlite3.Connection, revocation: Revocation) -> None:
    """Keep one, and forget those that ran out before it."""
    with transaction(connection):
        connection.execute("DELETE FROM revocations WHERE until_at <= ?", (revocation.at,))
        connection.execute(
            "INSERT INTO revocations (tenant, kind, id, at, until_at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET at = max(at, excluded.at), until_at = max(until_at, excluded.until_at)",
            revocation,
        )
    sync(connection)


def alive(connection: sqlite3.Connection, node: str, at: int) -> None:
    """Note that the node lives. A wall clock that was set back is believed."""
    connection.execute(
        "INSERT INTO nodes (node, alive_at) VALUES (?, ?) ON CONFLICT DO UPDATE SET alive_at = excluded.alive_at",
        (node, at),
    )


def hand_over(connection: sqlite3.Connection, payloads: Sequence[bytes], valid_until_at: int) -> None:
    """Keep these instead of what was kept."""
    with transaction(connection):
        connection.execute("DELETE FROM handover")
        connection.executemany(
            "INSERT INTO handover (payload, valid_until_at) VALUES (?, ?)",
            [(payload, valid_until_at) for payload in payloads],
        )


def take_over(connection: sqlite3.Connection, at: int) -> list[bytes]:
    """What was kept and is still valid, in its order; then nothing is kept any more."""
    with transaction(connection):
        rows = connection.execute("SELECT payload FROM handover WHERE valid_until_at > ? ORDER BY id", (at,)).fetchall()
        connection.execute("DELETE FROM handover")
    return [payload for (payload,) in rows]


def prune(connection: sqlite3.Connection, kind: str, before_at: int) -> int:
    """Forget some of what is older; how many. Raises `KeyError` for a class that is not in `PRUNE`."""
    return connection.execute(PRUNE[kind], (before_at, PRUNE_ROWS)).rowcount
