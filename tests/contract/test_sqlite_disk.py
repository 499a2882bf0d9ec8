"""A disk that is full, locked or slow: rows wait, health says so, nothing acknowledged is lost, and it heals."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hereabouts.errors import JournalUnavailable
from hereabouts.journal import sqlite_rows
from hereabouts.journal.base import LastSeen, Row, Transition
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.testing.waiting import eventually, never

DISK_BYTES = 1_500_000
CLONE_NEWNS = 0x0002_0000
"""Linux, `unshare(2)`."""


def turned(number: int) -> Transition:
    return Transition("default", f"user{number}" + "x" * 150, "offline", "online", None, number)


class Disk:
    """A folder with little room, and a way to give it more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        self._is_mounted = _mount(folder)
        if self._is_mounted:
            self._ballast.write_bytes(b"\0" * (DISK_BYTES * 2))
        else:
            # Python ignores SIGXFSZ, so a write beyond the limit is an error like any other.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (DISK_BYTES, self._limits[1]))

    def give_room(self) -> None:
        if self._is_mounted:
            self._ballast.unlink(missing_ok=True)
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, self._limits)

    def release(self) -> None:
        self.give_room()
        if self._is_mounted:
            subprocess.run(["umount", "--lazy", self.folder], check=True)


def _mount(folder: Path) -> bool:
    # In a mount namespace of our own, so that a run that is killed leaves no mount behind.
    if os.geteuid() != 0 or ctypes.CDLL(None).unshare(CLONE_NEWNS) != 0:
        return False
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    options = f"size={DISK_BYTES * 3}"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    return mounted.returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    disk = Disk(folder)
    yield disk
    disk.release()


async def test_a_full_disk_keeps_rows_waiting_until_there_is_room(disk: Disk) -> None:
    journal = SqliteJournal(disk.folder / "journal.db", flush_seconds=0.01, flush_wait_seconds=0.5)
    await journal.open()
    number = acknowledged = 0
    with pytest.raises(JournalUnavailable, match=r"journal\.db"):
        while number < 100_000:
            for _ in range(500):
                number += 1
                journal.record([turned(number), LastSeen("default", "ada", number, None, number, None)])
            await journal.flush()
            acknowledged = number
    assert acknowledged, "there was room for some"

    health = journal.health()
    assert not health.is_writable
    assert health.failing_since_at is not None and health.error is not None
    assert health.queued_rows >= 1
    assert (await journal.last_seen("default", ["ada"]))["ada"].seen_at == number, "reading goes on"

    journal.record([turned(number + 1)])
    disk.give_room()
    await eventually(lambda: journal.health().queued_rows == 0, within=10)
    assert journal.health().is_writable
    assert journal.health().error is None
    assert journal.health().lost_rows == 0
    await journal.close()
    with closing(sqlite3.connect(disk.folder / "journal.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert [at for (at,) in connection.execute("SELECT at FROM transitions ORDER BY id")] == [
            *range(1, number + 2)
        ], "every row once, in order"


async def test_what_waits_is_bounded_and_what_is_refused_is_counted(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db", flush_seconds=0.01, queue_rows=1_000, flush_wait_seconds=0.3)
    await journal.open()
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        journal.record([LastSeen("default", "ada", at, None, at, None) for at in range(1, 5_000)])
        journal.record([turned(number) for number in range(1, 1_500)])
        journal.record([LastSeen("default", "ada", 9_999, None, 9_999, None)])
        health = journal.health()
        assert health.queued_rows == 1_000
        assert health.lost_rows == 500
        assert journal.counts["transition"] == 999
        with pytest.raises(JournalUnavailable, match="1000 rows could not be written"):
            await journal.flush()
        assert (await journal.last_seen("default", ["ada"]))["ada"].seen_at == 9_999, "who waits already is merged"
        other.execute("ROLLBACK")
    await eventually(lambda: journal.health().queued_rows == 0, within=15)
    assert journal.health().lost_rows == 500
    await journal.close()


async def test_a_close_that_cannot_write_says_what_is_left(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db", flush_seconds=0.01, flush_wait_seconds=0.1)
    await journal.open()
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        journal.record([turned(1), turned(2)])
        with pytest.raises(JournalUnavailable, match="2 rows could not be written"):
            await journal.close()
    assert journal.health().lost_rows == 2
    with pytest.raises(JournalUnavailable, match="not open"):
        await journal.alive("n1", 1)


async def test_the_event_loop_waits_for_no_lock(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db", flush_seconds=0.01)
    await journal.open()
    loop = asyncio.get_running_loop()
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        journal.record([turned(1)])
        late_seconds = 0.0
        begun = before = loop.time()

        def is_late() -> bool:
            nonlocal before, late_seconds
            before, gone = loop.time(), loop.time() - before
            late_seconds = max(late_seconds, gone)
            return late_seconds > 0.5

        await never(is_late, during=1.0, what="a stall of the loop")
        asked = loop.time()
        await journal.last_seen("default", ["ada"])
        assert loop.time() - asked < 0.5, "readers do not wait for the writer"
        assert loop.time() - begun < 5, "all of it while the lock was held"
        assert journal.health().queued_rows == 1
        other.execute("ROLLBACK")
    await journal.flush()
    await journal.close()


async def test_a_row_after_the_close_is_counted_as_lost(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    await journal.open()
    await journal.close()
    journal.record([turned(1)])
    assert journal.health().lost_rows == 1


async def test_a_disk_that_does_not_answer_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    write = sqlite_rows.write

    def stuck(connection: sqlite3.Connection, rows: list[Row], **rest: Any) -> int:
        assert answers.wait(30)
        return write(connection, rows, **rest)

    monkeypatch.setattr(sqlite_rows, "write", stuck)
    journal = SqliteJournal(tmp_path / "journal.db", flush_seconds=0.01, flush_wait_seconds=0.2)
    await journal.open()
    journal.record([turned(1), LastSeen("default", "ada", 1, None, 1, None)])
    try:
        await eventually(lambda: not journal.health().is_writable)
        assert "a write has taken" in (journal.health().error or "")
        assert (await journal.last_seen("default", ["ada"]))["ada"].seen_at == 1
        with pytest.raises(JournalUnavailable, match="the disk is slow"):
            await journal.flush()
    finally:
        answers.set()
    await eventually(lambda: journal.health().is_writable)
    await journal.close()
