"""The holdings of a node in time: wakes them when something is to be judged, and asks the sessions what they know.

A beat costs nothing here and writes nothing: when a deadline comes up, the newest times are read from the holder's
sessions, and only where those do not put it off are the other nodes asked, for all that is due together. What follows
is decided in `engine/lasting.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from hereabouts.engine.lasting import Known, Lasting, known_to, newest_of
from hereabouts.engine.occupancy import Holding
from hereabouts.engine.policy import Policy
from hereabouts.engine.session import Session
from hereabouts.errors import HereaboutsError
from hereabouts.fanout.kind_stream import Liveness
from hereabouts.runtime.census import ALIVE_SECONDS
from hereabouts.runtime.context import Context
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.switchboard import Switchboard
from hereabouts.runtime.witnesses import Held, Witnesses, has_sessions
from hereabouts.tasks import end

ASK_AGAIN_SECONDS: Final = 0.5
"""The other nodes are asked no more often."""

AT_ONCE: Final = 100
"""Users that are looked for together."""


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

    @property
    def key(self) -> Held:
        """What is held, and by whom."""
        holding = self.times.holding
        return holding.tenant, holding.resource, holding.user_id


class Tenures:
    """All of a node. `end` is told of a holding whose time is over, `renewed` of one that is or is no longer stale."""

    def __init__(
        self,
        context: Context,
        registry: Registry,
        switchboard: Switchboard,
        policy: Callable[[Holding], Policy],
        end: Callable[[Holding, str], None],
        renewed: Callable[[Holding], None],
    ) -> None:
        self._context = context
        self._registry = registry
        self._switchboard = switchboard
        self._policy = policy
        self._end = end
        self._renewed = renewed
        self._tenures: dict[Held, Tenure] = {}
        self._witnesses = Witnesses(context, switchboard, self._known)
        self._to_judge: dict[Tenure, None] = {}
        self._judging: asyncio.Task[None] | None = None

    def stand(self, holding: Holding) -> Tenure:
        """A holding was granted or confirmed."""
        key = (holding.tenant, holding.resource, holding.user_id)
        tenure = self._tenures.get(key)
        if tenure is None:
            tenure = self._tenures[key] = Tenure(holding, self)
        elif tenure.times.holding != holding:
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
            del self._tenures[tenure.key]

    def remember(self, holding: Holding, session: Session) -> None:
        """A session of the holder is about to be forgotten."""
        tenure = self._find(holding)
        if tenure is not None:
            tenure.times.recall(known_to(session))

    def heard(self, holding: Holding, at: int) -> None:
        """The holder may have given human input until then."""
        tenure = self._find(holding)
        if tenure is not None:
            tenure.times.recall(Known(at))

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
            tenure.times.recall(known_to(session))
        return sessions

    def _known(self, held: Held) -> Known:
        """What this node knows of a holder; its picture may not have the holding yet."""
        tenant, _, user_id = held
        sessions = [known_to(owned.session) for owned in self._registry.of_user(tenant, user_id)]
        tenure = self._tenures.get(held)
        return newest_of([Known(), *sessions, *([tenure.times.known] if tenure is not None else [])])

    # What time does

    def due(self, tenure: Tenure) -> float:
        """The tick of a tenure's next deadline."""
        if tenure in self._to_judge:
            return self._context.now().tick + ASK_AGAIN_SECONDS
        due_at = tenure.times.due_at(self._policy(tenure.times.holding))
        return self._context.clock.tick_of(due_at, self._context.now())

    def advance(self, tenure: Tenure) -> None:
        """A deadline came up, by what was known when it was filed."""
        sessions = self._ask_sessions(tenure)
        if self._context.backend.peers is None:
            self._judge(tenure, has_sessions=any(session.is_published for session in sessions))
        elif self.due(tenure) <= self._context.now().tick:
            self._to_judge[tenure] = None
            if self._judging is None:
                self._judging = asyncio.get_running_loop().create_task(self._judge_all())

    def _judge(self, tenure: Tenure, *, has_sessions: bool) -> None:
        times = tenure.times
        policy, now_at = self._policy(times.holding), self._context.now().at
        cause = times.over_because(policy, now_at, has_sessions=has_sessions)
        if cause is not None:
            self._end(times.holding, cause)
        self._judge_stale(tenure)

    def _judge_stale(self, tenure: Tenure) -> None:
        times = tenure.times
        if times.judge_stale(self._policy(times.holding), self._context.now().at):
            self._renewed(times.holding)

    # Several nodes

    async def _judge_all(self) -> None:
        """Judge what is due, after all who may know of its holders were heard; what could not be is due again."""
        try:
            while self._to_judge:
                due = list(self._to_judge)
                heard = await self._witnesses.of([tenure.key for tenure in due])
                for tenure, known in zip(due, heard or (), strict=False):
                    await self._judge_heard(tenure, known)
                for tenure in due:
                    del self._to_judge[tenure]
                    self._context.file(tenure)
                await asyncio.sleep(ASK_AGAIN_SECONDS)
        except Exception as error:
            self._context.failed(error)
            self._to_judge.clear()
        finally:
            self._judging = None

    async def _judge_heard(self, tenure: Tenure, known: Sequence[Known]) -> None:
        tenure.times.recall(newest_of(known))
        try:
            is_there = tenure.times.orphaned_at is not None and await self._has_sessions(tenure.times.holding)
        except HereaboutsError:
            return
        if not tenure.is_over:
            self._judge(tenure, has_sessions=is_there)

    async def _has_sessions(self, holding: Holding) -> bool:
        if any(session.is_published for session in self._sessions(holding)):
            return True
        return self._context.backend.peers is not None and await has_sessions(
            self._context, holding.tenant, holding.user_id
        )

    async def stop(self) -> None:
        """Judge no more."""
        if self._judging is not None:
            await end([self._judging])

    # After a restart

    async def recall(self, holdings: Sequence[Holding]) -> None:
        """Take up what stood before the process began."""
        tenures = [self.stand(holding) for holding in holdings]
        recorded = await self._witnesses.recorded([tenure.key for tenure in tenures])
        for tenure, known in zip(tenures, recorded, strict=True):
            tenure.times.recall(known)
        await self.expect(holdings)

    async def expect(self, holdings: Sequence[Holding]) -> None:
        """Give each holder who should have a session and has none the time to come back. Raises `StoreUnavailable`."""
        heard_until_at = await self._heard_until_at()
        tenures = [tenure for holding in holdings if (tenure := self._find(holding)) is not None]
        for start in range(0, len(tenures), AT_ONCE):
            group = tenures[start : start + AT_ONCE]
            await asyncio.gather(*(self._await_holder(tenure, heard_until_at) for tenure in group))

    async def _heard_until_at(self) -> int:
        """Until when somebody may have heard of a holder what nobody knows now; 0 where others live, who are asked."""
        occupancies, now_at = self._context.journal.occupancies, self._context.now().at
        if self._switchboard.others():
            return 0
        alive_at = await occupancies.alive_at() if occupancies is not None else None
        return now_at if alive_at is None else min(now_at, alive_at + int(ALIVE_SECONDS * 1000))

    async def _await_holder(self, tenure: Tenure, heard_until_at: int) -> None:
        holding = tenure.times.holding
        is_awaited = tenure.times.orphaned_at is not None
        if holding.ends_with_sessions and not is_awaited and not await self._has_sessions(holding):
            tenure.times.outlast(self._policy(holding), self._context.now().at, heard_until_at)
        self._context.file(tenure)
