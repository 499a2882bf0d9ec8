"""The holdings of a node in time: wakes them when something is to be judged, and asks the sessions what they know.

A beat costs nothing here and writes nothing: when a deadline comes up, the newest times are read from the holder's
sessions. What follows from them is decided in `engine/lasting.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hereabouts.engine.lasting import Known, Lasting
from hereabouts.engine.occupancy import Holding
from hereabouts.engine.policy import Policy
from hereabouts.engine.session import Session
from hereabouts.fanout.kind_stream import Liveness
from hereabouts.runtime.census import ALIVE_SECONDS
from hereabouts.runtime.context import Context
from hereabouts.runtime.registry import Registry


class Tenure:
    """One holding; the wheel wakes it by `due_at`."""

    __slots__ = ("_tenures", "filed_slot", "is_over", "times")

    def __init__(self, holding: Holding, tenures: Tenures) -> None:
        self._tenures = tenures
        self.times = Lasting(holding)
        self.filed_slot = -1
        self.is_over = False

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
            tenure.times.confirm(holding)
            self._judge_stale(tenure)
        self._context.file(tenure)
        return tenure

    def file_anew(self, holding: Holding) -> None:
        """The policy changed, and what is due may be due earlier."""
        tenure = self._find(holding)
        if tenure is not None:
            tenure.times.look_again()
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
            tenure.times.remember(session)

    def liveness(self, holding: Holding) -> Liveness:
        """What may be told of the holder's times."""
        tenure = self._find(holding)
        if tenure is None:
            return Liveness(holding.last_active_at, False)
        self._ask_sessions(tenure)
        return Liveness(tenure.times.told_active_at, tenure.times.is_stale)

    def _find(self, holding: Holding) -> Tenure | None:
        found = self._tenures.get((holding.tenant, holding.resource, holding.user_id))
        return found if found is not None and found.times.holding.fencing == holding.fencing else None

    def _sessions(self, holding: Holding) -> list[Session]:
        return [owned.session for owned in self._registry.of_user(holding.tenant, holding.user_id)]

    def _ask_sessions(self, tenure: Tenure) -> list[Session]:
        sessions = self._sessions(tenure.times.holding)
        for session in sessions:
            tenure.times.remember(session)
        return sessions

    # What time does

    def due(self, tenure: Tenure) -> float:
        """The tick of a tenure's next deadline."""
        due_at = tenure.times.due_at(self._policy(tenure.times.holding))
        return self._context.clock.tick_of(due_at, self._context.now())

    def advance(self, tenure: Tenure) -> None:
        """A deadline came up, by what was known when it was filed."""
        times = tenure.times
        sessions = self._ask_sessions(tenure)
        cause = times.over_because(self._policy(times.holding), self._context.now().at, sessions)
        if cause is not None:
            self._end(times.holding, cause)
        self._judge_stale(tenure)

    def _judge_stale(self, tenure: Tenure) -> None:
        times = tenure.times
        if times.judge_stale(self._policy(times.holding), self._context.now().at):
            self._renewed(times.holding)

    # After a restart

    async def recall(self, holdings: Sequence[Holding]) -> None:
        """Take up what stood before the process began."""
        journal, now = self._context.journal, self._context.now()
        alive_at = await journal.occupancies.alive_at() if journal.occupancies is not None else None
        heard_until_at = now.at if alive_at is None else min(now.at, alive_at + int(ALIVE_SECONDS * 1000))
        for holding in holdings:
            tenure = self.stand(holding)
            seen = (await journal.last_seen(holding.tenant, [holding.user_id])).get(holding.user_id)
            if seen is not None:
                tenure.times.recall(Known(seen.active_at, seen.public_active_at, seen.public_seen_at))
            if holding.ends_with_sessions and not any(s.is_published for s in self._sessions(holding)):
                tenure.times.outlast(self._policy(holding), now.at, heard_until_at)
            self._context.file(tenure)
