"""The seam between who holds what and where that is kept.

What is decided and what is written are one transaction, and on disk before it is told. Source: `spec/semantics.md`,
rule 17.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

from hereabouts.engine.occupancy import (
    LOSSES,
    Ask,
    Cooling,
    Ended,
    Giving,
    Granted,
    Happening,
    HappeningKind,
    Holding,
    Lost,
    Refused,
    Terms,
    gone,
    kind_of,
    occupy,
    release,
)
from hereabouts.journal.outbox import OutboxRow


class OccupancyRow(Struct, frozen=True):
    """One happening as it is kept, at its place `seq` in the history of its kind.

    `from_resource` is what a holder moved from; `loser_id` the user who had to give way.
    """

    tenant: str
    kind: str
    seq: int
    event: HappeningKind
    resource: str
    user_id: str
    fencing: int
    since_at: int
    at: int
    from_resource: str | None = None
    loser_id: str | None = None
    cause: str | None = None


class Position(NamedTuple):
    """A place in the history of a kind; another `epoch` is another history."""

    epoch: str
    seq: int


class Step(NamedTuple):
    """One happening, and the holding that it began, where that still stands."""

    row: OccupancyRow
    holding: Holding | None


class Standing(Struct, frozen=True):
    """All that is held of one kind, at one position."""

    tenant: str
    kind: str
    position: Position
    holdings: tuple[Holding, ...]


class Occupancies(ABC):
    """Who holds what. A method that cannot reach the disk raises `JournalUnavailable`; then nothing is granted."""

    @abstractmethod
    async def occupy(self, ask: Ask, terms: Terms, at: int) -> Granted | Refused | Cooling:
        """Decide and keep, in one step. A grant is on disk when this returns."""

    @abstractmethod
    async def release(self, giving: Giving, at: int) -> Ended | Lost:
        """End a holding. On disk when this returns."""

    @abstractmethod
    async def standing(self) -> list[Standing]:
        """Every kind that ever was, with what is held of it."""

    @abstractmethod
    async def history(self, tenant: str, kind: str, since: int = 0, limit: int = 1_000) -> list[OccupancyRow]:
        """What happened after the place `since`, oldest first."""

    @abstractmethod
    async def steps(self, tenant: str, kind: str, since: int, limit: int = 1_000) -> list[Step]:
        """The same, with what stands of it at that moment."""

    @abstractmethod
    async def positions(self) -> dict[tuple[str, str], Position]:
        """How far the history of each kind has come, by tenant and kind."""

    @abstractmethod
    async def of_user(self, tenant: str, user_id: str) -> list[Holding]:
        """All that a user holds now."""

    @abstractmethod
    async def alive_at(self) -> int | None:
        """When a process that could hear a holder was last known to run; `None` where none was."""


def rows_of(happenings: tuple[Happening, ...], seq: int, at: int) -> list[OccupancyRow]:
    """The rows of what happened, after the place `seq`."""
    return [
        OccupancyRow(
            tenant=happening.holding.tenant,
            kind=happening.holding.kind,
            seq=seq + number,
            event=happening.kind,
            resource=happening.holding.resource,
            user_id=happening.holding.user_id,
            fencing=happening.holding.fencing,
            since_at=happening.holding.since_at,
            at=at,
            from_resource=happening.came_from.resource if happening.came_from is not None else None,
            loser_id=happening.loser.user_id if happening.loser is not None else None,
            cause=happening.cause,
        )
        for number, happening in enumerate(happenings, 1)
    ]


def outward_rows(happenings: tuple[Happening, ...], at: int) -> list[OutboxRow]:
    """What other servers are to hear of it: first who holds no longer, then who holds."""
    rows: list[OutboxRow] = []
    for happening in happenings:
        over = [(happening.came_from, None), (happening.loser, happening.cause)]
        if happening.kind == "released":
            over.append((happening.holding, happening.cause))
        for holding, cause in over:
            if holding is not None:
                rows.append(OutboxRow(holding.tenant, "resource", holding.resource, holding.user_id, None, cause, at))
        if happening.kind != "released":
            holds = happening.holding
            value = str(holds.fencing)
            rows.append(OutboxRow(holds.tenant, "resource", holds.resource, holds.user_id, value, None, at))
    return rows


def lost_at(rows: Iterable[OccupancyRow], ask: Ask) -> int | None:
    """When the user last had to give the resource up, by these rows."""
    return max((row.at for row in rows if row.resource == ask.resource and ask.user_id == _loser(row)), default=None)


def _loser(row: OccupancyRow) -> str | None:
    if row.event == "released":
        return row.user_id if row.cause in LOSSES else None
    return row.loser_id


def qualified(table: str, columns: str) -> str:
    """The columns, each named with its table."""
    return ", ".join(f"{table}.{column.strip()}" for column in columns.split(","))


def new_epoch() -> str:
    """A name for a history that no other history has."""
    return uuid.uuid4().hex[:12]


class MemoryOccupancies(Occupancies):
    """Kept for the life of the object; for tests of what stands above."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], _Kind] = {}

    async def occupy(self, ask: Ask, terms: Terms, at: int) -> Granted | Refused | Cooling:
        """See `Occupancies.occupy`."""
        kind = self._kind(ask.tenant, ask.resource)
        held = [holding for holding in kind.holdings if holding.resource == ask.resource]
        own = [holding for holding in kind.holdings if holding.user_id == ask.user_id]
        decision = occupy(held, own, ask, terms, kind.fencing + 1, at, lost_at(kind.rows, ask))
        if isinstance(decision, Granted):
            standing = decision.holding
            kind.keep(decision.happenings, at)
            kind.holdings = [
                h for h in kind.holdings if (h.resource, h.user_id) != (standing.resource, standing.user_id)
            ]
            kind.holdings.append(standing)
            kind.fencing = max(kind.fencing, standing.fencing)
        return decision

    async def release(self, giving: Giving, at: int) -> Ended | Lost:
        """See `Occupancies.release`."""
        kind = self._kind(giving.tenant, giving.resource)
        decision = release([holding for holding in kind.holdings if holding.resource == giving.resource], giving)
        if isinstance(decision, Ended):
            kind.keep(decision.happenings, at)
        return decision

    async def standing(self) -> list[Standing]:
        """See `Occupancies.standing`."""
        return [
            Standing(tenant, name, Position(kind.epoch, len(kind.rows)), tuple(kind.holdings))
            for (tenant, name), kind in self._kinds.items()
            if kind.rows
        ]

    async def history(self, tenant: str, kind: str, since: int = 0, limit: int = 1_000) -> list[OccupancyRow]:
        """See `Occupancies.history`."""
        found = self._kinds.get((tenant, kind))
        return found.rows[since : since + limit] if found is not None else []

    async def steps(self, tenant: str, kind: str, since: int, limit: int = 1_000) -> list[Step]:
        """See `Occupancies.steps`."""
        stands = {(holding.resource, holding.fencing): holding for holding in await self._all(tenant, kind)}
        rows = await self.history(tenant, kind, since, limit)
        return [Step(row, stands.get((row.resource, row.fencing))) for row in rows]

    async def positions(self) -> dict[tuple[str, str], Position]:
        """See `Occupancies.positions`."""
        return {(standing.tenant, standing.kind): standing.position for standing in await self.standing()}

    async def of_user(self, tenant: str, user_id: str) -> list[Holding]:
        """See `Occupancies.of_user`."""
        kinds = [kind for (of, _), kind in self._kinds.items() if of == tenant]
        return [holding for kind in kinds for holding in kind.holdings if holding.user_id == user_id]

    async def alive_at(self) -> int | None:
        """See `Occupancies.alive_at`."""
        return None

    async def _all(self, tenant: str, kind: str) -> list[Holding]:
        found = self._kinds.get((tenant, kind))
        return found.holdings if found is not None else []

    def _kind(self, tenant: str, resource: str) -> _Kind:
        return self._kinds.setdefault((tenant, kind_of(resource)), _Kind())


class _Kind:
    def __init__(self) -> None:
        self.epoch = new_epoch()
        self.fencing = 0
        self.holdings: list[Holding] = []
        self.rows: list[OccupancyRow] = []

    def keep(self, happenings: tuple[Happening, ...], at: int) -> None:
        """What happened stands; who lost a holding has it no more."""
        self.rows += rows_of(happenings, len(self.rows), at)
        over = gone(happenings)
        self.holdings = [holding for holding in self.holdings if holding not in over]
