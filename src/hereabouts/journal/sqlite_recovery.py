"""After a crash: what it left open is ended, dated by the node's last sign of life.

Source: `spec/semantics.md`, rule 15.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Final, NamedTuple

from hereabouts.journal.sqlite_file import transaction

User = tuple[str, str]
"""Tenant and user id."""

CAUSE: Final = "node_lost"

CLOSE: Final = """
    UPDATE sessions SET closed_at = ?, cause = ?, last_seen_at = ?, is_approximate = 1, detected_at = ?
    WHERE tenant = ? AND session_id = ?
"""

SEEN: Final = """
    INSERT INTO last_seen (tenant, user_id, seen_at, public_seen_at) VALUES (:tenant, :user_id, :at, :public_at)
    ON CONFLICT DO UPDATE SET
        seen_at = max(ifnull(seen_at, excluded.seen_at), excluded.seen_at),
        public_seen_at = CASE WHEN :public_at IS NULL THEN public_seen_at
                              ELSE max(ifnull(public_seen_at, :public_at), :public_at) END
"""

INVISIBLE: Final = """
    SELECT 1 FROM declared
    WHERE tenant = ? AND user_id = ? AND status = 'invisible' AND (until_at IS NULL OR until_at > ?)
"""

NEWEST: Final = "SELECT after, at FROM transitions WHERE tenant = ? AND user_id = ? ORDER BY at DESC, id DESC LIMIT 1"

OFFLINE: Final = """
    INSERT INTO transitions (tenant, user_id, before, after, cause, at) VALUES (?, ?, ?, 'offline', ?, ?)
    ON CONFLICT DO NOTHING
"""


class Open(NamedTuple):
    """A session without an end."""

    tenant: str
    session_id: str
    user_id: str
    node: str
    opened_at: int


def recover(connection: sqlite3.Connection, node: str, at: int, kept: Collection[str]) -> int:
    """See `Journal.recover`."""
    keeps = frozenset(kept)
    with transaction(connection):
        still = [
            Open(*row)
            for row in connection.execute(
                "SELECT tenant, session_id, user_id, node, opened_at FROM sessions WHERE closed_at IS NULL"
            )
        ]
        lost = [session for session in still if session.node == node and session.session_id not in keeps]
        if not lost:
            return 0
        row = connection.execute("SELECT alive_at FROM nodes WHERE node = ?", (node,)).fetchone()
        alive_at = min(row[0], at) if row is not None else 0
        gone_at = _close(connection, lost, alive_at, at)
        present = {(session.tenant, session.user_id) for session in set(still).difference(lost)}
        for user, user_at in gone_at.items():
            _note_seen(connection, user, user_at)
            if user not in present:
                _note_offline(connection, user, user_at)
    return len(lost)


def _close(connection: sqlite3.Connection, lost: list[Open], alive_at: int, at: int) -> dict[User, int]:
    """Close the sessions; when each user's last one ended."""
    gone_at: dict[User, int] = {}
    for session in lost:
        # One that began after the last sign of life ended, for all that is known, as it began.
        end_at = max(session.opened_at, alive_at)
        connection.execute(CLOSE, (end_at, CAUSE, end_at, max(end_at, at), session.tenant, session.session_id))
        user = (session.tenant, session.user_id)
        gone_at[user] = max(end_at, gone_at.get(user, end_at))
    return gone_at


def _note_seen(connection: sqlite3.Connection, user: User, at: int) -> None:
    hides = connection.execute(INVISIBLE, (*user, at)).fetchone() is not None
    values = {"tenant": user[0], "user_id": user[1], "at": at, "public_at": None if hides else at}
    connection.execute(SEEN, values)


def _note_offline(connection: sqlite3.Connection, user: User, at: int) -> None:
    newest = connection.execute(NEWEST, user).fetchone()
    if newest is None or newest[0] == "offline":
        return
    # The last change may be younger than the last sign of life; the history stays in its order.
    connection.execute(OFFLINE, (*user, newest[0], CAUSE, max(at, newest[1])))
