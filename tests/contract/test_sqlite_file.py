"""Which files are journals: made for their owner alone, migrated there and back, and refused when they are not ours."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hereabouts.errors import ConfigError
from hereabouts.journal.base import SessionOpened
from hereabouts.journal.none import NoJournal
from hereabouts.journal.opening import migrations, open_journal
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.journal.sqlite_file import open_file, open_reader
from hereabouts.version import __version__

SCHEMA = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name"


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def schema(path: Path) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(SCHEMA).fetchall()


async def refused(path: Path, match: str) -> None:
    journal = SqliteJournal(path)
    with pytest.raises(ConfigError, match=match):
        await journal.open()
    await journal.close()


async def test_a_url_names_a_file_from_here_or_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, file in (("sqlite:///here.db", "here.db"), (f"sqlite:///{tmp_path}/root.db", "root.db")):
        journal = open_journal(name)
        await journal.open()
        await journal.close()
        assert (tmp_path / file).is_file()
    assert isinstance(open_journal("none"), NoJournal)


async def test_a_file_serves_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    first = SqliteJournal(path)
    await first.open()
    await refused(path, "serves another process")
    for act in (migrations(url(path)).up, migrations(url(path)).down):
        with pytest.raises(ConfigError, match="serves another process"):
            act()
    first.record([SessionOpened("default", "s1", "ada", "n1", None, 1)])
    await first.flush()
    await first.close()
    second = SqliteJournal(path)
    await second.open()
    await second.close()


@pytest.mark.parametrize("name", ["", "sqlite", "sqlite:///", "sqlite://x.db", "x.db", "None"])
def test_a_url_that_names_nothing_is_refused(name: str) -> None:
    for act in (open_journal, migrations):
        with pytest.raises(ConfigError, match=r'it is "sqlite:///FILE" .*, or "none"'):
            act(name)


def test_what_has_no_tables_has_no_migrations() -> None:
    with pytest.raises(ConfigError, match='"none", which has no tables'):
        migrations("none")


async def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    mask = os.umask(0)
    try:
        journal = SqliteJournal(path)
        await journal.open()
        await journal.alive("n1", 1)
        modes = {entry.name: entry.stat().st_mode & 0o777 for entry in os.scandir(tmp_path)}
        await journal.close()
    finally:
        os.umask(mask)
    names = ("journal.db", "journal.db-wal", "journal.db-shm", "journal.db-lock")
    assert modes == dict.fromkeys(names, 0o600)


def test_it_writes_ahead_and_trusts_no_schema(tmp_path: Path) -> None:
    with closing(open_file(tmp_path / "journal.db")) as connection:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 1), ("foreign_keys", 1), ("trusted_schema", 0)):
            assert connection.execute(f"PRAGMA {pragma}").fetchone() == (value,), pragma


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    migrations(url(path)).up()
    with closing(open_reader(path)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM sessions")


def test_migrations_go_up_down_and_up_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    runner = migrations(url(path))
    assert all(line.endswith("pending") for line in runner.status())
    first = runner.up()
    there = schema(path)
    assert [line.replace("applied", "reverted") for line in reversed(first)] == runner.down(0)
    assert [name for _, name, _ in schema(path)] == ["migrations"]
    assert runner.up() == first
    assert schema(path) == there
    assert runner.up() == []
    assert all(f" UTC by hereabouts {__version__}" in line for line in runner.status())
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT id, length(checksum), applied_at > 1700000000000, applied_by FROM migrations")
        assert all(row[1:3] == (64, 1) and row[3].startswith("hereabouts ") for row in rows)


def test_each_migration_down_and_up_alone_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    runner = migrations(url(path))
    steps = [(runner.up(number), schema(path))[1] for number in range(1, len(runner.status()) + 1)]
    while steps:
        assert schema(path) == steps.pop()
        runner.down()


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ("DROP INDEX sessions_open", "index sessions_open is missing"),
        ("ALTER TABLE sessions ADD COLUMN theirs TEXT", "table sessions is not as its script makes it"),
    ],
)
def test_a_journal_that_somebody_else_changed_is_noticed(tmp_path: Path, change: str, wrong: str) -> None:
    path = tmp_path / "journal.db"
    runner = migrations(url(path))
    runner.up(1)
    assert len(runner.verify()) == 2
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE INDEX of_their_own ON sessions (platform)")
        assert len(runner.verify()) == 2
        connection.execute(change)
    with pytest.raises(ConfigError, match=f"{wrong};"):
        runner.verify()


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    runner = migrations(url(path))
    runner.up(1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE sessions")
        before = schema(path)
        with pytest.raises(ConfigError, match="no such table: sessions"):
            runner.down(0)
        assert schema(path) == before


async def test_a_newer_or_changed_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    migrations(url(path)).up()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO migrations VALUES (9000, 'later', 'abc', 1, 'hereabouts 9.0')")
    await refused(path, "is at migration 9000 later, and this version of hereabouts knows")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM migrations WHERE id = 9000")
        connection.execute("UPDATE migrations SET checksum = 'abc' WHERE id = 1")
    await refused(path, "0001 record applied with checksum abc")


@pytest.mark.parametrize("size", [15, 100, 4096, 100_000])
async def test_garbage_is_refused_and_left_alone(tmp_path: Path, size: int) -> None:
    path = tmp_path / "journal.db"
    garbage = random.Random(size).randbytes(size)
    path.write_bytes(garbage)
    await refused(path, "is not a journal, or a damaged one")
    assert path.read_bytes() == garbage


async def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    migrations(url(path)).up()
    damaged = bytearray(path.read_bytes())
    damaged[100:4096] = random.Random(1).randbytes(3996)
    path.write_bytes(damaged)
    await refused(path, "is not a journal, or a damaged one")


async def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE guests (name TEXT)")
    await refused(path, "another program .it has the tables guests.")


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    await refused(tmp_path / "nowhere" / "journal.db", r"nowhere/journal\.db cannot be opened: No such file")
    await refused(tmp_path, "cannot be opened: Is a directory")
