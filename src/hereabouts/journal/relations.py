"""The seam of who may watch whom: edges that the host sets, kept for ever or until they are taken away."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from msgspec import Struct

WATCHED_MOST: Final = 10_000
"""How many users one watcher may be given. More is not a relation any more: grant a pattern in the token."""


class Relation(Struct, frozen=True):
    """`watcher` may watch `watched`: a parent and a child, a manager and an agent."""

    tenant: str
    watcher: str
    watched: str
    since_at: int


class RelationBook(ABC):
    """Keeps edges. What is acknowledged is on disk. Raises `JournalUnavailable` when it cannot be."""

    @abstractmethod
    async def put(self, relation: Relation) -> bool:
        """Add an edge; false when it was there already, which keeps its `since_at`.

        Raises `Refusal` with `limit_exceeded` beyond `WATCHED_MOST`.
        """

    @abstractmethod
    async def remove(self, tenant: str, watcher: str, watched: str) -> bool:
        """Take an edge away; false when there was none."""

    @abstractmethod
    async def watched_by(self, tenant: str, watcher: str) -> frozenset[str]:
        """Everybody whom this user may watch."""

    @abstractmethod
    async def watchers_of(self, tenant: str, watched: str) -> frozenset[str]:
        """Everybody who may watch this user."""
