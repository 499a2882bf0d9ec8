"""Calls about resources: who holds what, and to hold or release, for oneself or on behalf of a user."""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import UNSET, Struct, UnsetType
from starlette.responses import Response

from hereabouts.engine.identity import Identity
from hereabouts.errors import Refusal
from hereabouts.gateway.admin_acts import by_of
from hereabouts.gateway.door import Door
from hereabouts.gateway.legacy import DEPRECATED_AT
from hereabouts.protocol.codec import check_id
from hereabouts.protocol.codes import View
from hereabouts.protocol.messages import Holding
from hereabouts.routes import Asked, Bound, Call, Nothing
from hereabouts.runtime.holdings import Holder, Holdings
from hereabouts.runtime.kinds import Kinds
from hereabouts.runtime.noting import note

OLD_KIND: Final = "account"
"""The kind of what `DELETE /admin/presence/{accountId}` names."""


class KindParams(Struct):
    """A kind of resource."""

    kind: str


class ResourceParams(Struct):
    """A kind of resource, and the name of one."""

    kind: str
    name: str


class ReleaseParams(Struct):
    """A resource; of an API key also whose hold on it. With `fencing` it ends only if it is still that grant."""

    kind: str
    name: str
    user_id: str | None = None
    fencing: int | None = None


class OccupyBody(Struct):
    """How to hold it. `user_id`, `name` and `role` are for API keys: on whose behalf."""

    user_id: str | None = None
    name: str | None = None
    role: str | None = None
    on_conflict: Literal["reject", "take_over"] = "reject"


class AccountParams(Struct):
    """An account."""

    accountId: str


class Held(Struct):
    """Who holds what of a kind, as the caller may see it, at one position."""

    kind: str
    epoch: str
    seq: int
    view: View
    held: list[Holding]


class Occupied(Struct):
    """A grant. `fencing` is greater than that of every earlier grant of the kind."""

    resource: str
    user_id: str
    since_at: int
    fencing: int
    moved_from: str | UnsetType = UNSET


OCCUPANCY: Final = Call(
    name="occupancy",
    method="GET",
    path="/v1/occupancy/{kind}",
    summary="Who holds what of a kind.",
    access="reader",
    params=KindParams,
    body=Nothing,
    answer=Held,
    codes=("too_large", "unsupported"),
)
OCCUPY: Final = Call(
    name="occupy",
    method="PUT",
    path="/v1/occupancy/{kind}/{name}",
    summary="Hold a resource: for oneself, or with an API key on behalf of `user_id`. Asking again keeps it.",
    access="holder",
    params=ResourceParams,
    body=OccupyBody,
    answer=Occupied,
    codes=("occupied", "limit_exceeded", "degraded"),
)
RELEASE: Final = Call(
    name="release",
    method="DELETE",
    path="/v1/occupancy/{kind}/{name}",
    summary="Hold it no longer. An API key names `user_id`.",
    access="holder",
    params=ReleaseParams,
    body=Nothing,
    codes=("too_large", "lease_lost", "unsupported", "degraded"),
)
OLD_CLEAR: Final = Call(
    name="old_clear",
    method="DELETE",
    path="/admin/presence/{accountId}",
    summary="Ends every hold on the account: the resource `account:{accountId}`.",
    access="admin",
    params=AccountParams,
    body=Nothing,
    codes=("too_large", "unsupported", "degraded"),
    is_deprecated=True,
)
OCCUPYING: Final[tuple[Call[Any, Any], ...]] = (OCCUPANCY, OCCUPY, RELEASE, OLD_CLEAR)


class Occupying:
    """The calls."""

    def __init__(self, door: Door, holdings: Holdings, kinds: Kinds) -> None:
        self._door = door
        self._holdings = holdings
        self._kinds = kinds

    def calls(self) -> list[Bound]:
        """`/v1/occupancy…` and `/admin/presence/{accountId}`."""
        return [
            OCCUPANCY.to(self._read),
            OCCUPY.to(self._occupy),
            RELEASE.to(self._release),
            OLD_CLEAR.to(self._old_clear),
        ]

    async def _read(self, asked: Asked[KindParams, Nothing]) -> Held:
        read = self._kinds.read(asked.caller.identity, asked.params.kind)
        return Held(asked.params.kind, read.epoch, read.seq, read.view, read.held)

    async def _occupy(self, asked: Asked[ResourceParams, OccupyBody]) -> Occupied:
        identity, body = asked.caller.identity, asked.body
        holder = None
        if identity.is_server:
            holder = Holder(_whose(identity, body.user_id), body.name, body.role, asked.caller.name)
        if holder is None and (body.user_id, body.name, body.role) != (None, None, None):
            raise Refusal("forbidden", "a user holds for itself: user_id, name and role are for API keys")
        granted = await self._holdings.occupy(
            identity, _resource(asked.params), take_over=body.on_conflict == "take_over", on_behalf=holder
        )
        holding, moved_from = granted.holding, granted.moved_from
        return Occupied(
            resource=holding.resource,
            user_id=holding.user_id,
            since_at=holding.since_at,
            fencing=holding.fencing,
            moved_from=UNSET if moved_from is None else moved_from,
        )

    async def _release(self, asked: Asked[ReleaseParams, Nothing]) -> None:
        identity, params = asked.caller.identity, asked.params
        if params.user_id is not None and not identity.is_server:
            raise Refusal("forbidden", "a user releases what is its own: user_id is for API keys")
        whose = _whose(identity, params.user_id) if identity.is_server else identity.user_id
        await self._holdings.release(identity.tenant, _resource(params), whose, params.fencing)

    async def _old_clear(self, asked: Asked[AccountParams, Nothing]) -> Response:
        by, resource = by_of(asked, self._door, None), f"{OLD_KIND}:{asked.params.accountId}"
        holders = [holding.user_id for holding in self._holdings.holders(by.tenant, resource)]
        await self._holdings.clear(by.tenant, resource)
        await note(
            self._door.context, by, "clear", f"holding:{resource}", next(iter(holders), None), {"users": holders}
        )
        headers = {"Deprecation": DEPRECATED_AT, "Link": '</v1/admin/clear>; rel="successor-version"'}
        return Response(status_code=204, headers=headers)


def _resource(params: ResourceParams | ReleaseParams) -> str:
    if ":" in params.kind:
        raise Refusal("bad_request", f"{params.kind[:200]!r} is no kind: it must not hold a colon")
    return f"{params.kind}:{params.name}"


def _whose(identity: Identity, user_id: str | None) -> str:
    if user_id is None:
        raise Refusal("bad_request", "an API key is nobody: name the user in user_id")
    check_id(user_id, "user_id", id_bytes=200)
    return user_id
