"""Rows of a batch in heaps of one kind each, for a database to which every statement is a journey.

Within a heap rows are in the order of their keys, so that two nodes which write of the same users wait for each other
and do not stand in each other's way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from hereabouts.journal.base import Row, SessionClosed, SessionOpened

Heap = tuple[type[Row], list[Row]]


def heaps(rows: Sequence[Row]) -> Iterator[Heap]:
    """Rows of one kind together. Where a session ends and begins again, the heaps of its begins and ends alternate."""
    sessions: defaultdict[int, list[Row]] = defaultdict(list)
    rounds: dict[str, int] = {}
    others: defaultdict[type[Row], list[Row]] = defaultdict(list)
    for row in rows:
        if isinstance(row, SessionOpened | SessionClosed):
            # Begins are in even rounds, ends in odd ones.
            reached = rounds.get(row.session_id, 0)
            rounds[row.session_id] = reached + (reached % 2 != isinstance(row, SessionClosed))
            sessions[rounds[row.session_id]].append(row)
        else:
            others[type(row)].append(row)
    for number in sorted(sessions):
        yield SessionClosed if number % 2 else SessionOpened, sorted(sessions[number], key=_key)
    for kind, heap in others.items():
        # Several changes of one user stay in their order.
        yield kind, sorted(heap, key=_key)


def _key(row: Row) -> tuple[str, ...]:
    return row.tenant, row.session_id if isinstance(row, SessionOpened | SessionClosed) else row.user_id
