"""A process that dies in mid-write: the file is whole, and what was acknowledged is in it."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from hereabouts.journal.base import LastSeen, SessionOpened
from hereabouts.journal.sqlite import SqliteJournal

WRITER = """
import asyncio, sys
from pathlib import Path
from hereabouts.journal.base import LastSeen, SessionOpened, Transition
from hereabouts.journal.sqlite import SqliteJournal

async def main() -> None:
    journal = SqliteJournal(Path(sys.argv[1]), flush_seconds=0.001)
    await journal.open()
    await journal.alive("n1", 5)
    number = 0
    while True:
        for _ in range(100):
            number += 1
            name = str(number)
            journal.record([
                SessionOpened("default", name, name, "n1", "web", number),
                Transition("default", name, "offline", "online", None, number),
                LastSeen("default", name, number, None, number, None),
            ])
            await asyncio.sleep(0)
        await journal.flush()
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged_most", [1, 4, 9])
async def test_what_was_flushed_is_there_after_kill_9(tmp_path: Path, acknowledged_most: int) -> None:
    path = tmp_path / "journal.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    flushed = 0
    async with asyncio.timeout(30):
        while flushed < acknowledged_most * 100:
            flushed = int(await process.stdout.readline())
        # Rows go on being taken and written while the signal is on its way.
        os.kill(process.pid, signal.SIGKILL)
        rest = (await process.stdout.read()).split()
        assert await process.wait() == -signal.SIGKILL
    flushed = max([flushed, *map(int, rest)])

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        for table in ("sessions", "transitions", "last_seen"):
            names = {int(name) for (name,) in connection.execute(f"SELECT user_id FROM {table}")}
            assert names >= set(range(1, flushed + 1)), table

    journal = SqliteJournal(path)
    await journal.open()
    try:
        assert await journal.recover("n1", 10**9) >= flushed
        assert await journal.last_seen("default", ["1", "9"]) == {
            "1": LastSeen("default", "1", 5, None, 5, None),
            "9": LastSeen("default", "9", 9, None, 9, None),
        }
        newest = (await journal.transitions("default", "1"))[0]
        assert (newest.after, newest.cause, newest.at) == ("offline", "node_lost", 5)
    finally:
        await journal.close()


async def test_what_was_closed_needs_no_recovery(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path, flush_seconds=60)
    await journal.open()
    journal.record([SessionOpened("default", "s1", "ada", "n1", None, 1)])
    await journal.close()
    assert not path.with_name("journal.db-wal").exists(), "the log was written back"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT user_id FROM sessions").fetchall() == [("ada",)]
