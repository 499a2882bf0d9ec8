"""Rows that were taken and wait to be written: bounded, in order, of each user only the newest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from itertools import count

from hereabouts.journal.base import Declared, LastSeen, Row, Transition, merge
from hereabouts.journal.outbox import OutboxRow


class RowQueue:
    """Sessions and transitions stand in it one by one; last seen and declared once a user, where they came first.

    So while nothing can be written its size follows what happens, not how often somebody was seen.
    """

    def __init__(self, rows_most: int) -> None:
        self._rows_most = rows_most
        self._rows: OrderedDict[Hashable, Row] = OrderedDict()
        self._batch: dict[Hashable, Row] = {}
        self._numbers = count()
        self.taken = 0
        """How many places were taken since the beginning, by rows that were not merged with one that waited."""
        self.done = 0
        """How many of them are through; when it reaches what `taken` was, everything taken until then is."""

    def __len__(self) -> int:
        return len(self._rows) + len(self._batch)

    def add(self, row: Row) -> bool:
        """Take a row; false when there is no room for it."""
        key = self._key(row)
        waiting = self._rows.get(key)
        if waiting is None and len(self) >= self._rows_most:
            return False
        if waiting is None:
            self.taken += 1
        self._rows[key] = merge(waiting, row) if isinstance(row, LastSeen) and isinstance(waiting, LastSeen) else row
        return True

    def batch(self, rows_most: int) -> list[Row]:
        """The oldest rows. They wait on, and are the same ones again, until `finish` is called.

        A row for the outbox is never parted from the change that it tells of: both are kept, or neither.
        """
        last: Row | None = None
        while self._rows and (len(self._batch) < rows_most or self._begins_with_word_of(last)):
            key, last = self._rows.popitem(last=False)
            self._batch[key] = last
        return list(self._batch.values())

    def _begins_with_word_of(self, row: Row | None) -> bool:
        return isinstance(row, Transition) and isinstance(next(iter(self._rows.values())), OutboxRow)

    def finish(self) -> None:
        """The rows of the batch are through."""
        self.done += len(self._batch)
        self._batch = {}

    def last_seen(self, tenant: str, user_id: str, stored: LastSeen | None) -> LastSeen | None:
        """What is known of the user, when so much is stored."""
        key = (LastSeen, tenant, user_id)
        for row in (self._batch.get(key), self._rows.get(key)):
            if isinstance(row, LastSeen):
                stored = merge(stored, row)
        return stored

    def declared(self, tenant: str, user_id: str) -> Declared | None:
        """What the user declared last, if it waits here."""
        key = (Declared, tenant, user_id)
        row = self._rows.get(key, self._batch.get(key))
        return row if isinstance(row, Declared) else None

    def transitions(self, tenant: str, user_id: str) -> list[Transition]:
        """The user's changes that wait here, oldest first."""
        rows = [*self._batch.values(), *self._rows.values()]
        return [row for row in rows if isinstance(row, Transition) and (row.tenant, row.user_id) == (tenant, user_id)]

    def _key(self, row: Row) -> Hashable:
        if isinstance(row, LastSeen | Declared):
            return type(row), row.tenant, row.user_id
        return next(self._numbers)
