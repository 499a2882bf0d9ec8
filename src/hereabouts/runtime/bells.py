"""Keeps the picture of who holds what in step with a journal that several nodes share.

The journal decides. Who decided something rings: the other nodes read in the journal what happened, and apply it in the
order of its places, each once. A bell that was lost is made good by looking how far each kind has come.
Source: `spec/semantics.md`, rule 17.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from hereabouts.engine.occupancy import Happening
from hereabouts.errors import JournalUnavailable
from hereabouts.journal.occupancies import Occupancies, Position
from hereabouts.journal.steps import difference, follow, is_whole
from hereabouts.runtime.context import Context
from hereabouts.runtime.deciding import Kind
from hereabouts.runtime.picture import Picture
from hereabouts.runtime.switchboard import Switchboard
from hereabouts.tasks import Tasks

LOOK_SECONDS: Final = 2.0
"""How often the journal is asked how far each kind has come."""

STEPS_MOST: Final = 1_000
"""Who is further behind than so many steps takes what stands."""

UNKNOWN: Final = Position("", 0)
"""Of a kind that has just begun, the name of its history is not known."""


class Bell(Struct, frozen=True, tag="bell"):
    """Something happened to these kinds, each given by its tenant and its name."""

    kinds: list[tuple[str, str]]


class Bells:
    """Rings and hears. Where all state is this process's own it only applies what was decided."""

    def __init__(self, context: Context, switchboard: Switchboard, picture: Picture) -> None:
        self._context = context
        self._switchboard = switchboard
        self._picture = picture
        self._positions: dict[tuple[str, str], Position] = {}
        self._to_ring: set[tuple[str, str]] = set()
        self._heard: set[tuple[str, str]] = set()
        self._is_open = False
        self._tasks = Tasks(self._failed)
        switchboard.answer(Bell, self._hear)

    @property
    def is_alone(self) -> bool:
        """Whether nobody else decides, and how it was decided is always heard: all state is this process's own.

        A database may commit what it could not answer any more; then the picture follows what stands there.
        """
        return self._context.backend.peers is None and not self._context.journal.is_shared

    def start(self, positions: dict[tuple[str, str], Position]) -> None:
        """Follow, from what the picture was made of on."""
        self._positions = positions
        if not self.is_alone:
            self._is_open = True
            self._tasks.repeat(self.look, LOOK_SECONDS)

    async def stop(self) -> None:
        """Follow no more."""
        await self._tasks.end()

    async def decided(self, kind: Kind, happenings: tuple[Happening, ...]) -> None:
        """It was decided here, in the kind's turn, and is written: let it be seen here and by the other nodes."""
        if self.is_alone:
            self._picture.apply(kind, happenings)
            return
        if happenings:
            self._ring(kind)
        try:
            await self._catch_up(kind)
        except JournalUnavailable as error:
            # It is decided all the same; the picture follows when the journal answers again.
            self._context.failed(error)

    async def refresh(self, tenant: str, name: str) -> None:
        """Let the picture of a kind be as new as the journal. Raises `JournalUnavailable`."""
        if not self.is_alone:
            await self._follow((tenant, name))

    # Ringing and hearing

    def _ring(self, kind: Kind) -> None:
        if not self._to_ring:
            self._tasks.do(self._ring_all())
        self._to_ring.add((kind.tenant, kind.name))

    async def _ring_all(self) -> None:
        bell, self._to_ring = Bell(sorted(self._to_ring)), set()
        await self._switchboard.ask_each(self._switchboard.others(), bell)

    async def _hear(self, bell: Bell) -> bool:
        for key in bell.kinds:
            if self._is_open and key not in self._heard:
                self._heard.add(key)
                self._tasks.do(self._follow_heard(key))
        return True

    async def _follow_heard(self, key: tuple[str, str]) -> None:
        self._heard.discard(key)
        await self._follow(key)

    # Following

    async def look(self) -> None:
        """Follow every kind that is not where it was when this began. Raises `JournalUnavailable`."""
        known = dict(self._positions)
        for key, there in (await self._kept.positions()).items():
            here = known.pop(key, UNKNOWN)
            if here.epoch not in ("", there.epoch) or there.seq < here.seq:
                await self._follow(key, anew=True)
            elif there.seq > here.seq:
                await self._follow(key)
            self._positions[key] = Position(there.epoch, self._positions.get(key, there).seq)
        for key in known:
            await self._follow(key, anew=True)

    async def _follow(self, key: tuple[str, str], *, anew: bool = False) -> None:
        kind = self._picture.kind(*key)
        async with kind.turn():
            await (self._begin_anew(kind) if anew else self._catch_up(kind))
        self._picture.tidy(kind)

    async def _catch_up(self, kind: Kind) -> None:
        key = (kind.tenant, kind.name)
        here = self._positions.get(key, UNKNOWN)
        steps = await self._kept.steps(*key, here.seq, STEPS_MOST)
        if not is_whole(steps, here.seq, STEPS_MOST):
            await self._begin_anew(kind)
            return
        for happening in follow(kind.held, steps):
            self._picture.apply(kind, (happening,))
        if steps:
            self._positions[key] = Position(here.epoch, steps[-1].row.seq)

    async def _begin_anew(self, kind: Kind) -> None:
        """Another history, or too much of it: from what stands."""
        key = (kind.tenant, kind.name)
        standing = next((s for s in await self._kept.standing() if (s.tenant, s.kind) == key), None)
        for happening in difference(kind.held, standing.holdings if standing is not None else ()):
            self._picture.apply(kind, (happening,))
        if standing is not None:
            self._positions[key] = standing.position
        else:
            self._positions.pop(key, None)

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, JournalUnavailable):  # its health says so; it is looked again
            self._context.failed(error)

    @property
    def _kept(self) -> Occupancies:
        assert self._context.journal.occupancies is not None
        return self._context.journal.occupancies
