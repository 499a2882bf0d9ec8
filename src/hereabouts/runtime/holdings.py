"""Who holds what: asks the journal to decide, and lets everybody hear what came of it.

What is kept here is a picture of what the journal decided, for viewers and for deadlines. Decisions of a kind are taken
one after another, so that the picture follows them in their order. Source: `spec/semantics.md`, rule 17.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct

from hereabouts.engine.identity import Identity
from hereabouts.engine.occupancy import (
    Ask,
    Cooling,
    Ended,
    Giving,
    Granted,
    Happening,
    Holding,
    Lost,
    Refused,
    check_resource,
    gone,
    kind_of,
    may_hold,
    may_take_over,
    terms_of,
)
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import FeedKey, Presence
from hereabouts.engine.session import Session
from hereabouts.engine.visibility import project_holding, view_of
from hereabouts.errors import HereaboutsError, Refusal
from hereabouts.fanout.kind_stream import own_events, parties
from hereabouts.fanout.occupancy import KindFan
from hereabouts.fanout.outbox import pack
from hereabouts.journal.occupancies import Occupancies
from hereabouts.protocol.codec import check_id
from hereabouts.protocol.messages import Occupancy
from hereabouts.runtime.barring import check_hold, check_user
from hereabouts.runtime.context import Context
from hereabouts.runtime.deciding import Kind
from hereabouts.runtime.noting import By, note
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.tenure import Tenure, Tenures

T = TypeVar("T")

RETRY_SECONDS = 1.0
"""A journal that could not end a holding is asked again after so long."""


class Holder(Struct, frozen=True):
    """Somebody on whose behalf a server asks. `asked_by` is the server, as the audit names it."""

    user_id: str
    name: str | None = None
    role: str | None = None
    asked_by: str | None = None


class Holdings:
    """All kinds. Raises `Refusal` with `unsupported` where no journal keeps who holds what."""

    def __init__(self, context: Context, registry: Registry) -> None:
        self._context = context
        self._registry = registry
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._tenures = Tenures(context, registry, self._policy, self._end_later, self._renew)

    def __len__(self) -> int:
        return sum(len(kind.held) for kind in self._kinds.values())

    @property
    def kept(self) -> Occupancies:
        """Where it is kept. Raises `Refusal`."""
        found = self._context.journal.occupancies
        if found is None:
            raise Refusal("unsupported", 'nobody can hold anything without a journal; journal.url is "none"')
        return found

    # Asking

    async def occupy(
        self, asker: Identity, resource: str, *, take_over: bool = False, on_behalf: Holder | None = None
    ) -> Granted:
        """Let the asker, or somebody on whose behalf it asks, hold a resource.

        Raises `Refusal` with `occupied`, `forbidden`, `rate_limited` during a cool-down, `limit_exceeded`,
        `bad_request` or `unsupported`; `JournalUnavailable` when nothing can be granted now.
        """
        self._check(resource)
        holder = on_behalf or Holder(asker.user_id, asker.name, asker.role)
        tenant, policy = asker.tenant, self._context.policy(asker.tenant, holder.role, resource=resource)
        if not (asker.is_server or may_hold(policy, asker.role)):
            raise Refusal("forbidden", f"the policy lets this role hold nothing of the kind {kind_of(resource)!r}")
        if take_over and not (asker.is_server or may_take_over(policy, asker.role)):
            raise Refusal("forbidden", "this role may not take a holding over")
        self._check_barred(tenant, holder.user_id, resource)
        self._check_count(tenant, holder.user_id, resource)
        has_sessions = await self._has_sessions(tenant, holder.user_id)
        ask = Ask(tenant, resource, holder.user_id, holder.name, holder.role, take_over, has_sessions)
        decision = await self._whole(self._decide(ask, policy))
        if isinstance(decision, Granted):
            if has_sessions and not await self._has_sessions(tenant, holder.user_id):
                # The last session went while this was decided: nothing is left behind (rule 3).
                self._end_later(decision.holding, "closed")
            await self._note_take_over(tenant, decision, holder)
            try:
                self._check_barred(tenant, holder.user_id, resource)
            except Refusal:
                # It was cleared while this was decided, and nobody could end then what was not granted yet.
                self._end_later(decision.holding, "cleared")
                raise
            return decision
        self._context.telemetry.occupancy["refused"] += 1
        raise self._refusal(asker, resource, decision)

    async def _note_take_over(self, tenant: str, granted: Granted, holder: Holder) -> None:
        by = By(tenant, holder.asked_by or f"user:{holder.user_id}")
        for loser in [h.loser or h.holding for h in granted.happenings if h.cause == "taken_over"]:
            await note(self._context, by, "take_over", f"holding:{loser.resource}", loser.user_id)

    async def release(self, tenant: str, resource: str, user_id: str, fencing: int | None = None) -> Holding:
        """Give a holding back. Raises `Refusal` with `lease_lost` where this is not (any longer) the user's grant."""
        self._check(resource)
        ended = await self._whole(self._end(Giving(tenant, resource, user_id, "released", fencing)))
        if ended is None:
            raise Refusal("lease_lost", f"{resource!r} is not held by this user, or by a later grant; nothing changed")
        return ended

    def holders(self, tenant: str, resource: str) -> list[Holding]:
        """All holdings of a resource. Raises `Refusal`."""
        self._check(resource)
        kind = self._kinds.get((tenant, kind_of(resource)))
        return [] if kind is None else list(kind.held.of_resource(resource))

    def govern(self) -> None:
        """Another policy is in force: for the windows of each kind, and for when holdings end."""
        for kind in self._kinds.values():
            if kind.fan is not None:
                kind.fan.policy = self._context.policy(kind.tenant, resource=kind.name)
            for holding in kind.held:
                self._tenures.file_anew(holding)

    async def clear(self, tenant: str, resource: str, cause: str = "cleared") -> int:
        """End all holdings of a resource, whoever has them; how many."""
        return await self._end_all(self.holders(tenant, resource), cause)

    async def clear_user(self, tenant: str, user_id: str, cause: str = "cleared") -> int:
        """End all that a user holds; how many."""
        return await self._end_all(self.of_user(tenant, user_id), cause)

    async def _end_all(self, holdings: list[Holding], cause: str) -> int:
        ended = [await self._whole(self._end(_giving(holding, cause))) for holding in holdings]
        return sum(holding is not None for holding in ended)

    def _check(self, resource: str) -> None:
        check_id(resource, "resource", id_bytes=self._context.limits.id_bytes)
        check_resource(resource)
        _ = self.kept

    def _check_barred(self, tenant: str, user_id: str, resource: str) -> None:
        check_user(self._context, tenant, user_id)
        check_hold(self._context, tenant, resource)

    def _check_count(self, tenant: str, user_id: str, resource: str) -> None:
        held, most = self.of_user(tenant, user_id), self._context.limits.rooms_per_session
        kinds = {kind_of(holding.resource) for holding in held} | {kind_of(resource)}
        if len(kinds) > most:
            raise Refusal("limit_exceeded", f"a user holds things of at most {most} kinds", limit="rooms_per_session")

    def _refusal(self, asker: Identity, resource: str, decision: Refused | Cooling) -> Refusal:
        if isinstance(decision, Cooling):
            wait = max(decision.until_at - self._context.now().at, 1) / 1000
            text = f"{resource!r} was lost by this user just now"
            return Refusal("rate_limited", text, limit="occupancy.cooldown_seconds", retry_after_seconds=wait)
        policy = self._context.policy(asker.tenant, asker.role, resource=resource)
        view, holder = view_of(asker, policy, "occupancy"), decision.holder
        active_at, is_stale = self._tenures.liveness(holder)
        shown = project_holding(holder, view, active_at=active_at, is_stale=is_stale)
        return Refusal("occupied", f"{resource!r} is held by somebody else", holder=shown)

    async def _has_sessions(self, tenant: str, user_id: str) -> bool:
        snapshot = await self._context.backend.snapshot(FeedKey(tenant, "user", user_id))
        return any(isinstance(record, Presence) for record in snapshot.records)

    # Deciding

    async def _decide(self, ask: Ask, policy: Policy) -> Granted | Refused | Cooling:
        kind = self.kind(ask.tenant, kind_of(ask.resource))
        async with kind.turn():
            decision = await self.kept.occupy(ask, terms_of(policy), self._context.now().at)
            if isinstance(decision, Granted):
                self._apply(kind, decision.happenings)
                self._stand(kind, decision.holding)
        self._tidy(kind)
        return decision

    async def _end(self, giving: Giving) -> Holding | None:
        kind = self.kind(giving.tenant, kind_of(giving.resource))
        async with kind.turn():
            decision = await self.kept.release(giving, self._context.now().at)
            if isinstance(decision, Ended):
                self._apply(kind, decision.happenings)
            else:
                self._correct(kind, giving, decision)
        self._tidy(kind)
        return decision.holding if isinstance(decision, Ended) else None

    def _correct(self, kind: Kind, giving: Giving, decision: Lost) -> None:
        """What the journal has no longer, because its user was erased, nobody holds here either."""
        shown = kind.held.find(giving.resource, giving.user_id)
        if shown is not None and decision.current is None:
            self._apply(kind, (Happening("released", shown, cause=giving.cause),))

    async def _whole(self, deciding: Coroutine[Any, Any, T]) -> T:
        """To the end, also when nobody waits for it any more: what the journal decided must be told."""
        task = asyncio.get_running_loop().create_task(deciding)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    def _apply(self, kind: Kind, happenings: tuple[Happening, ...]) -> None:
        if not happenings:
            return
        kind.held.apply(happenings)
        for happening in happenings:
            self._context.telemetry.occupancy[happening.kind] += 1
        if kind.fan is not None:
            kind.fan.note(happenings)
        self._notify(kind, happenings)
        # Last: the times of what ended were told with its end.
        for holding in gone(happenings):
            self._tenures.forget(holding)

    def _stand(self, kind: Kind, holding: Holding) -> None:
        kind.held.put(holding)
        self._tenures.stand(holding)

    def _notify(self, kind: Kind, happenings: tuple[Happening, ...]) -> None:
        """Tell the sessions of those whom it is about, where they do not watch the kind."""
        for user_id in {party.user_id for happening in happenings for party in parties(happening)}:
            for owned in self._registry.of_user(kind.tenant, user_id):
                viewer = owned.link.viewer if owned.link is not None else None
                if viewer is not None and kind.name not in viewer.kinds:
                    events = own_events(happenings, user_id, self._tenures.liveness)
                    viewer.connection.send(pack(Occupancy(kind.name, events=events)))

    # What is known

    def kind(self, tenant: str, name: str) -> Kind:
        """A kind, whether or not anything of it is held."""
        return self._kinds.setdefault((tenant, name), Kind(tenant, name))

    def fan(self, tenant: str, name: str) -> KindFan:
        """The fan-out of a kind. Give it back with `let_go` when nobody looks."""
        kind = self.kind(tenant, name)
        if kind.fan is None:
            kind.fan = KindFan(
                name, self._context.policy(tenant, resource=name), kind.held, self._tenures.liveness, self._context
            )
        return kind.fan

    def let_go(self, tenant: str, name: str) -> None:
        """Somebody looks no more."""
        kind = self.kind(tenant, name)
        if kind.fan is not None and not kind.fan.viewers:
            kind.fan = None
        self._tidy(kind)

    def _tidy(self, kind: Kind) -> None:
        if not kind.is_needed:
            self._kinds.pop((kind.tenant, kind.name), None)

    def of_user(self, tenant: str, user_id: str) -> list[Holding]:
        """All that a user holds."""
        return [h for kind in self._kinds.values() if kind.tenant == tenant for h in kind.held.of_user(user_id)]

    def all_of(self, tenant: str) -> Iterator[Holding]:
        """All that is held in a tenant."""
        for kind in tuple(self._kinds.values()):
            if kind.tenant == tenant:
                yield from tuple(kind.held)

    # Time

    async def recall(self) -> None:
        """Take up what the journal kept over a restart, after the sessions that were handed over."""
        if self._context.journal.occupancies is None:
            return
        for standing in await self.kept.standing():
            kind = self.kind(standing.tenant, standing.kind)
            for holding in standing.holdings:
                kind.held.put(holding)
            self._tidy(kind)
        await self._tenures.recall([holding for kind in self._kinds.values() for holding in kind.held])

    def advance(self, tenure: Tenure) -> None:
        """A deadline of a holding came up."""
        self._tenures.advance(tenure)

    def departed(self, feed: FeedKey, cause: str) -> None:
        """The removal of a user's last session was published."""
        for holding in self.of_user(feed.tenant, feed.name):
            if holding.ends_with_sessions and self._policy(holding).occupancy_release_on_loss:
                self._end_later(holding, cause)

    def remember(self, session: Session) -> None:
        """A session is about to be forgotten."""
        for holding in self.of_user(session.tenant, session.user_id):
            self._tenures.remember(holding, session)

    def _policy(self, holding: Holding) -> Policy:
        return self._context.policy(holding.tenant, holding.role, resource=holding.resource)

    def _renew(self, holding: Holding) -> None:
        kind = self.kind(holding.tenant, holding.kind)
        if kind.fan is not None:
            kind.fan.renew(holding)

    def _end_later(self, holding: Holding, cause: str) -> None:
        task = asyncio.get_running_loop().create_task(self._try_to_end(holding, cause))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try_to_end(self, holding: Holding, cause: str) -> None:
        try:
            await self._end(_giving(holding, cause))
        except HereaboutsError as error:
            self._context.failed(error)
            self._context.later(RETRY_SECONDS, partial(self._end_later, holding, cause))

    async def settled(self) -> None:
        """Return when nothing is being decided."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)


def _giving(holding: Holding, cause: str) -> Giving:
    return Giving(holding.tenant, holding.resource, holding.user_id, cause, holding.fencing)
