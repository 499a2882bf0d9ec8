"""Who holds what, wherever it is kept."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hereabouts.journal.occupancies import MemoryOccupancies, Occupancies
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.testing.occupancies_contract import AT, DurableOccupanciesContract, OccupanciesContract, T, grant, held


class TestMemory(OccupanciesContract):
    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Occupancies]:
        yield MemoryOccupancies()


class TestSqlite(DurableOccupanciesContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "hereabouts.db"

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Occupancies]:
        journal = SqliteJournal(self.path)
        await journal.open()
        try:
            yield journal.occupancies
        finally:
            await journal.close()

    async def test_events_are_forgotten_and_holdings_and_places_are_not(self) -> None:
        journal = SqliteJournal(self.path)
        await journal.open()
        kept = journal.occupancies
        await grant(kept, "ada", "account:1")
        await grant(kept, "ada", "account:2", AT + 5)
        assert await journal.prune({"occupancies": AT + 1}) == 1
        assert [row.seq for row in await kept.history(T, "account")] == [2]
        assert await held(kept) == {("account:2", "ada")}
        await journal.close()


_CONTENDER = """
import asyncio, sys
from pathlib import Path
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.testing.occupancies_contract import grant

async def main():
    journal = SqliteJournal(Path(sys.argv[1]))
    await journal.open()
    number = int(sys.argv[2])
    while True:
        holding = await grant(journal.occupancies, "ada", f"account:{number}")
        print(number, holding.fencing, flush=True)
        number += 1

asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """A kill between the commit and the answer loses no more than the answer, and numbers only grow."""
    path, newest = tmp_path / "hereabouts.db", 0
    for start in (0, 1_000, 2_000):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CONTENDER, str(path), str(start), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        told = []
        for _ in range(20):
            line = await asyncio.wait_for(process.stdout.readline(), 20)
            told.append(tuple(map(int, line.split())))
        os.kill(process.pid, signal.SIGKILL)
        told += [tuple(map(int, line.split())) for line in (await process.stdout.read()).splitlines() if b" " in line]
        await process.wait()
        numbers = [fencing for _, fencing in told]
        assert numbers == sorted(numbers)
        assert numbers[0] > newest
        newest = numbers[-1]
        journal = SqliteJournal(path)
        await journal.open()
        (standing,) = await journal.occupancies.standing()
        (holding,) = standing.holdings
        assert holding.fencing >= newest
        assert int(holding.resource.partition(":")[2]) >= told[-1][0]
        newest = holding.fencing
        await journal.close()
