"""Explains one user to an admin: sessions with their timers, the axes, the rules, a viewer's view, the past."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct

from hereabouts.auth.tokens import EVERYTHING
from hereabouts.engine.explaining import StatusExplained, explain_status
from hereabouts.engine.identity import Identity
from hereabouts.engine.records import FeedKey, Presence, Records
from hereabouts.engine.session import Session
from hereabouts.engine.visibility import view_of
from hereabouts.journal.base import Transition
from hereabouts.journal.cooldowns import Cooldown
from hereabouts.protocol.codec import check_id
from hereabouts.protocol.codes import View
from hereabouts.protocol.messages import User
from hereabouts.runtime.context import Context
from hereabouts.runtime.overview import Overview, SessionRow
from hereabouts.runtime.people import People
from hereabouts.runtime.reading import OWNER_SECONDS, Reading
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.relations import Relations
from hereabouts.runtime.switchboard import Switchboard

TRANSITIONS = 10
"""Changes of status that are told."""


class Timer(Struct, frozen=True):
    """What time will do to a session unless it is heard of: in how many seconds, and by which clock of which layer."""

    does: str
    in_seconds: float
    clock: str
    clock_seconds: float
    layer: str


class SessionExplained(Struct, frozen=True):
    """One session: what it is, which timers run, and which layer of the policy won each clock that one set."""

    session: SessionRow
    timers: list[Timer]
    policy: dict[str, str]


class ViewExplained(Struct, frozen=True):
    """What a viewer sees of the user: the view, the policy's layer that says so, and the card itself.

    `may_watch` is whether the viewer's token, or a relation, lets it look at the user at all; `signed_in` whether the
    viewer has a session here, without which role and grants are those that were named in the question.
    """

    viewer: str
    role: str | None
    signed_in: bool
    may_watch: bool
    related: bool
    view: View
    layer: str
    card: User


class Explained(Struct, frozen=True):
    """All that makes the server say what it says of a user. `held_out` are cooldowns that keep the user out.

    `unknown` names nodes that have sessions of the user and did not say in 250 ms how they are.
    """

    user_id: str
    as_of_at: int
    node: str
    degraded: bool
    status: StatusExplained
    sessions: list[SessionExplained]
    view: ViewExplained | None
    transitions: list[Transition]
    held_out: list[Cooldown]
    unknown: list[str]


class SessionsOf(Struct, frozen=True, tag="explain"):
    """The question how a node's sessions of a user are."""

    tenant: str
    user_id: str


class Explaining:
    """Reads; nothing here writes."""

    def __init__(
        self,
        context: Context,
        registry: Registry,
        people: People,
        overview: Overview,
        reading: Reading,
        relations: Relations,
        switchboard: Switchboard,
    ) -> None:
        self._context = context
        self._registry = registry
        self._people = people
        self._overview = overview
        self._reading = reading
        self._relations = relations
        self._switchboard = switchboard
        switchboard.answer(SessionsOf, self._sessions_here)

    async def user(self, tenant: str, user_id: str, viewer: str | None, role: str | None) -> Explained:
        """A user, and with `viewer` what that one sees. Raises `Refusal` for a name that no user has."""
        context = self._context
        for id in (user_id, *([viewer] if viewer is not None else [])):
            check_id(id, "the id of a user", id_bytes=context.limits.id_bytes)
        records = await self._records(FeedKey(tenant, "user", user_id))
        question = SessionsOf(tenant, user_id)
        sessions, unknown = await self._sessions_there(records, question)
        at = context.now().at
        return Explained(
            user_id=user_id,
            as_of_at=self._reading.as_of_at,
            node=context.owner.node,
            degraded=context.is_degraded,
            status=explain_status(records),
            sessions=[*await self._sessions_here(question), *sessions],
            view=None if viewer is None else await self._view(tenant, user_id, viewer, role),
            transitions=await context.journal.transitions(tenant, user_id, TRANSITIONS),
            held_out=[c for c in context.journal.cooldowns.all(tenant, at) if _concerns(c, user_id)],
            unknown=unknown,
        )

    async def _sessions_here(self, question: SessionsOf) -> list[SessionExplained]:
        return [self._session(o.session) for o in self._registry.of_user(question.tenant, question.user_id)]

    async def _sessions_there(
        self, records: list[Records], question: SessionsOf
    ) -> tuple[list[SessionExplained], list[str]]:
        owners = {record.owner for record in records if isinstance(record, Presence)} - {self._context.owner}
        answers = await self._switchboard.ask_each(tuple(owners), question, OWNER_SECONDS)
        found: list[SessionExplained] = []
        unknown: list[str] = []
        for owner, answered in answers.items():
            if answered is None or answered.body is UNSET:
                unknown.append(owner.node)
            else:
                found += msgspec.json.decode(answered.body, type=list[SessionExplained])
        return found, sorted(unknown)

    async def _records(self, feed: FeedKey) -> list[Records]:
        person = self._people.find(feed)
        if person is not None:
            return list(person.records.values())
        return list((await self._context.backend.snapshot(feed)).records)

    def _session(self, session: Session) -> SessionExplained:
        winners = self._context.policies.explain(session.tenant, session.identity.role, platform=session.platform)
        timers = [
            Timer(does, round(tick - self._context.now().tick, 3), clock, seconds, winners.get(clock, "shipped"))
            for does, tick, clock, seconds in session.timers()
        ]
        return SessionExplained(self._overview.row(session), timers, winners)

    async def _view(self, tenant: str, user_id: str, viewer: str, role: str | None) -> ViewExplained:
        identity = self._identity(tenant, viewer, role)
        is_signed_in = identity is not None
        if identity is None:
            identity = Identity(tenant, viewer, role=role, grants=EVERYTHING)
        sight = await self._relations.sight(identity, [user_id])
        is_related, may_watch = user_id in sight.related, user_id in sight.visible or user_id == viewer
        policy = self._context.policy(tenant)
        winners = self._context.policies.explain(tenant)
        card = (await self._reading.users(identity, [user_id])).users[0]
        return ViewExplained(
            viewer=viewer,
            role=identity.role,
            signed_in=is_signed_in,
            may_watch=may_watch,
            related=is_related,
            view="full" if user_id == viewer else view_of(identity, policy, "users", is_related=is_related),
            layer=winners.get("views_users" if policy.views_users else "views", "shipped"),
            card=card,
        )

    def _identity(self, tenant: str, viewer: str, role: str | None) -> Identity | None:
        """Who the viewer is by the newest of its tokens here; of those with this role, where one is asked for."""
        sessions = [owned.session for owned in self._registry.of_user(tenant, viewer)]
        fitting = [s for s in sessions if role is None or s.identity.role == role]
        return max(fitting, key=lambda s: s.opened_at).identity if fitting else None


def _concerns(cooldown: Cooldown, user_id: str) -> bool:
    if cooldown.kind == "member":
        return cooldown.id.endswith(f"\n{user_id}")
    return cooldown.kind == "user" and cooldown.id == user_id
