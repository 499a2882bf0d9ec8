"""Who may hold a resource: the decision, given what stands and what is asked.

A resource is `kind:name`. It has at most `capacity` holders, and a user holds at most `per_user` of a kind; who asks
for one more moves there from the oldest, in one step. Source: `spec/semantics.md`, rule 17; `spec/protocol.md`,
"Occupancy".

The journal calls this inside its transaction, so that what is decided and what is written are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from hereabouts.engine.policy import Policy
from hereabouts.errors import Refusal

HappeningKind = Literal["occupied", "released", "moved"]

LOSSES: Final = ("taken_over", "inactivity", "cleared")
"""The causes of a holding's end after which its user waits for the cool-down: it was not the user's own doing."""


class Holding(Struct, frozen=True):
    """One user's hold on one resource.

    `fencing` is greater than that of every earlier grant of the kind. `last_active_at` is the newest human input that
    was known when it was granted or confirmed. `ends_with_sessions`: it is released when the holder's last session is
    gone.
    """

    tenant: str
    resource: str
    user_id: str
    since_at: int
    fencing: int
    last_active_at: int
    name: str | None = None
    role: str | None = None
    ends_with_sessions: bool = False

    @property
    def kind(self) -> str:
        """What kind of thing is held."""
        return kind_of(self.resource)


class Terms(Struct, frozen=True):
    """The policy's part in a decision."""

    capacity: int = 1
    per_user: int = 1
    cooldown_seconds: float = 0


class Ask(Struct, frozen=True):
    """Somebody wants to hold a resource. `may_take_over` is whether a holder has to give way."""

    tenant: str
    resource: str
    user_id: str
    name: str | None = None
    role: str | None = None
    may_take_over: bool = False
    ends_with_sessions: bool = False


class Giving(Struct, frozen=True):
    """A holding is to end, with this cause. With a fencing number only if it is still that grant."""

    tenant: str
    resource: str
    user_id: str
    cause: str = "released"
    fencing: int | None = None


class Happening(NamedTuple):
    """What happened to a kind, in one step.

    `came_from` is the resource that the holder left for this one; `loser` the holding that gave way to it.
    """

    kind: HappeningKind
    holding: Holding
    came_from: Holding | None = None
    loser: Holding | None = None
    cause: str | None = None


class Granted(NamedTuple):
    """The user holds it. Without happenings it held it already, and nothing changed but what is known of the holder."""

    holding: Holding
    happenings: tuple[Happening, ...] = ()

    @property
    def moved_from(self) -> str | None:
        """The resource that was given up for it."""
        came_from = self.happenings[-1].came_from if self.happenings else None
        return None if came_from is None else came_from.resource


class Refused(NamedTuple):
    """It has as many holders as it may have; `holder` is the one who has had it longest."""

    holder: Holding


class Cooling(NamedTuple):
    """The user lost this resource so lately that it may not have it back before `until_at`."""

    until_at: int


class Ended(NamedTuple):
    """The holding is over."""

    holding: Holding
    happenings: tuple[Happening, ...]


class Lost(NamedTuple):
    """There is no such holding (any more); `current` is what the user holds there now, by a newer grant."""

    current: Holding | None = None


def kind_of(resource: str) -> str:
    """The kind of a resource: what stands before the first colon."""
    return resource.partition(":")[0]


def check_resource(resource: str) -> None:
    """Raise `Refusal` with `bad_request` for what is not `kind:name`."""
    kind, _, name = resource.partition(":")
    if not kind or not name:
        raise Refusal("bad_request", f"the resource is {resource[:200]!r} and must be kind:name, as in account:7")


def occupy(
    held: Sequence[Holding],
    own: Sequence[Holding],
    ask: Ask,
    terms: Terms,
    fencing: int,
    at: int,
    lost_at: int | None = None,
) -> Granted | Refused | Cooling:
    """Decide whether `ask` is granted at server time `at`, with the number `fencing` if it is.

    `held` are the holdings of the resource, `own` those of the user in this kind; `lost_at` is when the user last had
    to give up this resource (`LOSSES`).
    """
    standing = next((holding for holding in own if holding.resource == ask.resource), None)
    if standing is not None:
        return Granted(_confirmed(standing, ask, at))
    if lost_at is not None and not ask.may_take_over:
        until_at = lost_at + int(terms.cooldown_seconds * 1000)
        if at < until_at:
            return Cooling(until_at)
    loser = None
    if len(held) >= terms.capacity:
        loser = oldest(held)
        if not ask.may_take_over:
            return Refused(loser)
    came_from = oldest(own) if len(own) >= terms.per_user else None
    holding = Holding(
        tenant=ask.tenant,
        resource=ask.resource,
        user_id=ask.user_id,
        since_at=at,
        fencing=fencing,
        last_active_at=at,
        name=ask.name,
        role=ask.role,
        ends_with_sessions=ask.ends_with_sessions,
    )
    return Granted(holding, _happenings(holding, came_from, loser, terms))


def _happenings(
    holding: Holding, came_from: Holding | None, loser: Holding | None, terms: Terms
) -> tuple[Happening, ...]:
    kind: HappeningKind = "occupied" if came_from is None else "moved"
    if loser is None:
        return (Happening(kind, holding, came_from),)
    if terms.capacity == 1:
        return (Happening(kind, holding, came_from, loser, "taken_over"),)
    # Among several holders nobody could tell who gave way, if it were not said.
    return (Happening("released", loser, cause="taken_over"), Happening(kind, holding, came_from))


def _confirmed(standing: Holding, ask: Ask, at: int) -> Holding:
    return replace(
        standing,
        last_active_at=max(standing.last_active_at, at),
        name=ask.name if ask.name is not None else standing.name,
        role=ask.role if ask.role is not None else standing.role,
        ends_with_sessions=ask.ends_with_sessions,
    )


def release(held: Sequence[Holding], giving: Giving) -> Ended | Lost:
    """Decide whether a holding of the resource ends. A lapsed grant's number ends nothing of a newer one."""
    standing = next((holding for holding in held if holding.user_id == giving.user_id), None)
    if standing is None or giving.fencing not in (None, standing.fencing):
        return Lost(standing)
    return Ended(standing, (Happening("released", standing, cause=giving.cause),))


def gone(happenings: Sequence[Happening]) -> list[Holding]:
    """The holdings that are over."""
    found: list[Holding] = []
    for happening in happenings:
        if happening.kind == "released":
            found.append(happening.holding)
        found += [holding for holding in (happening.came_from, happening.loser) if holding is not None]
    return found


def oldest(holdings: Sequence[Holding]) -> Holding:
    """The one that has stood longest."""
    return min(holdings, key=lambda holding: (holding.since_at, holding.fencing))


def terms_of(policy: Policy) -> Terms:
    """What a policy says of holdings."""
    return Terms(policy.occupancy_capacity, policy.occupancy_per_user, policy.occupancy_cooldown_seconds)


def may_hold(policy: Policy, role: str | None) -> bool:
    """Whether somebody with this role may hold anything of the kind."""
    return "*" in policy.occupancy_hold_roles or (role is not None and role in policy.occupancy_hold_roles)


def may_take_over(policy: Policy, role: str | None) -> bool:
    """Whether somebody with this role may take a holding over."""
    return role is not None and role in policy.occupancy_take_over_roles


def lapses_at(active_at: int, policy: Policy) -> int:
    """When a holding ends whose holder gave no human input since `active_at`."""
    return active_at + int(policy.occupancy_release_after_seconds * 1000)


def stale_at(seen_at: int, policy: Policy) -> int:
    """From when on admins are told that the holder gave no sign of life since `seen_at`."""
    return seen_at + int(policy.stale_after_seconds * 1000)
