"""What a server under test keeps things in: as its settings say, or in a real Valkey and a real PostgreSQL instead.

A test says what it says once. `Arena` asks its engine where to keep things, so the same text runs over each engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

from hereabouts.journal.postgres_tables import PostgresMigrations
from hereabouts.testing.postgres import PostgresServer, postgres
from hereabouts.testing.valkey import ValkeyServer

Settings = dict[str, Any]

NUMBERS: Final = count(1)
TEMPLATE: Final = "migrated"


class Engine:
    """As the settings say: in memory, and in SQLite where they name a file."""

    nodes: tuple[str, ...] = ("",)
    """The names of the servers that are one arena; without a name it is as the settings say."""

    def placed(self, settings: Settings) -> Settings:
        """The settings with the places of this engine in them."""
        return settings

    async def ready(self) -> None:
        """Make what the places name, before a server opens them."""


class SharedEngine(Engine):
    """One Valkey and one PostgreSQL, in which each journal that settings name has a prefix and a database of its own.

    Who names the same file twice, to start again on it, gets the same place twice; who names none gets a new one.
    """

    def __init__(self, store: ValkeyServer, records: PostgresServer, nodes: tuple[str, ...] = ("",)) -> None:
        self.nodes = nodes
        self._store = store
        self._records = records
        self._places: dict[str, str] = {}
        self._missing: list[str] = []
        self._made: list[str] = []

    def placed(self, settings: Settings) -> Settings:
        """See `Engine.placed`. A journal that is `none` stays none."""
        journal, backend = ({**settings.get(part, {})} for part in ("journal", "backend"))
        asked = journal["url"]
        name = self._places.get(asked) or f"place_{next(NUMBERS)}"
        if asked != "none":
            if asked not in self._places:
                self._places[asked] = name
                self._missing.append(name)
            journal["url"] = self._records.url(name)
        backend |= {"url": self._store.url, "prefix": name}
        return {**settings, "journal": journal, "backend": backend}

    async def ready(self) -> None:
        """See `Engine.ready`."""
        while self._missing:
            name = self._missing.pop()
            await asyncio.to_thread(self._records.copy, TEMPLATE, name)
            self._made.append(name)

    def forget(self) -> None:
        """Forget every place. Not to be called where an event loop runs."""
        for name in self._made:
            self._records.drop(name)
        self._store.flush()


@contextmanager
def migrated() -> Iterator[PostgresServer]:
    """A PostgreSQL with a database of all tables, `TEMPLATE`, to be copied."""
    with postgres() as server:
        server.copy("template1", TEMPLATE)
        PostgresMigrations(server.url(TEMPLATE)).up()
        yield server
