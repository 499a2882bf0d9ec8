"""No durable record: last seen, declared, revocations and cooldowns are kept for the life of the process."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

from msgspec import structs

from hereabouts.journal.base import (
    ROW_KINDS,
    Declared,
    Journal,
    JournalHealth,
    LastSeen,
    Revocable,
    Row,
    Transition,
    merge,
)
from hereabouts.journal.cooldowns import HeldCooldowns
from hereabouts.journal.revocations import Revocation, Revocations
from hereabouts.journal.subjects import Stored, Subjects

USERS_MOST: Final = 100_000
"""Of how many users something is kept; who was heard of longest ago is forgotten first."""

K = TypeVar("K")
V = TypeVar("V")


class NoJournal(Journal):
    """Keeps the newest row of each user in memory. Sessions and transitions are forgotten, nothing is handed over."""

    def __init__(self, users_most: int = USERS_MOST) -> None:
        self.counts: Counter[str] = Counter()
        self._users_most = users_most
        self._seen: OrderedDict[tuple[str, str], LastSeen] = OrderedDict()
        self._declared: OrderedDict[tuple[str, str], Declared] = OrderedDict()
        self._revocations = Revocations()
        self.cooldowns = HeldCooldowns()
        self.subjects = _Subjects(self._seen, self._declared)

    async def open(self) -> None:
        """See `Journal.open`."""

    async def close(self) -> None:
        """See `Journal.close`."""

    def record(self, rows: Sequence[Row]) -> None:
        """See `Journal.record`."""
        for row in rows:
            self.counts[ROW_KINDS[type(row)]] += 1
            if isinstance(row, LastSeen):
                key = row.tenant, row.user_id
                self._keep(self._seen, key, merge(self._seen.get(key), row))
            elif isinstance(row, Declared):
                self._keep(self._declared, (row.tenant, row.user_id), row)

    def _keep(self, kept: OrderedDict[K, V], key: K, value: V) -> None:
        kept[key] = value
        kept.move_to_end(key)
        if len(kept) > self._users_most:
            kept.popitem(last=False)

    async def flush(self) -> None:
        """See `Journal.flush`: nothing is ever on disk, so nothing is waited for."""

    async def last_seen(self, tenant: str, user_ids: Sequence[str]) -> dict[str, LastSeen]:
        """See `Journal.last_seen`."""
        return {user: self._seen[tenant, user] for user in user_ids if (tenant, user) in self._seen}

    async def declared(self, tenant: str, user_id: str) -> Declared | None:
        """See `Journal.declared`."""
        return self._declared.get((tenant, user_id))

    async def transitions(self, tenant: str, user_id: str, limit: int = 100) -> list[Transition]:
        """See `Journal.transitions`."""
        return []

    async def revoke(self, tenant: str, kind: Revocable, id: str, at: int, until_at: int) -> None:
        """See `Journal.revoke`."""
        self._revocations.add(Revocation(tenant, kind, id, at, until_at))

    async def revoked(self, tenant: str, user_id: str, token_id: str | None, issued_at: int | None) -> bool:
        """See `Journal.revoked`."""
        return self._revocations.hit(tenant, user_id, token_id, issued_at)

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


class _Subjects(Subjects):
    def __init__(self, *kept: OrderedDict[tuple[str, str], Any]) -> None:
        self._kept = dict(zip(("last_seen", "declared"), kept, strict=True))

    async def export(self, tenant: str, user_id: str) -> Stored:
        key = tenant, user_id
        return {name: [structs.asdict(kept[key])] for name, kept in self._kept.items() if key in kept}

    async def erase(self, tenant: str, user_id: str, alias: str) -> dict[str, int]:
        return {name: 1 for name, kept in self._kept.items() if kept.pop((tenant, user_id), None) is not None}
