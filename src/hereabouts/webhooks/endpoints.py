"""Who wants word of what: the endpoints of the settings, checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Final
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from hereabouts.engine.identity import matches
from hereabouts.errors import ConfigError
from hereabouts.webhooks.signing import read_secret

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Endpoint(Struct, frozen=True, kw_only=True, dict=True):
    """One of `[[webhooks]]`. `events`, `tenants` and `rooms` are patterns with `*`; `rooms` counts for rooms alone.

    `timeout_seconds` is for a whole attempt. `allow_private` lets it be in a private network, and be plain HTTP.
    """

    name: str
    url: str
    secret: str
    previous_secret: str | None = None
    events: tuple[str, ...] = ("*",)
    tenants: tuple[str, ...] = ("*",)
    rooms: tuple[str, ...] = ("*",)
    timeout_seconds: float = 10
    allow_private: bool = False

    @cached_property
    def keys(self) -> tuple[bytes, ...]:
        """What it is signed with, the new secret first. Raises `ConfigError`."""
        secrets = [self.secret] if self.previous_secret is None else [self.secret, self.previous_secret]
        return tuple(read_secret(secret) for secret in secrets)

    @cached_property
    def parts(self) -> SplitResult:
        """The address, taken apart. Raises `ValueError`."""
        return urlsplit(self.url)

    @property
    def is_loopback(self) -> bool:
        """Whether the address names this machine."""
        return self.parts.hostname in LOOPBACK

    def wants(self, type: str, tenant: str, room: str | None) -> bool:
        """Whether an event is to go to it."""
        return (
            any(matches(pattern, type) for pattern in self.events)
            and any(matches(pattern, tenant) for pattern in self.tenants)
            and (room is None or any(matches(pattern, room) for pattern in self.rooms))
        )


class Endpoints:
    """All of them. Raises `ConfigError` for one that must not be called, or could not be meant.

    `types` are those that there are.
    """

    def __init__(self, endpoints: Iterable[Endpoint], types: Sequence[str]) -> None:
        self.by_name: dict[str, Endpoint] = {}
        for endpoint in endpoints:
            where = f"webhooks[{len(self.by_name)}]"
            if endpoint.name in self.by_name:
                raise ConfigError(f"{where}.name is {endpoint.name!r}, which another has; each needs its own")
            _check(endpoint, where, types)
            self.by_name[endpoint.name] = endpoint
        self._types = types

    def route(self, type: str, tenant: str, room: str | None) -> list[str]:
        """The names of those who want an event."""
        return [name for name, endpoint in self.by_name.items() if endpoint.wants(type, tenant, room)]

    def of_tenant(self, tenant: str) -> list[Endpoint]:
        """Those that a tenant's events may go to."""
        return [
            endpoint
            for endpoint in self.by_name.values()
            if any(matches(pattern, tenant) for pattern in endpoint.tenants)
        ]

    @property
    def types(self) -> frozenset[str]:
        """The types of events that anybody wants."""
        patterns = [pattern for endpoint in self.by_name.values() for pattern in endpoint.events]
        return frozenset(type for type in self._types if any(matches(pattern, type) for pattern in patterns))


def _check(endpoint: Endpoint, where: str, types: Sequence[str]) -> None:
    if not endpoint.name:
        raise ConfigError(f"{where}.name is empty; deliveries that wait are kept under it")
    try:
        parts = endpoint.parts
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ConfigError(f"{where}.url is {endpoint.url!r:.200}; it must be https://HOST/PATH")
    if parts.scheme == "http" and not (endpoint.is_loopback or endpoint.allow_private):
        raise ConfigError(
            f"{where}.url is plain HTTP; it must be https:// (or on this machine, or allow_private = true)"
        )
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ConfigError(f"{where}.url has a user, a password or a fragment in it; the signature says who sends")
    for key, secret in (("secret", endpoint.secret), ("previous_secret", endpoint.previous_secret)):
        try:
            read_secret(secret if secret is not None else endpoint.secret)
        except ConfigError as error:
            raise ConfigError(f"{where}.{key}: {error}") from None
    for pattern in endpoint.events:
        if not any(matches(pattern, type) for type in types):
            raise ConfigError(f"{where}.events has {pattern!r:.100}, which is no event; there are {', '.join(types)}")
