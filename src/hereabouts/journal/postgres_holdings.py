"""Who held what in the past, in PostgreSQL: of what happened since then, and of what is held now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hereabouts.engine.attendance import Span, clip
from hereabouts.engine.tenures import Tenure, Turn, tenures
from hereabouts.errors import Refusal
from hereabouts.journal.history import SESSIONS_MOST
from hereabouts.journal.past import Wanted
from hereabouts.journal.postgres_pool import Connection

TURNS = """
    SELECT at, event, resource, user_id, from_resource, loser_id FROM occupancy_events
    WHERE tenant = $1 AND kind = $2 AND at >= $3 ORDER BY seq
"""

STANDING = "SELECT user_id, resource, since_at FROM occupancies WHERE tenant = $1 AND kind = $2"


async def held(connection: Connection, wanted: Wanted) -> list[tuple[str, list[Span]]]:
    """See `History.held`."""
    turns = await connection.fetch(TURNS, wanted.tenant, wanted.kind, wanted.span.start_at)
    standing = await connection.fetch(STANDING, wanted.tenant, wanted.kind)
    of_user: dict[str, list[Span]] = {}
    for count, tenure in enumerate(filter(wanted.has, _tenures(wanted, turns, standing)), 1):
        of_user.setdefault(tenure.user_id, []).append(tenure.span)
        if count > SESSIONS_MOST:
            text = f"over {SESSIONS_MOST} holdings; ask about less time, or about one resource"
            raise Refusal("limit_exceeded", text, limit="holdings")
    users = sorted(of_user)[: wanted.pick.limit]
    return [(user_id, clip(of_user[user_id], wanted.span)) for user_id in users]


def _tenures(wanted: Wanted, turns: list[Any], standing: list[Any]) -> Iterator[Tenure]:
    yield from tenures(map(Turn._make, turns), wanted.span.start_at)
    for user_id, resource, since_at in standing:
        now_at = max(wanted.now_at, since_at)
        yield Tenure(user_id, resource, Span(since_at, now_at, now_at, is_open=True))
