"""A SQLite file as we want it: how it is opened, what a transaction is, how its tables are migrated."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Protocol, TypeVar

from hereabouts.errors import ConfigError, HereaboutsError, JournalUnavailable
from hereabouts.journal.migrate import Applied, Migration, Migrations, Shape, Target, load
from hereabouts.version import __version__

T = TypeVar("T")

SQLITE_LEAST: Final = (3, 37, 0)
"""STRICT tables came with it."""

BUSY_SECONDS: Final = 2.0
"""How long a write waits for another program that has the file locked."""

PRAGMAS: Final = (
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    # What is deleted is overwritten: an erased user is not to be found in the pages that became free.
    "PRAGMA secure_delete = ON",
    "PRAGMA journal_size_limit = 67108864",
)

_PASSING: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})


class Threads(Protocol):
    """The journal's thread that writes and its thread that reads. Both raise `JournalUnavailable`."""

    async def write(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in the writer's thread."""

    async def read(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in the reader's thread."""

    async def flush(self) -> None:
        """See `Journal.flush`."""


def claim(path: Path) -> int:
    """Keep other processes from serving from this file: a descriptor, until whose close it is ours.

    The lock is on a file of its own. Closing a descriptor of the journal would undo the locks of SQLite. Raises
    `ConfigError` where another process has it.
    """
    with _explained(path):
        descriptor = os.open(f"{path}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        text = "serves another process; wait until that has ended, or give this one a file of its own in journal.url"
        raise ConfigError(f"{path} {text}") from None
    except OSError:
        pass  # a file system without locks
    return descriptor


def open_file(path: Path) -> sqlite3.Connection:
    """Open or create a journal, readable by its owner alone. Raises `ConfigError` for a file that is not one."""
    if sqlite3.sqlite_version_info < SQLITE_LEAST:
        least = ".".join(map(str, SQLITE_LEAST))
        raise ConfigError(f"this Python has SQLite {sqlite3.sqlite_version}; the journal needs {least} or newer")
    with _explained(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
        try:
            for pragma in PRAGMAS:
                connection.execute(pragma)
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise ConfigError(f"{path} cannot be a journal: its file system has no write-ahead log, only {mode!r}")
            _check_ours(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A second connection to a file that is open; it cannot write."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA query_only = ON")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have rolled it back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the tables to this version."""
    with _explained(path):
        Migrations(SqliteTarget(connection), load("sqlite")).up()


class SqliteMigrations:
    """`hereabouts migrate` on a file. See `Migrations`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def status(self) -> list[str]:
        """See `Migrations.status`."""
        with self._open() as migrations:
            return migrations.status()

    def verify(self) -> list[str]:
        """See `Migrations.verify`."""
        with self._open() as migrations:
            return migrations.verify()

    def up(self, to: int | None = None) -> list[str]:
        """See `Migrations.up`. Raises `ConfigError` while a process serves from the file."""
        with self._claimed(), self._open() as migrations:
            return migrations.up(to)

    def down(self, to: int | None = None) -> list[str]:
        """See `Migrations.down`. Raises `ConfigError` while a process serves from the file."""
        with self._claimed(), self._open() as migrations:
            return migrations.down(to)

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        descriptor = claim(self._path)
        try:
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _open(self) -> Iterator[Migrations]:
        with closing(open_file(self._path)) as connection, _explained(self._path):
            yield Migrations(SqliteTarget(connection), load("sqlite"))


class SqliteTarget(Target):
    """See `Target`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def applied(self) -> list[Applied]:
        """See `Target.applied`."""
        if not _tables(self._connection):
            return []
        rows = self._connection.execute("SELECT id, name, checksum, applied_at, applied_by FROM migrations ORDER BY id")
        return [Applied(*row) for row in rows]

    def shape(self) -> Shape:
        """See `Target.shape`."""
        return _shape(self._connection)

    def wanted(self, migrations: Sequence[Migration]) -> Shape:
        """See `Target.wanted`."""
        with closing(sqlite3.connect(":memory:")) as empty:
            for migration in migrations:
                empty.executescript(migration.up)
            return _shape(empty)

    def apply(self, migration: Migration) -> None:
        """See `Target.apply`."""
        with self._script(migration.up):
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS migrations (id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                " checksum TEXT NOT NULL, applied_at INTEGER NOT NULL, applied_by TEXT NOT NULL) STRICT"
            )
            self._connection.execute(
                "INSERT INTO migrations VALUES (?, ?, ?, ?, ?)",
                (migration.number, migration.name, migration.checksum, _now(), f"hereabouts {__version__}"),
            )

    def revert(self, migration: Migration) -> None:
        """See `Target.revert`."""
        with self._script(migration.down):
            self._connection.execute("DELETE FROM migrations WHERE id = ?", (migration.number,))

    @contextmanager
    def _script(self, script: str) -> Iterator[None]:
        """Run a script, then what is in the block, in one transaction."""
        connection = self._connection
        try:
            # The script begins the transaction itself: `executescript` would end one that is under way.
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}")
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _tables(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {name for (name,) in rows}


def _shape(connection: sqlite3.Connection) -> Shape:
    rows = connection.execute(
        "SELECT type || ' ' || name, sql FROM sqlite_schema"
        " WHERE name NOT LIKE 'sqlite_%' AND tbl_name <> 'migrations' ORDER BY type DESC, name"
    )
    return dict(rows.fetchall())


def _check_ours(connection: sqlite3.Connection, path: Path) -> None:
    tables = _tables(connection)
    if tables and "migrations" not in tables:
        some = ", ".join(sorted(tables)[:3])
        raise ConfigError(f"{path} is the database of another program (it has the tables {some}); name a file of ours")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What keeps the file from being opened, in words: what will pass, and what the operator is to change."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(path, error) from error
    except OSError as error:
        raise ConfigError(f"the journal {path} cannot be opened: {error.strerror}") from error


def _explain(path: Path, error: sqlite3.Error) -> HereaboutsError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _PASSING:
        return JournalUnavailable(f"the journal {path} cannot be written now: {error}")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return ConfigError(
            f"{path} is not a journal, or a damaged one ({error}); restore it from a backup or name another file"
        )
    return ConfigError(f"the journal {path} cannot be opened: {error}")


def _now() -> int:
    return int(time.time() * 1000)
