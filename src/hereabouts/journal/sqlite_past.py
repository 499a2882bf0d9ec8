"""The past in SQL. Each question is asked of an index that holds all it needs, and folded by the engine.

What a user's status was at a moment: what the last change until then says it became, or, where that is forgotten
already, what the first one after it says it was before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

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

_AFTER_ALL_TEXT: Final = b""
"""In the order of SQLite every blob comes after every text."""

_PICKED: Final = "user_id >= :first AND user_id <= :last AND user_id <> :after"

# One look into the index a user, however many rows each has. The first row may be the null of an empty table.
_USERS: Final = f"""
    WITH RECURSIVE users (user_id) AS (
        SELECT min(user_id) FROM transitions WHERE tenant = :tenant AND {_PICKED}
        UNION ALL
        SELECT (SELECT min(user_id) FROM transitions
                WHERE tenant = :tenant AND user_id > users.user_id AND user_id <= :last)
        FROM users WHERE users.user_id IS NOT NULL
    )
"""

_STATUS: Final = """
    coalesce(
        (SELECT after FROM transitions
         WHERE tenant = :tenant AND user_id = users.user_id AND at <= :at ORDER BY at DESC, id DESC LIMIT 1),
        (SELECT before FROM transitions
         WHERE tenant = :tenant AND user_id = users.user_id AND at > :at ORDER BY at, id LIMIT 1)
    )
"""

_COUNT: Final = f"{_USERS} SELECT count(*) FROM users WHERE user_id IS NOT NULL AND {_STATUS} <> 'offline'"

_STEPS: Final = """
    SELECT at, (before = 'offline') - (after = 'offline') FROM transitions
    WHERE tenant = ? AND at >= ? AND at < ? AND (before = 'offline') <> (after = 'offline') ORDER BY at
"""

_THEN: Final = f"""
    {_USERS} SELECT user_id, {_STATUS} AS status FROM users
    WHERE user_id IS NOT NULL AND status <> 'offline' LIMIT :limit
"""

_CHANGED: Final = f"""
    {_USERS} SELECT user_id, {_STATUS} AS status FROM users
    WHERE user_id IS NOT NULL AND (status <> 'offline' OR EXISTS (
        SELECT 1 FROM transitions
        WHERE tenant = :tenant AND user_id = users.user_id AND at > :at AND at < :to_at
    ))
    LIMIT :limit
"""

_UNSAID: Final = f"cause IN ({', '.join(repr(cause) for cause in UNSAID_CAUSES)})"

_END: Final = (
    f"CASE WHEN {_UNSAID} THEN max(opened_at, min(ifnull(last_seen_at, closed_at), closed_at)) ELSE closed_at END"
)

_TOUCHES: Final = "opened_at < :to_at AND (closed_at IS NULL OR closed_at > :from_at OR detected_at > :from_at)"

_PRESENT: Final = f"""
    SELECT DISTINCT user_id FROM sessions WHERE tenant = :tenant AND {_PICKED} AND {_TOUCHES}
    ORDER BY user_id LIMIT :limit
"""

_SPANS: Final = f"""
    SELECT user_id, opened_at, {_END}, ifnull(detected_at, closed_at),
        (SELECT alive_at FROM nodes WHERE node = sessions.node)
    FROM sessions
    WHERE tenant = :tenant AND user_id >= :first AND user_id <= :last AND {_TOUCHES}
    ORDER BY user_id, opened_at LIMIT :most
"""

# Those whose node died without a word around that moment, and what others had last been told of them.
_UNCERTAIN: Final = f"""
    SELECT user_id, (
        SELECT CASE WHEN cause = 'node_lost' THEN before END FROM transitions
        WHERE tenant = :tenant AND user_id = lost.user_id AND at <= :at ORDER BY at DESC, id DESC LIMIT 1
    ) AS status
    FROM (
        SELECT DISTINCT user_id FROM sessions INDEXED BY sessions_detected
        WHERE tenant = :tenant AND detected_at > :at AND closed_at <= :at AND {_PICKED}
    ) AS lost
    WHERE status <> 'offline' ORDER BY user_id LIMIT :limit
"""

_OPEN_THEN: Final = """
    SELECT session_id, node, platform, opened_at FROM sessions
    WHERE tenant = :tenant AND user_id = :user_id AND opened_at <= :at
        AND (closed_at IS NULL OR closed_at > :at OR detected_at > :at)
    ORDER BY opened_at, session_id LIMIT :most
"""

_REGIONS: Final = """
    SELECT region, count(DISTINCT user_id) AS users, count(*) FROM (
        SELECT region, user_id FROM sessions
        WHERE tenant = :tenant AND closed_at > :from_at AND opened_at < :to_at
        UNION ALL
        SELECT region, user_id FROM sessions
        WHERE tenant = :tenant AND closed_at IS NULL AND opened_at < :to_at
    )
    WHERE region IS NOT NULL
    GROUP BY region HAVING users >= :users_least ORDER BY users DESC, region LIMIT :most
"""


def online(connection: sqlite3.Connection, tenant: str, buckets: Sequence[Bucket]) -> list[Online]:
    """See `History.online`."""
    from_at, to_at = buckets[0].start_at, buckets[-1].end_at
    before = {"tenant": tenant, "at": from_at - 1, **_picked(Pick())}
    (count,) = connection.execute(_COUNT, before).fetchone()
    steps = connection.execute(_STEPS, (tenant, from_at, to_at))
    return curve(buckets, count, map(Step._make, steps))


def session_lengths(connection: sqlite3.Connection, tenant: str, span: Bucket) -> Lengths:
    """See `History.lengths`."""
    rows = connection.execute(
        f"SELECT ({_END} - opened_at) / 1000.0 FROM sessions WHERE tenant = ? AND closed_at >= ? AND closed_at < ?",
        (tenant, *span),
    )
    return lengths(seconds for (seconds,) in rows)


def statuses(connection: sqlite3.Connection, tenant: str, span: Bucket, pick: Pick) -> list[UserStatuses]:
    """See `History.statuses`."""
    given = {"tenant": tenant, "at": span.start_at - 1, "to_at": span.end_at, **_picked(pick)}
    found = []
    for user_id, status in connection.execute(_CHANGED, given).fetchall():
        changes = connection.execute(
            "SELECT at, after FROM transitions WHERE tenant = ? AND user_id = ? AND at >= ? AND at < ? ORDER BY at, id",
            (tenant, user_id, *span),
        )
        found.append(UserStatuses(user_id, status_seconds(span, status, changes)))
    return found


def spans(
    connection: sqlite3.Connection, tenant: str, span: Bucket, pick: Pick, now_at: int
) -> list[tuple[str, list[Span]]]:
    """See `History.spans`."""
    given = {"tenant": tenant, "from_at": span.start_at, "to_at": span.end_at}
    users = [user for (user,) in connection.execute(_PRESENT, {**given, **_picked(pick)})]
    if not users:
        return []
    given |= {"first": users[0], "last": users[-1], "most": SESSIONS_MOST + 1}
    rows = connection.execute(_SPANS, given).fetchall()
    if len(rows) > SESSIONS_MOST:
        text = f"over {SESSIONS_MOST} sessions; ask about less time, or about fewer users with `limit`"
        raise Refusal("limit_exceeded", text, limit="sessions")
    return [
        (user_id, clip([lived.span(now_at) for lived in of_user], span))
        for user_id, of_user in groupby(map(Lived._make, rows), key=lambda lived: lived.user_id)
    ]


def at(connection: sqlite3.Connection, tenant: str, at: int, pick: Pick) -> list[UserThen]:
    """See `History.at`."""
    given = {"tenant": tenant, "at": at, **_picked(pick)}
    certain = dict(connection.execute(_THEN, given).fetchall())
    uncertain = dict(connection.execute(_UNCERTAIN, given).fetchall())
    return [
        UserThen(
            user_id,
            certain.get(user_id) or uncertain[user_id],
            user_id not in certain,
            tuple(_open_then(connection, tenant, user_id, at)),
        )
        # The order of SQLite is that of the bytes, which is that of the characters.
        for user_id in sorted({**uncertain, **certain})[: pick.limit]
    ]


def regions(connection: sqlite3.Connection, tenant: str, span: Bucket, users_least: int) -> list[Region]:
    """See `History.regions`."""
    given = {"tenant": tenant, "from_at": span.start_at, "to_at": span.end_at, "users_least": users_least}
    return [Region(*row) for row in connection.execute(_REGIONS, {**given, "most": REGIONS_MOST})]


def _picked(pick: Pick) -> dict[str, Any]:
    first, last = pick.user_id or pick.after, pick.user_id or _AFTER_ALL_TEXT
    return {"first": first, "last": last, "after": pick.after, "limit": pick.limit}


def _open_then(connection: sqlite3.Connection, tenant: str, user_id: str, at: int) -> Iterator[SessionThen]:
    given = {"tenant": tenant, "user_id": user_id, "at": at, "most": 100}
    for row in connection.execute(_OPEN_THEN, given):
        yield SessionThen(*row)
