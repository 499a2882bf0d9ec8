"""What a viewer may see of somebody: the one choke point.

Every exit (socket, SSE, HTTP, old names) asks here, before encoding. Source: `spec/protocol.md`, "Views"; rule 11.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import UNSET, Struct

from hereabouts.engine.identity import Identity
from hereabouts.engine.occupancy import Holding
from hereabouts.engine.policy import Policy
from hereabouts.engine.roster import MemberFold
from hereabouts.engine.status import OFFLINE, Outcome
from hereabouts.protocol import messages
from hereabouts.protocol.codes import View
from hereabouts.protocol.messages import Member, MemberStatus, User

Surface = Literal["rooms", "users", "occupancy"]

_WIDTH: Final[dict[View, int]] = {"none": 0, "existence": 1, "status": 2, "full": 3}


def view_for(
    policy: Policy, surface: Surface, role: str | None, *, is_member: bool = False, is_related: bool = False
) -> View:
    """The view that a viewer has: its role's entry, else the widest of those that match it, else `default`."""
    views = {"rooms": policy.views_rooms, "users": policy.views_users, "occupancy": policy.views_occupancy}[surface]
    views = views or policy.views or _SHIPPED[surface]
    if role is not None and not role.startswith("@") and role != "default" and role in views:
        return views[role]
    claims = [("@member", is_member), ("@related", is_related)]
    matching = [views[name] for name, holds in claims if holds and name in views]
    if matching:
        return max(matching, key=_WIDTH.__getitem__)
    return views.get("default", "none")


def view_of(
    identity: Identity, policy: Policy, surface: Surface, *, is_member: bool = False, is_related: bool = False
) -> View:
    """The view that a credential has: a server sees everything, anybody else what the role may."""
    if identity.is_server:
        return "full"
    return view_for(policy, surface, identity.role, is_member=is_member, is_related=is_related)


def heeds_relations(policy: Policy) -> bool:
    """Whether the view of a user's card may depend on a relation."""
    return "@related" in (policy.views_users or policy.views or _SHIPPED["users"])


_SHIPPED: Final[dict[Surface, dict[str, View]]] = {
    "rooms": {"default": "full"},
    "users": {"admin": "full", "default": "status"},
    "occupancy": {"admin": "full", "default": "existence"},
}


def project_member(member: MemberFold, view: View, *, is_typing: bool = False, is_self: bool = False) -> Struct | None:
    """A member as this view shows it, or `None` where the view shows no member. One's own entry is always full."""
    if is_self or view == "full":
        return Member(
            user_id=member.user_id,
            name=UNSET if member.name is None else member.name,
            info=UNSET if member.info is None else member.info,
            status=member.status,
            text=UNSET if member.text is None else member.text,
            joined_at=member.joined_at,
            last_active_at=member.last_active_at,
            sessions=member.sessions,
            state=member.state,
            typing=is_typing,
            self=True if is_self else UNSET,
        )
    if view == "status":
        return MemberStatus(member.user_id, member.status, UNSET if member.name is None else member.name)
    return None


def project_user(user_id: str, outcome: Outcome, view: View, policy: Policy, at: int, *, is_self: bool = False) -> User:
    """A user's card as this view shows it, at server time `at`.

    `existence` and `none` answer offline without times. Where the view has a time the key is always there.
    """
    if is_self:
        return _own_card(user_id, outcome)
    if view == "full":
        return User(
            user_id=user_id,
            status=outcome.status,
            text=UNSET if outcome.text is None else outcome.text,
            emoji=UNSET if outcome.emoji is None else outcome.emoji,
            last_seen_at=outcome.last_seen_at,
            last_active_at=outcome.last_active_at,
            sessions=outcome.public_sessions,
        )
    if view == "status":
        return User(
            user_id=user_id,
            status=outcome.status,
            text=UNSET if outcome.text is None else outcome.text,
            emoji=UNSET if outcome.emoji is None else outcome.emoji,
            last_seen_at=coarse(outcome.last_seen_at, policy.last_seen_precision, at),
        )
    return User(user_id=user_id, status=OFFLINE.status)


def _own_card(user_id: str, outcome: Outcome) -> User:
    return User(
        user_id=user_id,
        status=outcome.status,
        text=UNSET if outcome.text is None else outcome.text,
        emoji=UNSET if outcome.emoji is None else outcome.emoji,
        last_seen_at=outcome.last_seen_at,
        last_active_at=outcome.last_active_at,
        sessions=outcome.sessions,
        declared=outcome.declared,
        self=True,
    )


_PRECISION_MS: Final = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
_RECENT_MS: Final = 3 * 86_400_000


def coarse(time_at: int | None, precision: str, at: int) -> int | None:
    """A time as exactly as policy tells it.

    `minute`, `hour` and `day` round down; `recently` tells only whether it was within three days, as the start of
    those three days.
    """
    if time_at is None or precision == "exact":
        return time_at
    if precision == "recently":
        day = _PRECISION_MS["day"]
        return (at // day) * day - _RECENT_MS if time_at > at - _RECENT_MS else None
    step = _PRECISION_MS[precision]
    return time_at // step * step


def project_holding(
    holding: Holding, view: View, *, active_at: int, is_stale: bool, is_self: bool = False
) -> messages.Holding | None:
    """A holding as this view shows it, or `None` where the view shows none. One's own is always full."""
    name = UNSET if holding.name is None else holding.name
    if is_self or view == "full":
        return messages.Holding(
            resource=holding.resource,
            user_id=holding.user_id,
            name=name,
            since_at=holding.since_at,
            last_active_at=active_at,
            fencing=holding.fencing,
            stale=is_stale,
            self=True if is_self else UNSET,
        )
    if view == "status":
        return messages.Holding(holding.resource, holding.user_id, name)
    return messages.Holding(holding.resource, occupied=True) if view == "existence" else None


def shows_typing(view: View) -> bool:
    """Whether a viewer hears who is typing."""
    return view in ("full", "status")
