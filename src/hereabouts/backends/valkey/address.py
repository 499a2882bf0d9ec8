"""Where the store is: one URL for a single server, Sentinel or Cluster, read once and shown without its secrets.

valkey://[user:password@]host[:port][/number]            also redis://; rediss:// and valkeys:// are over TLS
valkey+sentinel://[user:password@]host[:port],host…/service[/number]
valkey+cluster://[user:password@]host[:port],host…
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from hereabouts.errors import ConfigError

SCHEMES: Final = ("valkey", "redis", "valkeys", "rediss")
SHAPES: Final = ("", "sentinel", "cluster")
PORTS: Final = {"": 6379, "sentinel": 26379, "cluster": 6379}


class Address(NamedTuple):
    """A store's URL, understood."""

    shape: str
    is_tls: bool
    hosts: tuple[tuple[str, int], ...]
    username: str | None
    password: str | None
    service: str
    database: int
    shown: str

    @property
    def is_cluster(self) -> bool:
        """Whether keys are spread over several servers."""
        return self.shape == "cluster"


def read_address(url: str) -> Address:
    """The address in a URL. Raises `ConfigError`, which never repeats the password."""
    scheme, _, rest = url.partition("://")
    name, _, shape = scheme.partition("+")
    if name not in SCHEMES or shape not in SHAPES or not rest:
        raise ConfigError(
            "backend.url is `memory://`, or `valkey://host:port/0`, `valkey+sentinel://host,host/service`, "
            f"`valkey+cluster://host,host` (redis, valkeys, rediss likewise), not a URL that begins with {scheme!r}"
        )
    authority, _, path = rest.partition("/")
    login, _, places = authority.rpartition("@")
    username, _, password = login.partition(":")
    hosts = tuple(_host(place, PORTS[shape]) for place in places.split(","))
    parts = [part for part in path.split("/") if part]
    service = unquote(parts.pop(0)) if shape == "sentinel" and parts else ""
    if shape == "sentinel" and not service:
        raise ConfigError("backend.url names no service: valkey+sentinel://host,host/SERVICE")
    if shape == "" and len(hosts) > 1:
        raise ConfigError("backend.url names several hosts; say valkey+cluster:// or valkey+sentinel://")
    return Address(
        shape,
        name in ("valkeys", "rediss"),
        hosts,
        unquote(username) or None,
        unquote(password) or None,
        service,
        _database(parts),
        f"{scheme}://{places}" + (f"/{path}" if path else ""),
    )


def _host(place: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{place}")
        return parts.hostname or "127.0.0.1", parts.port or port
    except ValueError as error:
        raise ConfigError(f"backend.url: {place!r} is no host and port: {error}") from None


def _database(parts: list[str]) -> int:
    if not parts:
        return 0
    if len(parts) > 1 or not parts[0].isdecimal():
        raise ConfigError(f"backend.url ends with {'/'.join(parts)!r}; a database is one number, such as /0")
    return int(parts[0])
