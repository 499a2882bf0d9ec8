"""After a crash: what it left open is ended, dated by the node's last sign of life, in parts that each take a moment.

Source: `spec/semantics.md`, rule 15.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

from hereabouts.journal.postgres_pool import Connection

CAUSE: Final = "node_lost"

PART_SESSIONS: Final = 1_000
"""Sessions that are ended in one transaction. All at once would take longer than a statement may."""

LOST: Final = """
    SELECT tenant, session_id, user_id, opened_at FROM sessions
    WHERE closed_at IS NULL AND node = $1 ORDER BY tenant, user_id
"""

CLOSE: Final = """
    UPDATE sessions SET closed_at = $3, cause = $4, last_seen_at = $3, is_approximate = TRUE, detected_at = $5
    WHERE tenant = $1 AND session_id = $2 AND closed_at IS NULL
"""

# Somebody invisible is told of as seen no later than before.
SEEN: Final = """
    INSERT INTO last_seen AS known (tenant, user_id, seen_at, public_seen_at)
    SELECT $1, $2, $3, CASE WHEN NOT EXISTS (
        SELECT 1 FROM declared WHERE tenant = $1 AND user_id = $2 AND status = 'invisible'
        AND (until_at IS NULL OR until_at > $3)
    ) THEN $3::bigint END
    ON CONFLICT (tenant, user_id) DO UPDATE SET
        seen_at = greatest(known.seen_at, excluded.seen_at),
        public_seen_at = greatest(known.public_seen_at, excluded.public_seen_at)
"""

# The last change may be younger than the last sign of life; the history stays in its order.
OFFLINE: Final = """
    INSERT INTO transitions (tenant, user_id, before, after, cause, at)
    SELECT $1, $2, newest.after, 'offline', $4, greatest($3, newest.at) FROM (
        SELECT after, at FROM transitions WHERE tenant = $1 AND user_id = $2 ORDER BY at DESC, id DESC LIMIT 1
    ) AS newest
    WHERE newest.after <> 'offline'
        AND NOT EXISTS (SELECT 1 FROM sessions WHERE tenant = $1 AND user_id = $2 AND closed_at IS NULL)
    ON CONFLICT DO NOTHING
"""


class Lost(NamedTuple):
    """A session that a crash left open."""

    tenant: str
    session_id: str
    user_id: str
    opened_at: int


async def told(connection: Connection, node: str) -> int | None:
    """When the node last said that it lives."""
    at: int | None = await connection.fetchval("SELECT alive_at FROM nodes WHERE node = $1", node)
    return at


async def lost(connection: Connection, node: str, kept: Collection[str]) -> list[list[Lost]]:
    """What a crash of the node left open, but for what was kept, in parts for `recover`."""
    keeps = frozenset(kept)
    found = [Lost(*row) for row in await connection.fetch(LOST, node)]
    return list(_parts([session for session in found if session.session_id not in keeps]))


def _parts(sessions: Sequence[Lost]) -> Iterator[list[Lost]]:
    """All sessions of a user together: the last of them says when the user went."""
    part: list[Lost] = []
    for _, of_user in groupby(sessions, attrgetter("tenant", "user_id")):
        part += of_user
        if len(part) >= PART_SESSIONS:
            yield part
            part = []
    if part:
        yield part


async def recover(connection: Connection, node: str, at: int, part: Sequence[Lost]) -> int:
    """See `Journal.recover`."""
    told_at = await told(connection, node)
    alive_at = min(told_at, at) if told_at is not None else 0
    gone_at: dict[tuple[str, str], int] = {}
    ends: list[tuple[Any, ...]] = []
    for tenant, session_id, user_id, opened_at in part:
        # One that began after the last sign of life ended, for all that is known, as it began.
        end_at = max(opened_at, alive_at)
        ends.append((tenant, session_id, end_at, CAUSE, max(end_at, at)))
        gone_at[tenant, user_id] = max(end_at, gone_at.get((tenant, user_id), end_at))
    gone = [(*user, user_at) for user, user_at in sorted(gone_at.items())]
    await connection.executemany(CLOSE, sorted(ends))
    await connection.executemany(SEEN, gone)
    await connection.executemany(OFFLINE, [(*user, CAUSE) for user in gone])
    return len(part)
