"""No durable record: last seen is kept for the life of the process, for so many users."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from hereabouts.journal.base import Declared, Journal, JournalHealth, LastSeen, Row

USERS_MOST = 100_000

T = TypeVar("T")


class NoJournal(Journal):
    """Keeps the newest row of each user in memory."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._seen: OrderedDict[tuple[str, str], LastSeen] = OrderedDict()
        self._declared: OrderedDict[tuple[str, str], Declared] = OrderedDict()

    async def open(self) -> None:
        """See `Journal.open`."""

    async def close(self) -> None:
        """See `Journal.close`."""

    def record(self, rows: Sequence[Row]) -> None:
        """See `Journal.record`."""
        for row in rows:
            if isinstance(row, LastSeen):
                _keep(self._seen, (row.tenant, row.user_id), row)
            elif isinstance(row, Declared):
                _keep(self._declared, (row.tenant, row.user_id), row)

    async def last_seen(self, tenant: str, user_ids: Sequence[str]) -> dict[str, LastSeen]:
        """See `Journal.last_seen`."""
        return {user: self._seen[tenant, user] for user in user_ids if (tenant, user) in self._seen}

    async def declared(self, tenant: str, user_id: str) -> Declared | None:
        """See `Journal.declared`."""
        return self._declared.get((tenant, user_id))

    async def revoked(self, tenant: str, user_id: str, token_id: str | None, issued_at: int | None) -> bool:
        """See `Journal.revoked`."""
        return False

    async def hand_over(self, payloads: Sequence[bytes], at: int, valid_until_at: int) -> None:
        """See `Journal.hand_over`."""

    async def take_over(self, at: int) -> list[bytes]:
        """See `Journal.take_over`."""
        return []

    async def alive(self, node: str, at: int) -> None:
        """See `Journal.alive`."""

    async def recover(self, node: str, at: int, kept: Collection[str] = ()) -> int:
        """See `Journal.recover`."""
        return 0

    async def prune(self, before_at: Mapping[str, int]) -> int:
        """See `Journal.prune`."""
        return 0

    def health(self) -> JournalHealth:
        """See `Journal.health`."""
        return JournalHealth()


def _keep(kept: OrderedDict[tuple[str, str], T], key: tuple[str, str], row: T) -> None:
    kept[key] = row
    kept.move_to_end(key)
    if len(kept) > USERS_MOST:
        kept.popitem(last=False)
