"""Who held what in the past, in PostgreSQL: of what happened since then, and of what is held now."""

from __future__ import annotations

from collections.abc import Iterable

from hereabouts.engine.attendance import Span, clip
from hereabouts.engine.tenures import Begun, Tenure, Turn, tenures
from hereabouts.errors import Refusal
from hereabouts.journal.history import SESSIONS_MOST
from hereabouts.journal.past import Wanted
from hereabouts.journal.postgres_past import AT_ONCE
from hereabouts.journal.postgres_pool import Connection

TURNS = """
    SELECT at, event, resource, user_id, from_resource, loser_id FROM occupancy_events
    WHERE tenant = $1 AND kind = $2 AND at >= $3 AND ($4::text IS NULL OR $4 IN (resource, from_resource)) ORDER BY seq
"""

STANDING = "SELECT user_id, resource, since_at FROM occupancies WHERE tenant = $1 AND kind = $2"


async def held(connection: Connection, wanted: Wanted) -> list[tuple[str, list[Span]]]:
    """See `History.held`."""
    found, begun, start_at = Found(wanted), Begun(), wanted.span.start_at
    # May be millions, of which one part is in memory.
    turns = await connection.cursor(TURNS, wanted.tenant, wanted.kind, start_at, wanted.resource)
    while part := await turns.fetch(AT_ONCE):
        found.add(tenures(map(Turn._make, part), start_at, begun))
    for user_id, resource, since_at in await connection.fetch(STANDING, wanted.tenant, wanted.kind):
        now_at = max(wanted.now_at, since_at)
        found.add([Tenure(user_id, resource, Span(since_at, now_at, now_at, is_open=True))])
    users = sorted(found.of_user)[: wanted.pick.limit]
    return [(user_id, clip(found.of_user[user_id], wanted.span)) for user_id in users]


class Found:
    """What was asked about, by user."""

    def __init__(self, wanted: Wanted) -> None:
        self.of_user: dict[str, list[Span]] = {}
        self._wanted = wanted
        self._count = 0

    def add(self, seen: Iterable[Tenure]) -> None:
        """Keep those of them that were asked about. Raises `Refusal` for too many."""
        for tenure in filter(self._wanted.has, seen):
            self.of_user.setdefault(tenure.user_id, []).append(tenure.span)
            self._count += 1
        if self._count > SESSIONS_MOST:
            text = f"over {SESSIONS_MOST} holdings; ask about less time, or about one resource"
            raise Refusal("limit_exceeded", text, limit="holdings")
