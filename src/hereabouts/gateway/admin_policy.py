"""Calls that read and set the policy at run time. It is the whole server's: one tenant's admins leave it alone."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from hereabouts.auth.claims import DEFAULT_TENANT
from hereabouts.engine.policy import CLOCKS, PolicyBook
from hereabouts.engine.relations import ghost_bound
from hereabouts.errors import Refusal
from hereabouts.gateway.admin_acts import Reason, by_of
from hereabouts.gateway.door import Door
from hereabouts.journal.policies import PolicyVersion
from hereabouts.routes import Asked, Bound, Call, Nothing
from hereabouts.runtime.context import Context
from hereabouts.runtime.governing import Governing

VERSIONS: Final = 20
"""Versions that are told."""


class PolicyRow(Struct):
    """One layer's policy: every key with its value, which layer won each key that one set, and the ghost bound.

    `ghost_seconds` is how late a visible session that fell silent is shown as gone, at the most, on this node.
    """

    layer: str
    values: dict[str, Any]
    winners: dict[str, str]
    ghost_seconds: float


class PolicyAnswer(Struct):
    """The overlay in force, the file's policy below it, and what they come to; then the last versions, newest first."""

    overlay: dict[str, Any] | None
    file: dict[str, Any]
    in_force: list[PolicyRow]
    versions: list[PolicyVersion]


class PolicyBody(Struct):
    """An overlay, in the shape of the file's `[policy]`, and why. A dry run only checks it."""

    policy: dict[str, Any]
    reason: Reason
    dry_run: bool = False


class PolicyDeleteParams(Struct):
    """Why the overlay is taken away."""

    reason: Annotated[str, Meta(max_length=200)] | None = None


class PolicySet(Struct):
    """The version that is in force now, `None` after a dry run; and what the policy came to."""

    version: int | None
    in_force: list[PolicyRow]


ADMIN_POLICY: Final = Call(
    name="admin_policy",
    method="GET",
    path="/v1/admin/policy",
    summary="The policy in force, and which layer says so.",
    access="admin:read",
    params=Nothing,
    body=Nothing,
    answer=PolicyAnswer,
    codes=("degraded",),
)
ADMIN_SET_POLICY: Final = Call(
    name="admin_set_policy",
    method="PUT",
    path="/v1/admin/policy",
    summary="Set the policy that lies over the file's, for every session at once.",
    access="admin",
    params=Nothing,
    body=PolicyBody,
    answer=PolicySet,
    codes=("unsupported", "degraded"),
)
ADMIN_DELETE_POLICY: Final = Call(
    name="admin_delete_policy",
    method="DELETE",
    path="/v1/admin/policy",
    summary="Take it away: the file's policy is in force.",
    access="admin",
    params=PolicyDeleteParams,
    body=Nothing,
    answer=PolicySet,
    codes=("unsupported", "degraded"),
)
ADMIN_POLICIES: Final[tuple[Call[Any, Any], ...]] = (ADMIN_POLICY, ADMIN_SET_POLICY, ADMIN_DELETE_POLICY)


class AdminPolicy:
    """The calls."""

    def __init__(self, context: Context, door: Door, governing: Governing) -> None:
        self._context = context
        self._door = door
        self._governing = governing

    def calls(self) -> list[Bound]:
        """`/v1/admin/policy`."""
        return [
            ADMIN_POLICY.to(self._read),
            ADMIN_SET_POLICY.to(self._set),
            ADMIN_DELETE_POLICY.to(self._delete),
        ]

    async def _read(self, asked: Asked[Nothing, Nothing]) -> PolicyAnswer:
        _check_tenant(asked)
        book, kept = self._context.policies, self._context.journal.policies
        versions = await kept.list(VERSIONS) if kept is not None else []
        return PolicyAnswer(dict(book.overlay) or None, dict(book.file), rows_of(book), versions)

    async def _set(self, asked: Asked[Nothing, PolicyBody]) -> PolicySet:
        _check_tenant(asked)
        if asked.body.dry_run:
            return PolicySet(None, rows_of(self._governing.check(asked.body.policy)))
        version = await self._governing.set(asked.body.policy, by_of(asked, self._door, asked.body.reason))
        return PolicySet(version.version, rows_of(self._context.policies))

    async def _delete(self, asked: Asked[PolicyDeleteParams, Nothing]) -> PolicySet:
        _check_tenant(asked)
        version = await self._governing.set(None, by_of(asked, self._door, asked.params.reason))
        return PolicySet(version.version, rows_of(self._context.policies))


def rows_of(book: PolicyBook) -> list[PolicyRow]:
    """The default policy, and that of each tenant, role, room kind and platform that a layer names."""
    rows: dict[str, PolicyRow] = {}
    for name, where in book.named():
        policy = book.resolve(**where)
        values = {clock.key: getattr(policy, clock.field) for clock in CLOCKS if clock.scope != "node"}
        bound = ghost_bound(policy, book.node, policy.fanout_window_seconds)
        rows[name] = PolicyRow(name, values, book.explain(**where), round(bound.silent_visible, 3))
    return list(rows.values())


def _check_tenant(asked: Asked[Any, Any]) -> None:
    tenant = asked.caller.identity.tenant
    if tenant != DEFAULT_TENANT:
        text = f"the policy is the whole server's; this call takes a credential of the tenant {DEFAULT_TENANT!r}"
        raise Refusal("forbidden", f"{text}, not {tenant!r}")
