"""The past in PostgreSQL. Each question is asked of an index, and folded by the engine.

What a user's status was at a moment: what the last change until then says it became, or, where that is forgotten
already, what the first one after it says it was before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from hereabouts.engine.analytics import Lengths, Online, Step, lengths, status_seconds
from hereabouts.engine.analytics import online as curve
from hereabouts.engine.attendance import Span, clip
from hereabouts.engine.buckets import Bucket
from hereabouts.errors import Refusal
from hereabouts.journal.history import (
    REGIONS_MOST,
    SESSIONS_MOST,
    UNSAID_CAUSES,
    Pick,
    Region,
    SessionThen,
    UserStatuses,
    UserThen,
)
from hereabouts.journal.past import Lived
from hereabouts.journal.postgres_pool import Connection
from hereabouts.journal.postgres_text import escaped
from hereabouts.protocol.codes import Status

AT_ONCE: Final = 2_000
"""Rows of a long answer that are read in one go; other work is done between."""

OPEN_MOST: Final = 100
"""Sessions that are told of one user, at most."""

# In all questions $1 is the tenant, and with `PICKED` $2 and $3 the users: those after the first text, or the second.
PICKED: Final = "user_id > $2 AND ($3::text IS NULL OR user_id = $3)"

# One look into the index a user, however many rows each has. The first row may be the null of an empty table.
USERS: Final = f"""
    WITH RECURSIVE users (user_id) AS (
        (SELECT min(user_id) FROM transitions WHERE tenant = $1 AND {PICKED})
        UNION ALL
        SELECT (SELECT min(user_id) FROM transitions WHERE tenant = $1 AND user_id > users.user_id AND {PICKED})
        FROM users WHERE users.user_id IS NOT NULL
    )
"""

STATUS: Final = """
    coalesce(
        (SELECT after FROM transitions
         WHERE tenant = $1 AND user_id = users.user_id AND at <= $4 ORDER BY at DESC, id DESC LIMIT 1),
        (SELECT before FROM transitions
         WHERE tenant = $1 AND user_id = users.user_id AND at > $4 ORDER BY at, id LIMIT 1)
    )
"""

COUNT: Final = f"{USERS} SELECT count(*) FROM users WHERE user_id IS NOT NULL AND {STATUS} <> 'offline'"

STEPS: Final = """
    SELECT at, (before = 'offline')::int - (after = 'offline')::int FROM transitions
    WHERE tenant = $1 AND at >= $2 AND at < $3 AND (before = 'offline') <> (after = 'offline') ORDER BY at
"""

# The users come in their order already; to order them again would be to look at all of them first.
THEN: Final = f"""
    {USERS} SELECT user_id, status FROM (
        SELECT user_id, {STATUS} AS status FROM users WHERE user_id IS NOT NULL
    ) AS told WHERE status <> 'offline' LIMIT $5
"""

CHANGED: Final = f"""
    {USERS} SELECT user_id, status FROM (
        SELECT user_id, {STATUS} AS status, EXISTS (
            SELECT 1 FROM transitions WHERE tenant = $1 AND user_id = users.user_id AND at > $4 AND at < $5
        ) AS has_changed
        FROM users WHERE user_id IS NOT NULL
    ) AS told WHERE status <> 'offline' OR has_changed LIMIT $6
"""

CHANGES: Final = """
    SELECT user_id, at, after FROM transitions
    WHERE tenant = $1 AND user_id = ANY($2::text[]) AND at >= $3 AND at < $4 ORDER BY user_id, at, id
"""

END: Final = f"""
    CASE WHEN cause IN ({", ".join(repr(cause) for cause in UNSAID_CAUSES)})
    THEN greatest(opened_at, least(coalesce(last_seen_at, closed_at), closed_at)) ELSE closed_at END
"""

LENGTHS: Final = f"""
    SELECT ({END} - opened_at) / 1000.0::float8 FROM sessions WHERE tenant = $1 AND closed_at >= $2 AND closed_at < $3
"""

TOUCHES: Final = "opened_at < $5 AND (closed_at IS NULL OR closed_at > $4 OR detected_at > $4)"

PRESENT: Final = f"""
    SELECT DISTINCT user_id FROM sessions WHERE tenant = $1 AND {PICKED} AND {TOUCHES} ORDER BY user_id LIMIT $6
"""

SPANS: Final = f"""
    SELECT user_id, opened_at, {END}, coalesce(detected_at, closed_at),
        (SELECT alive_at FROM nodes WHERE node = sessions.node)
    FROM sessions WHERE tenant = $1 AND user_id >= $2 AND user_id <= $3 AND {TOUCHES}
    ORDER BY user_id, opened_at LIMIT $6
"""

# Those whose node died without a word around that moment, and what others had last been told of them.
UNCERTAIN: Final = f"""
    SELECT user_id, status FROM (
        SELECT user_id, (
            SELECT CASE WHEN cause = 'node_lost' THEN before END FROM transitions
            WHERE tenant = $1 AND user_id = lost.user_id AND at <= $4 ORDER BY at DESC, id DESC LIMIT 1
        ) AS status
        FROM (
            SELECT DISTINCT user_id FROM sessions
            WHERE tenant = $1 AND detected_at > $4 AND closed_at <= $4 AND {PICKED}
        ) AS lost
    ) AS told WHERE status <> 'offline' ORDER BY user_id LIMIT $5
"""

OPEN_THEN: Final = """
    SELECT asked.user_id, session_id, node, platform, opened_at
    FROM unnest($2::text[]) AS asked (user_id) CROSS JOIN LATERAL (
        SELECT session_id, node, platform, opened_at FROM sessions
        WHERE tenant = $1 AND user_id = asked.user_id COLLATE "C" AND opened_at <= $3
            AND (closed_at IS NULL OR closed_at > $3 OR detected_at > $3)
        ORDER BY opened_at, session_id LIMIT $4
    ) AS open
"""

REGIONS: Final = """
    SELECT region, count(DISTINCT user_id) AS users, count(*) FROM sessions
    WHERE tenant = $1 AND (closed_at > $2 OR closed_at IS NULL) AND opened_at < $3 AND region IS NOT NULL
    GROUP BY region HAVING count(DISTINCT user_id) >= $4 ORDER BY users DESC, region LIMIT $5
"""


async def online(connection: Connection, tenant: str, buckets: Sequence[Bucket]) -> list[Online]:
    """See `History.online`."""
    from_at, to_at = buckets[0].start_at, buckets[-1].end_at
    count = await connection.fetchval(COUNT, tenant, *_picked(Pick()), from_at - 1)
    rows = connection.cursor(STEPS, tenant, from_at, to_at, prefetch=AT_ONCE)
    steps = [Step(*row) async for row in rows]
    return await asyncio.to_thread(curve, buckets, count, steps)


async def session_lengths(connection: Connection, tenant: str, span: Bucket) -> Lengths:
    """See `History.lengths`."""
    rows = connection.cursor(LENGTHS, tenant, *span, prefetch=AT_ONCE)
    seconds = [row[0] async for row in rows]
    return await asyncio.to_thread(lengths, seconds)


async def statuses(connection: Connection, tenant: str, span: Bucket, pick: Pick) -> list[UserStatuses]:
    """See `History.statuses`."""
    found = await connection.fetch(CHANGED, tenant, *_picked(pick), span.start_at - 1, span.end_at, pick.limit)
    changes: dict[str, list[tuple[int, Status]]] = {}
    for user_id, at, after in await connection.fetch(CHANGES, tenant, _ids(row[0] for row in found), *span):
        changes.setdefault(user_id, []).append((at, after))
    return [UserStatuses(user_id, status_seconds(span, status, changes.get(user_id, ()))) for user_id, status in found]


async def spans(
    connection: Connection, tenant: str, span: Bucket, pick: Pick, now_at: int
) -> list[tuple[str, list[Span]]]:
    """See `History.spans`."""
    present = await connection.fetch(PRESENT, tenant, *_picked(pick), *span, pick.limit)
    if not present:
        return []
    users = present[0][0], present[-1][0]
    rows = await connection.fetch(SPANS, tenant, *users, *span, SESSIONS_MOST + 1)
    if len(rows) > SESSIONS_MOST:
        text = f"over {SESSIONS_MOST} sessions; ask about less time, or about fewer users with `limit`"
        raise Refusal("limit_exceeded", text, limit="sessions")
    return [
        (user_id, clip([lived.span(now_at) for lived in of_user], span))
        for user_id, of_user in groupby(map(Lived._make, rows), key=lambda lived: lived.user_id)
    ]


async def at(connection: Connection, tenant: str, at: int, pick: Pick) -> list[UserThen]:
    """See `History.at`."""
    certain = dict(await connection.fetch(THEN, tenant, *_picked(pick), at, pick.limit))
    uncertain = dict(await connection.fetch(UNCERTAIN, tenant, *_picked(pick), at, pick.limit))
    users = sorted({**uncertain, **certain})[: pick.limit]
    sessions: dict[str, list[SessionThen]] = {}
    for user_id, *told in await connection.fetch(OPEN_THEN, tenant, _ids(users), at, OPEN_MOST):
        sessions.setdefault(user_id, []).append(SessionThen(*told))
    return [
        UserThen(
            user_id,
            certain.get(user_id) or uncertain[user_id],
            user_id not in certain,
            tuple(sessions.get(user_id, ())),
        )
        for user_id in users
    ]


async def regions(connection: Connection, tenant: str, span: Bucket, users_least: int) -> list[Region]:
    """See `History.regions`."""
    rows = await connection.fetch(REGIONS, tenant, *span, users_least, REGIONS_MOST)
    return [Region(*row) for row in rows]


def _picked(pick: Pick) -> tuple[str, str | None]:
    return pick.after, pick.user_id


def _ids(user_ids: Iterable[str]) -> list[str]:
    return [escaped(user_id) for user_id in user_ids]
