"""Acts of admins and of the host, done on every node. What came of them is added up.

The others are told beside what is done here, also where that fails: a full disk of one node keeps nobody in. Each
notes what it must in its own journal; where they share one, it is noted there once more and means the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NamedTuple, TypeVar

import msgspec
import structlog
from msgspec import UNSET, Struct

from hereabouts.errors import Refusal
from hereabouts.journal.cooldowns import Cooled
from hereabouts.runtime.context import Context
from hereabouts.runtime.ending import Concerned, End, Endings, Whom
from hereabouts.runtime.onlookers import Onlookers
from hereabouts.runtime.relations import Relations
from hereabouts.runtime.sweeping import Sweep, Swept
from hereabouts.runtime.switchboard import Answered, Switchboard
from hereabouts.runtime.telling import Telling

S = TypeVar("S", bound=Struct)
T = TypeVar("T")

log = structlog.get_logger("hereabouts")

LOOK_SECONDS: Final = 0.5
"""How long the others may take to say whom an act would concern."""


class SweepAll(Struct, frozen=True, tag="sweep"):
    """The question what a sweep of a tenant does, or would do."""

    tenant: str
    is_dry: bool


class EndCooldown(Struct, frozen=True, tag="end_cooldown"):
    """A cooldown ends before its time."""

    tenant: str
    kind: Cooled
    id: str


class Edge(Struct, frozen=True, tag="edge"):
    """From now on `watcher` may, or may not, watch `watched`."""

    tenant: str
    watcher: str
    watched: str
    may_watch: bool


class Done(NamedTuple):
    """Whom it concerned on all nodes, and the names of nodes that have not answered: they are told again."""

    concerned: Concerned
    silent: list[str]


class Acts:
    """Does each act here and on the others. Raises what doing it here raises."""

    def __init__(
        self,
        context: Context,
        switchboard: Switchboard,
        telling: Telling,
        endings: Endings,
        sweep: Sweep,
        relations: Relations,
        onlookers: Onlookers,
    ) -> None:
        self._context = context
        self._switchboard = switchboard
        self._telling = telling
        self._endings = endings
        self._sweep = sweep
        self._relations = relations
        self._onlookers = onlookers
        switchboard.answer(End, endings.do)
        switchboard.answer(Whom, self._whom_here)
        switchboard.answer(SweepAll, self._sweep_here)
        switchboard.answer(EndCooldown, self._end_cooldown_here)
        switchboard.answer(Edge, self._edge_here)

    async def whom(self, end: End) -> Concerned:
        """Whom it would concern, as far as the others answer."""
        others = await self._switchboard.ask_each(self._switchboard.others(), Whom(end), LOOK_SECONDS)
        return _joined([self._endings.whom(end), *read(others.values(), Concerned)])

    async def end(self, end: End) -> Done:
        """Carry out an admin's word. Raises `JournalUnavailable`."""
        here, others, silent = await self._everywhere(end, self._endings.do, Concerned)
        return Done(_joined([here, *others]), silent)

    async def sweep(self, tenant: str, *, is_dry: bool) -> Swept:
        """Sweep every node. Raises `StoreUnavailable`."""
        question = SweepAll(tenant, is_dry)
        others = await self._switchboard.ask_each(self._switchboard.others(), question)
        return _summed([await self._sweep_here(question), *read(others.values(), Swept)])

    async def end_cooldown(self, tenant: str, kind: Cooled, id: str) -> bool:
        """End a cooldown before its time; whether there was one. Raises `JournalUnavailable`."""
        here, others, _ = await self._everywhere(EndCooldown(tenant, kind, id), self._end_cooldown_here, bool)
        return here or any(others)

    async def relate(self, tenant: str, watcher: str, watched: str, *, may_watch: bool) -> None:
        """Let one user watch another from now on, or not. Raises `Refusal` and `JournalUnavailable`."""
        edge = Edge(tenant, watcher, watched, may_watch)
        await self._edge_here(edge)
        await self._telling.all(edge)

    # Here

    async def _whom_here(self, whom: Whom) -> Concerned:
        return self._endings.whom(whom.end)

    async def _sweep_here(self, question: SweepAll) -> Swept:
        return await self._sweep.run(question.tenant, is_dry=question.is_dry)

    async def _end_cooldown_here(self, act: EndCooldown) -> bool:
        return await self._context.journal.cooldowns.end(act.tenant, act.kind, act.id)

    async def _edge_here(self, edge: Edge) -> bool:
        change = self._relations.put if edge.may_watch else self._relations.remove
        is_new = await change(edge.tenant, edge.watcher, edge.watched)
        # Where the journal is shared it stands there already; those who look here have not been judged by it.
        await self._onlookers.changed(edge.tenant, edge.watcher)
        return is_new

    async def _everywhere(
        self, act: S, here: Callable[[S], Awaitable[T]], type: type[T]
    ) -> tuple[T, list[T], list[str]]:
        others = asyncio.ensure_future(self._telling.all(act))
        try:
            done = await here(act)
        finally:
            told = await others
        if told.silent:
            log.warning("acts", text="nodes that do not answer are told again", nodes=told.silent)
        return done, read(told.answers, type), told.silent


def read(answers: Iterable[Answered | None], type: type[T]) -> list[T]:
    """The bodies of those that answered with one. Raises `Refusal` for the first that could not do it."""
    bodies: list[T] = []
    for answered in answers:
        if answered is not None and answered.code not in (None, "unsupported"):
            raise Refusal(answered.code or "", f"another node: {answered.message}")
        if answered is not None and answered.body is not UNSET:
            bodies.append(msgspec.json.decode(answered.body, type=type))
    return bodies


def _joined(all: list[Concerned]) -> Concerned:
    return Concerned(sum(c.sessions for c in all), sorted({user_id for c in all for user_id in c.users}))


def _summed(all: list[Swept]) -> Swept:
    removed: Counter[str] = Counter()
    for swept in all:
        removed.update(swept.removed)
    return Swept(sum(s.sessions for s in all), sum(s.lost for s in all), dict(removed), sum(s.ghosts for s in all))
