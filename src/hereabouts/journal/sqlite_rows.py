"""The rows of the record in SQL: each written so that writing it twice changes nothing, and how they are read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import structs

from hereabouts.journal.base import Declared, LastSeen, Origin, Row, SessionClosed, SessionOpened, Transition
from hereabouts.journal.outbox import OutboxRow
from hereabouts.journal.sqlite_file import transaction

R = TypeVar("R", bound=Row)

IDS_MOST: Final = 500
"""Values of one query, well under the least limit that SQLite is built with."""

WRITE: Final[dict[type[Row], str]] = {
    # A session that is published again after it was given up lives on.
    SessionOpened: """
        INSERT INTO sessions (tenant, session_id, user_id, node, platform, opened_at, region)
        VALUES (:tenant, :session_id, :user_id, :node, :platform, :opened_at, :region)
        ON CONFLICT DO UPDATE SET
            node = excluded.node, closed_at = NULL, cause = NULL, is_approximate = 0, detected_at = NULL
    """,
    SessionClosed: """
        UPDATE sessions
        SET closed_at = :closed_at, cause = :cause, last_seen_at = :last_seen_at, is_approximate = :is_approximate
        WHERE tenant = :tenant AND session_id = :session_id AND closed_at IS NULL
    """,
    Origin: """
        INSERT INTO origins (tenant, session_id, user_id, address, agent, at)
        VALUES (:tenant, :session_id, :user_id, :address, :agent, :at)
        ON CONFLICT DO NOTHING
    """,
    Transition: """
        INSERT INTO transitions (tenant, user_id, before, after, cause, at)
        VALUES (:tenant, :user_id, :before, :after, :cause, :at)
        ON CONFLICT DO NOTHING
    """,
    # max() of two values is NULL when one is.
    LastSeen: """
        INSERT INTO last_seen (tenant, user_id, seen_at, active_at, public_seen_at, public_active_at)
        VALUES (:tenant, :user_id, :seen_at, :active_at, :public_seen_at, :public_active_at)
        ON CONFLICT DO UPDATE SET
            seen_at = max(ifnull(seen_at, excluded.seen_at), ifnull(excluded.seen_at, seen_at)),
            active_at = max(ifnull(active_at, excluded.active_at), ifnull(excluded.active_at, active_at)),
            public_seen_at = excluded.public_seen_at,
            public_active_at = excluded.public_active_at
    """,
    Declared: """
        INSERT INTO declared (tenant, user_id, status, text, emoji, until_at, at)
        VALUES (:tenant, :user_id, :status, :text, :emoji, :until_at, :at)
        ON CONFLICT DO UPDATE SET
            status = excluded.status, text = excluded.text, emoji = excluded.emoji,
            until_at = excluded.until_at, at = excluded.at
    """,
}

_FAULTY_ROW: Final = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    UnicodeError,
    OverflowError,
)
"""The row's own fault: it can never be written, and must not keep the others from it."""


def write(
    connection: sqlite3.Connection, rows: Collection[Row], outbox: Callable[[sqlite3.Connection, OutboxRow], None]
) -> int:
    """Write rows in their order, in one transaction; how many could not be, because of what is in them.

    `outbox` writes those of the outbox.
    """
    faulty = 0
    with transaction(connection):
        for row in rows:
            try:
                if isinstance(row, OutboxRow):
                    outbox(connection, row)
                else:
                    connection.execute(WRITE[type(row)], structs.asdict(row))
            except _FAULTY_ROW:
                faulty += 1
    return faulty


def last_seen(connection: sqlite3.Connection, tenant: str, user_ids: Sequence[str]) -> dict[str, LastSeen]:
    """The rows of these users."""
    found: dict[str, LastSeen] = {}
    for start in range(0, len(user_ids), IDS_MOST):
        some = user_ids[start : start + IDS_MOST]
        rows = connection.execute(
            "SELECT tenant, user_id, seen_at, active_at, public_seen_at, public_active_at FROM last_seen"
            f" WHERE tenant = ? AND user_id IN ({', '.join('?' * len(some))})",
            (tenant, *some),
        )
        found.update({row[1]: LastSeen(*row) for row in rows})
    return found


def declared(connection: sqlite3.Connection, tenant: str, user_id: str) -> Declared | None:
    """The row of this user."""
    row = connection.execute(
        "SELECT tenant, user_id, status, text, emoji, until_at, at FROM declared WHERE tenant = ? AND user_id = ?",
        (tenant, user_id),
    ).fetchone()
    return None if row is None else msgspec.convert(_named(Declared, row), Declared)


def transitions(connection: sqlite3.Connection, tenant: str, user_id: str, limit: int) -> list[Transition]:
    """The newest rows of this user, newest first."""
    rows = connection.execute(
        "SELECT tenant, user_id, before, after, cause, at FROM transitions WHERE tenant = ? AND user_id = ?"
        " ORDER BY at DESC, id DESC LIMIT ?",
        (tenant, user_id, limit),
    )
    return [msgspec.convert(_named(Transition, row), Transition) for row in rows]


def _named(kind: type[R], row: Sequence[object]) -> dict[str, object]:
    return dict(zip(kind.__struct_fields__, row, strict=True))
