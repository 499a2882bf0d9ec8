"""Where the database is: one URL, read once and shown without its secrets."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from hereabouts.errors import ConfigError

SCHEMES: Final = ("postgresql", "postgres")

SCHEMA: Final = "hereabouts"
"""All tables are in a schema of this name, so that they can live in the database of the host."""

_SECRET: Final = re.compile("password", re.IGNORECASE)


class Address(NamedTuple):
    """A database's URL, understood."""

    url: str
    shown: str


def is_postgres(url: str) -> bool:
    """Whether a URL is for us to read."""
    return url.partition("://")[0] in SCHEMES


def read_address(url: str) -> Address:
    """The address in a URL. Raises `ConfigError`, which never repeats the password."""
    if not is_postgres(url):
        raise ConfigError("journal.url is to begin with postgresql://")
    try:
        parts = urlsplit(url)
        authority, name, query = parts.netloc, parts.path.strip("/"), parts.query
    except ValueError as error:
        raise ConfigError(f"journal.url is no URL: {error}") from None
    if not name:
        raise ConfigError("journal.url names no database: postgresql://user:password@host:5432/DATABASE")
    login, at, places = authority.rpartition("@")
    told = urlencode([(key, value) for key, value in parse_qsl(query) if not _SECRET.search(key)])
    shown = f"{parts.scheme}://{login.partition(':')[0]}{at}{places}/{name}" + (f"?{told}" if told else "")
    return Address(url, shown)


def check_client() -> None:
    """Raise `ConfigError` where the client is not installed."""
    if find_spec("asyncpg") is None:
        raise ConfigError("journal.url names PostgreSQL; its client is missing: install hereabouts[postgres]")
