"""The call that says why the server says what it says of a user."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from hereabouts.routes import Asked, Bound, Call, Nothing
from hereabouts.runtime.explaining import Explained, Explaining


class ExplainParams(Struct):
    """A user, and for whose eyes; `role` is the viewer's where it has no session, or which of its sessions is meant."""

    id: str
    viewer: str | None = None
    role: str | None = None


EXPLAIN: Final = Call(
    name="explain",
    method="GET",
    path="/v1/users/{id}/explain",
    summary="Why the server says what it says of a user, and what a viewer sees of it.",
    access="admin:read",
    params=ExplainParams,
    body=Nothing,
    answer=Explained,
    codes=("too_large", "degraded"),
)
EXPLAINS: Final[tuple[Call[Any, Any], ...]] = (EXPLAIN,)


def explain_calls(explaining: Explaining) -> list[Bound]:
    """`/v1/users/{id}/explain`."""

    async def explain(asked: Asked[ExplainParams, Nothing]) -> Explained:
        params, tenant = asked.params, asked.caller.identity.tenant
        return await explaining.user(tenant, params.id, params.viewer, params.role)

    return [EXPLAIN.to(explain)]
