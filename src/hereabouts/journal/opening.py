"""The journal that a URL names."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from hereabouts.errors import ConfigError
from hereabouts.journal.base import Journal
from hereabouts.journal.none import NoJournal
from hereabouts.journal.postgres_address import check_client, is_postgres, read_address
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.journal.sqlite_file import SqliteMigrations

SQLITE: Final = "sqlite:///"


class Runner(Protocol):
    """Runs the migrations of one journal. See `Migrations`."""

    def status(self) -> list[str]:
        """See `Migrations.status`."""

    def verify(self) -> list[str]:
        """See `Migrations.verify`."""

    def up(self, to: int | None = None) -> list[str]:
        """See `Migrations.up`."""

    def down(self, to: int | None = None) -> list[str]:
        """See `Migrations.down`."""


def open_journal(url: str, *, node: str = "", is_alone: bool | None = None, flush_seconds: float = 0.05) -> Journal:
    """The journal, not opened yet. Raises `ConfigError` for a URL that names none.

    `sqlite:///hereabouts.db` is a file in the working directory, `sqlite:////var/lib/hereabouts.db` one from the root;
    `postgresql://user:password@host/database` may be shared by nodes, of which `node` is one: `is_alone` where it
    shares no store with the others, which then are refused; `None` for who is no node.
    """
    check_journal(url)
    if url == "none":
        return NoJournal()
    if is_postgres(url):
        from hereabouts.journal.postgres import PostgresJournal

        return PostgresJournal(url, node=node, is_alone=is_alone, flush_seconds=flush_seconds)
    return SqliteJournal(_file(url), flush_seconds=flush_seconds)


def migrations(url: str) -> Runner:
    """What runs the migrations of the journal at this URL. Raises `ConfigError` for one without tables."""
    check_journal(url)
    if url == "none":
        raise ConfigError('journal.url is "none", which has no tables to migrate')
    if is_postgres(url):
        from hereabouts.journal.postgres_tables import PostgresMigrations

        return PostgresMigrations(url)
    return SqliteMigrations(_file(url))


def check_journal(url: str) -> None:
    """Raise `ConfigError` for a URL that names no journal, or one whose client is not installed."""
    if is_postgres(url):
        read_address(url)
        check_client()
    elif url != "none":
        _file(url)


def shown(url: str) -> str:
    """The URL without its secrets."""
    return read_address(url).shown if is_postgres(url) else url


def _file(url: str) -> Path:
    name = url.removeprefix(SQLITE)
    if name in (url, ""):
        raise ConfigError(
            f'journal.url begins with {url.partition("//")[0]!r}; it is "sqlite:///FILE" (a path from the root has '
            'four slashes), "postgresql://user:password@host/database", or "none"'
        )
    return Path(name)
