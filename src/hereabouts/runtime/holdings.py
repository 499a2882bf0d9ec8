"""Who holds what: who may ask, what is refused, and what ends it. Source: `spec/semantics.md`, rule 17."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct

from hereabouts.engine.identity import Identity
from hereabouts.engine.occupancy import (
    Ask,
    Cooling,
    Giving,
    Granted,
    Holding,
    Refused,
    check_resource,
    kind_of,
    may_hold,
    may_take_over,
    terms_of,
)
from hereabouts.engine.records import FeedKey
from hereabouts.engine.session import Session
from hereabouts.engine.visibility import project_holding, view_of
from hereabouts.errors import HereaboutsError, Refusal
from hereabouts.journal.occupancies import Occupancies
from hereabouts.protocol.codec import check_id
from hereabouts.runtime.barring import check_hold, check_user
from hereabouts.runtime.bells import Bells
from hereabouts.runtime.context import Context
from hereabouts.runtime.decisions import Decisions
from hereabouts.runtime.noting import By, note
from hereabouts.runtime.picture import Picture
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.switchboard import Switchboard
from hereabouts.runtime.tenure import Tenure
from hereabouts.runtime.witnesses import has_sessions
from hereabouts.tasks import Tasks

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

    def __init__(self, context: Context, registry: Registry, switchboard: Switchboard) -> None:
        self._context = context
        self._switchboard = switchboard
        self._tasks = Tasks(context.failed)
        self.picture = Picture(context, registry, switchboard, self._end_later)
        self._bells = Bells(context, switchboard, self.picture)
        self._decisions = Decisions(context, self.picture, self._bells)

    def __len__(self) -> int:
        return len(self.picture)

    @property
    def kept(self) -> Occupancies:
        """Where it is kept. Raises `Refusal`."""
        return self._decisions.kept

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
        is_here = await has_sessions(self._context, tenant, holder.user_id)
        ask = Ask(tenant, resource, holder.user_id, holder.name, holder.role, take_over, is_here)
        decision = await self._whole(self._decisions.occupy(ask, terms_of(policy)))
        if isinstance(decision, Granted):
            if is_here and not await has_sessions(self._context, tenant, holder.user_id):
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
        ended = await self._whole(self._decisions.end(Giving(tenant, resource, user_id, "released", fencing)))
        if ended is None:
            raise Refusal("lease_lost", f"{resource!r} is not held by this user, or by a later grant; nothing changed")
        return ended

    def holders(self, tenant: str, resource: str) -> list[Holding]:
        """All holdings of a resource. Raises `Refusal`."""
        self._check(resource)
        return self.picture.of_resource(tenant, resource)

    async def clear(self, tenant: str, resource: str, cause: str = "cleared") -> int:
        """End all holdings of a resource, whoever has them; how many."""
        self._check(resource)
        await self._bells.refresh(tenant, kind_of(resource))
        return await self._end_all(self.holders(tenant, resource), cause)

    async def clear_user(self, tenant: str, user_id: str, cause: str = "cleared") -> int:
        """End all that a user holds; how many."""
        return await self._end_all(self.picture.of_user(tenant, user_id), cause)

    async def _end_all(self, holdings: list[Holding], cause: str) -> int:
        ended = [await self._whole(self._decisions.end(_giving(holding, cause))) for holding in holdings]
        return sum(holding is not None for holding in ended)

    def _check(self, resource: str) -> None:
        check_id(resource, "resource", id_bytes=self._context.limits.id_bytes)
        check_resource(resource)
        _ = self.kept

    def _check_barred(self, tenant: str, user_id: str, resource: str) -> None:
        check_user(self._context, tenant, user_id)
        check_hold(self._context, tenant, resource)

    def _check_count(self, tenant: str, user_id: str, resource: str) -> None:
        held, most = self.picture.of_user(tenant, user_id), self._context.limits.rooms_per_session
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
        active_at, is_stale = self.picture.tenures.liveness(holder)
        shown = project_holding(holder, view, active_at=active_at, is_stale=is_stale)
        return Refusal("occupied", f"{resource!r} is held by somebody else", holder=shown)

    async def _whole(self, deciding: Coroutine[Any, Any, T]) -> T:
        """To the end, also when nobody waits for it any more: what the journal decided must be told."""
        return await asyncio.shield(self._tasks.start(deciding))

    # Time

    async def recall(self) -> None:
        """Take up what the journal kept over a restart, after the sessions that were handed over."""
        try:
            standings = await self.kept.standing()
        except Refusal:
            return
        self.picture.take_up(holding for standing in standings for holding in standing.holdings)
        self._bells.start({(standing.tenant, standing.kind): standing.position for standing in standings})
        await self.picture.tenures.recall(list(self.picture))

    def advance(self, tenure: Tenure) -> None:
        """A deadline of a holding came up."""
        self.picture.tenures.advance(tenure)

    def departed(self, feed: FeedKey, cause: str) -> None:
        """The removal of a user's last session was published."""
        if self._bells.is_alone:
            for holding in self._bound(self.picture.of_user(feed.tenant, feed.name)):
                self._end_later(holding, cause)
        elif self._context.journal.is_shared:
            self._leave_nothing_later(feed, cause, self._context.now().at)

    def _leave_nothing_later(self, feed: FeedKey, cause: str, at: int) -> None:
        self._tasks.do(self._leave_nothing(feed, cause, at))

    async def _leave_nothing(self, feed: FeedKey, cause: str, at: int) -> None:
        """End what the user holds, also what was granted at another node just now and is not in the picture yet."""
        try:
            for holding in self._bound(await self.kept.of_user(feed.tenant, feed.name)):
                # Who came back meanwhile, and asked for it again, keeps it.
                if holding.last_active_at < at or not await has_sessions(self._context, feed.tenant, feed.name):
                    await self._decisions.end(_giving(holding, cause))
            if cause == "node_lost":
                # What the dead node last heard of the user nobody knows.
                for holding in self.picture.of_user(feed.tenant, feed.name):
                    self.picture.tenures.heard(holding, at)
        except HereaboutsError as error:
            self._context.failed(error)
            self._context.later(RETRY_SECONDS, partial(self._leave_nothing_later, feed, cause, at))

    def _bound(self, holdings: Iterable[Holding]) -> Iterator[Holding]:
        """Those that end with their holder's sessions."""
        for holding in holdings:
            if holding.ends_with_sessions and self.picture.policy(holding).occupancy_release_on_loss:
                yield holding

    def doubt(self) -> None:
        """A node died, or the store was away: somebody's last session may have gone with nobody left to end the rest.

        One node looks; what is held by somebody without a session ends, unless the holder comes back in time.
        """
        others, own = self._switchboard.others(), self._context.owner
        if self._context.journal.is_shared and all(own < other for other in others):
            self._tasks.do(self._look_for_holders())

    async def _look_for_holders(self) -> None:
        try:
            await self.picture.tenures.expect(list(self.picture))
        except HereaboutsError as error:
            self._context.failed(error)  # the store is away again, and will be back

    def remember(self, session: Session) -> None:
        """A session is about to be forgotten."""
        for holding in self.picture.of_user(session.tenant, session.user_id):
            self.picture.tenures.remember(holding, session)

    def _end_later(self, holding: Holding, cause: str) -> None:
        self._tasks.do(self._try_to_end(holding, cause))

    async def _try_to_end(self, holding: Holding, cause: str) -> None:
        try:
            await self._decisions.end(_giving(holding, cause))
        except HereaboutsError as error:
            self._context.failed(error)
            self._context.later(RETRY_SECONDS, partial(self._end_later, holding, cause))

    async def close(self) -> None:
        """Return when nothing is being decided; follow the others no more."""
        await self._tasks.settled()
        await self._bells.stop()
        await self.picture.tenures.stop()


def _giving(holding: Holding, cause: str) -> Giving:
    return Giving(holding.tenant, holding.resource, holding.user_id, cause, holding.fencing)
