"""Who held what from when to when, of the happenings of a kind of resource."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hereabouts.engine.attendance import Span
from hereabouts.engine.occupancy import HappeningKind


class Turn(NamedTuple):
    """One happening: what the user left for it (`from_resource`), and who had to give way (`loser_id`)."""

    at: int
    event: HappeningKind
    resource: str
    user_id: str
    from_resource: str | None
    loser_id: str | None


class Tenure(NamedTuple):
    """A user held a resource."""

    user_id: str
    resource: str
    span: Span


Begun = dict[tuple[str, str], int]
"""Since when a user (first) holds a resource (second)."""


def tenures(turns: Iterable[Turn], from_at: int, begun: Begun | None = None) -> Iterator[Tenure]:
    """The holdings that ended, of all that happened from `from_at` on, in order; older ones begin at `from_at`.

    Who has them part by part gives the same `begun` each time, empty at first.
    """
    begun = {} if begun is None else begun
    for turn in turns:
        for holding in _ended(turn):
            yield Tenure(*holding, Span(begun.pop(holding, from_at), turn.at, turn.at))
        if turn.event != "released":
            begun[turn.user_id, turn.resource] = turn.at


def _ended(turn: Turn) -> Iterator[tuple[str, str]]:
    if turn.event == "released":
        yield turn.user_id, turn.resource
    if turn.from_resource is not None:
        yield turn.user_id, turn.from_resource
    if turn.loser_id is not None:
        yield turn.loser_id, turn.resource
