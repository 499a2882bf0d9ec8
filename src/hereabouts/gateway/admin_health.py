"""The call that tells admins how the node is: its checks, what it counted, and whether anybody is shown who is gone."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from hereabouts.gateway.health import checks
from hereabouts.gateway.parts import Parts
from hereabouts.routes import Asked, Bound, Call, Nothing
from hereabouts.runtime.overview import Overview


class CheckRow(Struct):
    """One line of `/readyz`."""

    name: str
    found: str
    is_ok: bool


class HealthAnswer(Struct):
    """How the node that answers is; what is counted is counted since it started, over all tenants.

    `ghosts` are sessions of the tenant that are shown although they have been silent for longer than the ghost bound
    of their policy: 0, or the server is broken.
    """

    as_of_at: int
    node: str
    checks: list[CheckRow]
    ghosts: int
    beats: int
    joins: int
    leaves: dict[str, int]
    errors: dict[str, int]
    faults: int
    journal_queued_rows: int
    journal_lost_rows: int
    longest_stall_seconds: float


ADMIN_HEALTH: Final = Call(
    name="admin_health",
    method="GET",
    path="/v1/admin/health",
    summary="How the node is: checks, joins and leaves, ghosts.",
    access="admin:read",
    params=Nothing,
    body=Nothing,
    answer=HealthAnswer,
)
ADMIN_HEALTHS: Final[tuple[Call[Any, Any], ...]] = (ADMIN_HEALTH,)


def health_calls(node: Parts, overview: Overview) -> list[Bound]:
    """`GET /v1/admin/health`."""

    async def health(asked: Asked[Nothing, Nothing]) -> HealthAnswer:
        context, journal = node.context, node.context.journal.health()
        counted = context.telemetry
        return HealthAnswer(
            as_of_at=context.now().at,
            node=context.owner.node,
            checks=[CheckRow(check.name, check.found, check.found == "ok") for check in checks(node)],
            ghosts=overview.ghosts(asked.caller.identity.tenant),
            beats=counted.beats + counted.http_beats,
            joins=counted.joins,
            leaves=dict(counted.leaves),
            errors=dict(counted.errors),
            faults=counted.faults,
            journal_queued_rows=journal.queued_rows,
            journal_lost_rows=journal.lost_rows,
            longest_stall_seconds=round(node.timers.longest_stall_seconds, 3),
        )

    return [ADMIN_HEALTH.to(health)]
