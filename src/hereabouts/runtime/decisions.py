"""Lets the journal decide who holds what, one decision of a kind after another, and lets each be seen.

Several nodes decide in one journal. Where each had its own, two could grant the same, so that nothing is granted there.
"""

from __future__ import annotations

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
    Terms,
    kind_of,
)
from hereabouts.errors import Refusal
from hereabouts.journal.occupancies import Occupancies
from hereabouts.runtime.bells import Bells
from hereabouts.runtime.context import Context
from hereabouts.runtime.deciding import Kind
from hereabouts.runtime.picture import Picture


class Decisions:
    """All kinds. A method that cannot reach the journal raises `JournalUnavailable`; then nothing is decided."""

    def __init__(self, context: Context, picture: Picture, bells: Bells) -> None:
        self._context = context
        self._picture = picture
        self._bells = bells

    @property
    def kept(self) -> Occupancies:
        """Where it is kept. Raises `Refusal` with `unsupported` where no journal keeps it for all nodes."""
        found = self._context.journal.occupancies
        if found is None:
            raise Refusal("unsupported", 'nobody can hold anything without a journal; journal.url is "none"')
        if not (self._bells.is_alone or self._context.journal.is_shared):
            raise Refusal("unsupported", "nodes that share a store must share a journal for anybody to hold anything")
        return found

    async def occupy(self, ask: Ask, terms: Terms) -> Granted | Refused | Cooling:
        """Decide who asks for a resource."""
        kind = self._picture.kind(ask.tenant, kind_of(ask.resource))
        async with kind.turn():
            decision = await self.kept.occupy(ask, terms, self._context.now().at)
            if isinstance(decision, Granted):
                await self._decided(kind, decision.happenings)
                self._picture.confirm(kind, decision.holding)
        self._picture.tidy(kind)
        return decision

    async def end(self, giving: Giving) -> Holding | None:
        """End a holding: the one that ended, `None` where it is not (any longer) that grant."""
        kind = self._picture.kind(giving.tenant, kind_of(giving.resource))
        async with kind.turn():
            decision = await self.kept.release(giving, self._context.now().at)
            if isinstance(decision, Ended):
                await self._decided(kind, decision.happenings)
            else:
                await self._correct(kind, giving, decision)
        self._picture.tidy(kind)
        return decision.holding if isinstance(decision, Ended) else None

    async def _decided(self, kind: Kind, happenings: tuple[Happening, ...]) -> None:
        for happening in happenings:
            self._context.telemetry.occupancy[happening.kind] += 1
        await self._bells.decided(kind, happenings)

    async def _correct(self, kind: Kind, giving: Giving, decision: Lost) -> None:
        """What the journal has no longer, because its user was erased, nobody holds here either."""
        await self._bells.decided(kind, ())
        shown = kind.held.find(giving.resource, giving.user_id)
        if shown is not None and decision.current is None:
            self._picture.apply(kind, (Happening("released", shown, cause=giving.cause),))
