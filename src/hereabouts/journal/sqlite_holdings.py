"""Who held what in the past, in SQL: of what happened since then, and of what is held now."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from hereabouts.engine.attendance import Span, clip
from hereabouts.engine.tenures import Tenure, Turn, tenures
from hereabouts.errors import Refusal
from hereabouts.journal.history import SESSIONS_MOST
from hereabouts.journal.past import Wanted


def held(connection: sqlite3.Connection, wanted: Wanted) -> list[tuple[str, list[Span]]]:
    """See `History.held`."""
    of_user: dict[str, list[Span]] = {}
    for count, tenure in enumerate(filter(wanted.has, _tenures(connection, wanted)), 1):
        of_user.setdefault(tenure.user_id, []).append(tenure.span)
        if count > SESSIONS_MOST:
            text = f"over {SESSIONS_MOST} holdings; ask about less time, or about one resource"
            raise Refusal("limit_exceeded", text, limit="holdings")
    users = sorted(of_user)[: wanted.pick.limit]
    return [(user_id, clip(of_user[user_id], wanted.span)) for user_id in users]


def _tenures(connection: sqlite3.Connection, wanted: Wanted) -> Iterator[Tenure]:
    turns = connection.execute(
        "SELECT at, event, resource, user_id, from_resource, loser_id FROM occupancy_events"
        " WHERE tenant = ? AND kind = ? AND at >= ? ORDER BY seq",
        (wanted.tenant, wanted.kind, wanted.span.start_at),
    )
    yield from tenures(map(Turn._make, turns), wanted.span.start_at)
    standing = connection.execute(
        "SELECT user_id, resource, since_at FROM occupancies WHERE tenant = ? AND kind = ?",
        (wanted.tenant, wanted.kind),
    )
    for user_id, resource, since_at in standing:
        now_at = max(wanted.now_at, since_at)
        yield Tenure(user_id, resource, Span(since_at, now_at, now_at, is_open=True))
