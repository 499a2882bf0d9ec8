"""What happened to a kind, told again from what was kept: for a node that did not decide it.

Pure: it is given the picture before, and says what to apply to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hereabouts.engine.holdings import Held
from hereabouts.engine.occupancy import Happening, Holding
from hereabouts.journal.occupancies import OccupancyRow, Step


def follow(held: Held, steps: Sequence[Step]) -> Iterator[Happening]:
    """What happened since `held`, oldest first. Each is to be applied to `held` before the next is asked for.

    `steps` reach to the newest. What began in one of them and neither stands nor has an end in any is over too: its
    user was erased.
    """
    for step in steps:
        happening = _told(held, step)
        if happening is not None:
            yield happening
    for step in steps:
        left = held.grant(step.row.resource, step.row.fencing) if step.holding is None else None
        if left is not None:
            yield Happening("released", left, cause="cleared")


def difference(held: Held, standing: Iterable[Holding]) -> Iterator[Happening]:
    """What makes of `held` what stands, where nobody knows any more how it came about."""
    stands = {(holding.resource, holding.user_id): holding for holding in standing}
    for holding in tuple(held):
        there = stands.get((holding.resource, holding.user_id))
        if there is None or there.fencing != holding.fencing:
            yield Happening("released", holding)
    for holding in stands.values():
        if held.find(holding.resource, holding.user_id) is None:
            yield Happening("occupied", holding)


def is_whole(steps: Sequence[Step], since: int, limit: int) -> bool:
    """Whether these are all steps after the place `since`: none forgotten before them, none left out behind them."""
    return len(steps) < limit and (not steps or steps[0].row.seq == since + 1)


def _told(held: Held, step: Step) -> Happening | None:
    row = step.row
    if row.event == "released":
        ended = held.grant(row.resource, row.fencing)
        return None if ended is None else Happening("released", ended, cause=row.cause)
    came_from = held.find(row.from_resource, row.user_id) if row.from_resource is not None else None
    loser = held.find(row.resource, row.loser_id) if row.loser_id is not None else None
    return Happening(row.event, step.holding or _bare(row), came_from, loser, row.cause)


def _bare(row: OccupancyRow) -> Holding:
    """A holding that is over by now: of its holder no more is known."""
    return Holding(row.tenant, row.resource, row.user_id, row.since_at, row.fencing, row.at)
