"""The journal that a URL names."""

from __future__ import annotations

from typing import Any

from hereabouts.errors import ConfigError
from hereabouts.journal.base import Journal
from hereabouts.journal.none import NoJournal


def open_journal(url: str, *, flush_seconds: float = 0.05) -> Journal:
    """Raises `ConfigError` for a scheme that is not known."""
    if url == "none" or url.startswith("sqlite:///"):
        return NoJournal()
    raise ConfigError(f'journal.url is {url!r}; it is sqlite:///FILE, or "none"')


def migrations(url: str) -> Any:
    """What runs the migrations of the journal at this URL."""
    raise ConfigError(f"journal.url is {url!r}, which has no tables")
