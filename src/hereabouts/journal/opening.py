"""The journal that a URL names."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hereabouts.errors import ConfigError
from hereabouts.journal.base import Journal
from hereabouts.journal.none import NoJournal
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.journal.sqlite_file import SqliteMigrations

SQLITE: Final = "sqlite:///"


def open_journal(url: str, *, flush_seconds: float = 0.05) -> Journal:
    """The journal, not opened yet. Raises `ConfigError` for a URL that names none.

    `sqlite:///hereabouts.db` is a file in the working directory, `sqlite:////var/lib/hereabouts.db` one from the root.
    """
    if url == "none":
        return NoJournal()
    return SqliteJournal(_file(url), flush_seconds=flush_seconds)


def migrations(url: str) -> SqliteMigrations:
    """What runs the migrations of the journal at this URL. Raises `ConfigError` for one without tables."""
    if url == "none":
        raise ConfigError('journal.url is "none", which has no tables to migrate')
    return SqliteMigrations(_file(url))


def _file(url: str) -> Path:
    name = url.removeprefix(SQLITE)
    if name in (url, ""):
        raise ConfigError(
            f'journal.url is {url!r}; it is "sqlite:///FILE" (a path from the root has four slashes), or "none"'
        )
    return Path(name)
