"""What every `RelationBook` must do. A subclass gives `journal()`, whose `relations` are judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hereabouts.errors import Refusal
from hereabouts.journal.base import Journal
from hereabouts.journal.relations import Relation, RelationBook

T = "default"
AT = 1_800_000_000_000


class RelationsContract(ABC):
    """The suite."""

    @abstractmethod
    def journal(self) -> Journal:
        """The journal, not opened. The second one of a test is of the same record."""

    @abstractmethod
    def book(self, journal: Journal, watched_most: int) -> RelationBook:
        """Relations of that journal with room for so many edges of one watcher."""

    @asynccontextmanager
    async def opened(self, watched_most: int = 100) -> AsyncIterator[RelationBook]:
        """Relations in an open journal."""
        journal = self.journal()
        await journal.open()
        try:
            yield self.book(journal, watched_most)
        finally:
            await journal.close()

    async def test_an_edge_stands_once(self) -> None:
        async with self.opened() as book:
            assert await book.put(Relation(T, "mum", "kid", AT))
            assert not await book.put(Relation(T, "mum", "kid", AT + 5))
            assert await book.watched_by(T, "mum") == {"kid"}
            assert await book.watchers_of(T, "kid") == {"mum"}

    async def test_an_edge_has_a_direction_and_a_tenant(self) -> None:
        async with self.opened() as book:
            await book.put(Relation(T, "mum", "kid", AT))
            assert await book.watched_by(T, "kid") == frozenset()
            assert await book.watched_by("other", "mum") == frozenset()
            assert not await book.remove("other", "mum", "kid")
            assert not await book.remove(T, "kid", "mum")

    async def test_what_is_taken_away_is_gone(self) -> None:
        async with self.opened() as book:
            await book.put(Relation(T, "mum", "kid", AT))
            assert await book.remove(T, "mum", "kid")
            assert not await book.remove(T, "mum", "kid")
            assert await book.watched_by(T, "mum") == frozenset()

    async def test_edges_outlive_the_process(self) -> None:
        async with self.opened() as book:
            await book.put(Relation(T, "mum", "kid", AT))
        async with self.opened() as book:
            assert await book.watched_by(T, "mum") == {"kid"}

    async def test_a_watcher_has_so_many_at_most(self) -> None:
        async with self.opened(watched_most=3) as book:
            for number in range(3):
                await book.put(Relation(T, "mum", f"kid{number}", AT))
            with pytest.raises(Refusal, match="may watch 3 users already"):
                await book.put(Relation(T, "mum", "one too many", AT))
            assert len(await book.watched_by(T, "mum")) == 3
            assert not await book.put(Relation(T, "mum", "kid0", AT)), "an edge that is there is no further one"
            await book.put(Relation(T, "dad", "kid0", AT))
