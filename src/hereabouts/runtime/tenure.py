"""How long holdings last: their holders' inactivity, whether they are stale, and whether anybody came back to them.

A beat costs nothing here and writes nothing: when a deadline comes up, the newest times are read from the holder's
sessions. After a restart a holding that belongs to sessions is as old as the process before was alive, and nothing is
judged before its holder had a lease and a grace to come back: never earlier than true inactivity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from hereabouts.engine.occupancy import Holding, lapses_at, stale_at
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Now
from hereabouts.engine.session import Session
from hereabouts.fanout.kind_stream import Liveness
from hereabouts.runtime.census import ALIVE_SECONDS
from hereabouts.runtime.context import Context
from hereabouts.runtime.registry import Registry

LOOK_AGAIN_SECONDS: Final = 1.0
"""A stale holder is looked for so often, or ten times in the time that makes stale."""

RETRY_MS: Final = 2_000
"""A holding that was to end is judged again after so long, where it still stands."""


class Tenure:
    """One holding in time; the wheel wakes it by `due_at`.

    `active_at` is the holder's newest human input as far as was asked. What is `told` is what others may know of that
    and of the newest proof of life: an invisible user's stands still. `orphaned_at` is when a holding of sessions ends
    that nobody came back to after a restart.
    """

    __slots__ = (
        "_tenures", "active_at", "filed_slot", "holding", "is_over", "is_stale", "look_again_at", "orphaned_at",
        "quiet_until_at", "told_active_at", "told_seen_at",
    )  # fmt: skip

    def __init__(self, holding: Holding, tenures: Tenures) -> None:
        self._tenures = tenures
        self.holding = holding
        self.filed_slot = -1
        self.is_over = False
        self.is_stale = False
        self.look_again_at = 0
        self.orphaned_at: int | None = None
        self.quiet_until_at = 0
        self.active_at = self.told_active_at = self.told_seen_at = holding.last_active_at

    def confirm(self, holding: Holding) -> None:
        """The holder asked for it again."""
        self.holding = holding
        self.orphaned_at = None
        self.quiet_until_at = 0
        newest = holding.last_active_at
        self.active_at = max(self.active_at, newest)
        self.told_active_at, self.told_seen_at = max(self.told_active_at, newest), max(self.told_seen_at, newest)

    def remember(self, session: Session) -> None:
        """Take in what one of the holder's sessions knows."""
        self.active_at = max(self.active_at, session.last_active_at or 0)
        outcome = session.outcome
        active_at, seen_at = session.last_active_at, session.last_seen_at
        if outcome.is_invisible:
            active_at, seen_at = outcome.last_active_at, outcome.last_seen_at or 0
        self.told_active_at = max(self.told_active_at, active_at or 0)
        self.told_seen_at = max(self.told_seen_at, seen_at)

    def due_at(self) -> float | None:
        """When there is something to judge, as far as is known now."""
        return None if self.is_over else self._tenures.due(self)


class Tenures:
    """All of a node. `end` is told of a holding whose time is over, `renewed` of one that is or is no longer stale."""

    def __init__(
        self,
        context: Context,
        registry: Registry,
        policy: Callable[[Holding], Policy],
        end: Callable[[Holding, str], None],
        renewed: Callable[[Holding], None],
    ) -> None:
        self._context = context
        self._registry = registry
        self._policy = policy
        self._end = end
        self._renewed = renewed
        self._tenures: dict[tuple[str, str, str], Tenure] = {}

    def stand(self, holding: Holding) -> Tenure:
        """A holding was granted or confirmed."""
        key = (holding.tenant, holding.resource, holding.user_id)
        tenure = self._tenures.get(key)
        if tenure is None:
            tenure = self._tenures[key] = Tenure(holding, self)
        else:
            tenure.confirm(holding)
            self._judge_stale(tenure, self._context.now())
        self._context.file(tenure)
        return tenure

    def file_anew(self, holding: Holding) -> None:
        """The policy changed, and what is due may be due earlier."""
        tenure = self._find(holding)
        if tenure is not None:
            tenure.look_again_at = tenure.quiet_until_at = 0
            self._context.file(tenure)

    def forget(self, holding: Holding) -> None:
        """A holding is over."""
        tenure = self._find(holding)
        if tenure is not None:
            tenure.is_over = True
            del self._tenures[holding.tenant, holding.resource, holding.user_id]

    def remember(self, holding: Holding, session: Session) -> None:
        """A session of the holder is about to be forgotten."""
        tenure = self._find(holding)
        if tenure is not None:
            tenure.remember(session)

    def liveness(self, holding: Holding) -> Liveness:
        """What may be told of the holder's times."""
        tenure = self._find(holding)
        if tenure is None:
            return Liveness(holding.last_active_at, False)
        self._ask_sessions(tenure)
        return Liveness(tenure.told_active_at, tenure.is_stale)

    def _find(self, holding: Holding) -> Tenure | None:
        found = self._tenures.get((holding.tenant, holding.resource, holding.user_id))
        return found if found is not None and found.holding.fencing == holding.fencing else None

    def _sessions(self, holding: Holding) -> Iterable[Session]:
        return [owned.session for owned in self._registry.of_user(holding.tenant, holding.user_id)]

    def _ask_sessions(self, tenure: Tenure) -> None:
        for session in self._sessions(tenure.holding):
            tenure.remember(session)

    # What time does

    def due(self, tenure: Tenure) -> float:
        """The tick of a tenure's next deadline."""
        policy = self._policy(tenure.holding)
        dues = [max(lapses_at(tenure.active_at, policy), tenure.quiet_until_at)]
        if tenure.orphaned_at is not None:
            dues.append(max(tenure.orphaned_at, tenure.quiet_until_at))
        dues.append(tenure.look_again_at if tenure.is_stale else stale_at(tenure.told_seen_at, policy))
        return self._context.clock.tick_of(min(dues), self._context.now())

    def advance(self, tenure: Tenure) -> None:
        """A deadline came up, by what was known when it was filed."""
        now = self._context.now()
        self._ask_sessions(tenure)
        cause = self._over_because(tenure, now)
        if cause is not None and tenure.quiet_until_at <= now.at:
            tenure.quiet_until_at = now.at + RETRY_MS
            self._end(tenure.holding, cause)
        self._judge_stale(tenure, now)

    def _over_because(self, tenure: Tenure, now: Now) -> str | None:
        if tenure.orphaned_at is not None and tenure.orphaned_at <= now.at:
            if not any(session.is_published for session in self._sessions(tenure.holding)):
                return "node_lost"
            tenure.orphaned_at = None
        is_over = lapses_at(tenure.active_at, self._policy(tenure.holding)) <= now.at
        return "inactivity" if is_over else None

    def _judge_stale(self, tenure: Tenure, now: Now) -> None:
        policy, was = self._policy(tenure.holding), tenure.is_stale
        tenure.is_stale = stale_at(tenure.told_seen_at, policy) <= now.at
        tenure.look_again_at = now.at + int(max(LOOK_AGAIN_SECONDS, policy.stale_after_seconds / 10) * 1000)
        if was != tenure.is_stale:
            self._renewed(tenure.holding)

    # After a restart

    async def recall(self, holdings: Sequence[Holding]) -> None:
        """Take up what stood before the process began."""
        journal, now = self._context.journal, self._context.now()
        alive_at = await journal.occupancies.alive_at() if journal.occupancies is not None else None
        for holding in holdings:
            tenure = self.stand(holding)
            seen = (await journal.last_seen(holding.tenant, [holding.user_id])).get(holding.user_id)
            if seen is not None:
                tenure.active_at = max(tenure.active_at, seen.active_at or 0)
                tenure.told_active_at = max(tenure.told_active_at, seen.public_active_at or 0)
                tenure.told_seen_at = max(tenure.told_seen_at, seen.public_seen_at or 0)
            if not any(session.is_published for session in self._sessions(holding)) and holding.ends_with_sessions:
                policy = self._policy(holding)
                wait_ms = int((policy.lease_visible_seconds + policy.grace_seconds) * 1000)
                tenure.quiet_until_at = now.at + wait_ms
                tenure.orphaned_at = tenure.quiet_until_at if policy.occupancy_release_on_loss else None
                heard_until_at = now.at if alive_at is None else min(now.at, alive_at + int(ALIVE_SECONDS * 1000))
                tenure.active_at = max(tenure.active_at, heard_until_at)
            self._context.file(tenure)
