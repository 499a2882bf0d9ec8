"""What of the settings must not be served, and what the operator should know: `check-config`, and every start.

Errors are `ConfigError` texts; all that are found are told together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from hereabouts.auth.api_keys import KeyEntry, KeyRing
from hereabouts.auth.config import AuthConfig, check_config, check_url, is_loopback
from hereabouts.auth.keys import file_keys
from hereabouts.auth.minting import minter
from hereabouts.auth.tokens import EVERYTHING
from hereabouts.backends.opening import check_address
from hereabouts.engine.identity import Grants
from hereabouts.engine.relations import check
from hereabouts.errors import ConfigError
from hereabouts.journal.opening import check_journal
from hereabouts.journal.outbox import EVENT_TYPES
from hereabouts.journal.postgres_address import is_postgres
from hereabouts.settings import Settings
from hereabouts.webhooks.endpoints import Endpoint, Endpoints

MEMORY: Final = "memory://"

PLACEHOLDERS: Final = ("changeme", "change-me", "change_me", "secret", "password", "example", "default", "hereabouts")
"""What a secret that nobody chose looks like."""

DISTINCT_CHARACTERS: Final = 10
"""Random text of 32 characters has more."""


class Findings(NamedTuple):
    """What must be mended before serving, and what need not be."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def auth_config(settings: Settings, *, is_dev: bool = False) -> AuthConfig:
    """What the settings say of tokens, as the verifiers take it."""
    auth, limits = settings.auth, settings.engine_limits()
    named = Grants(dict(auth.default_rooms), auth.default_watch)
    return AuthConfig(
        algorithms=auth.algorithms,
        secret=auth.secret,
        previous_secret=auth.previous_secret,
        jwks_file=auth.jwks_file,
        jwks_url=auth.jwks_url,
        signing_key_file=auth.signing_key_file,
        signing_key_id=auth.signing_key_id,
        issuer=auth.issuer,
        audience=auth.audience,
        admin_roles=auth.admin_roles,
        default_grants=EVERYTHING if is_dev and named == Grants() else named,
        id_bytes=limits.id_bytes,
        info_bytes=limits.info_bytes,
    )


def key_ring(settings: Settings) -> KeyRing:
    """The API keys. Raises `ConfigError`."""
    return KeyRing(
        KeyEntry(name=key.name, hash=key.hash, scopes=key.scopes, tenants=key.tenants) for key in settings.auth.api_keys
    )


def endpoints(settings: Settings) -> Endpoints:
    """Where word of events goes. Raises `ConfigError`."""
    if settings.webhooks and settings.journal.url == "none":
        raise ConfigError('webhooks need a journal, where events wait until they are delivered; journal.url is "none"')
    if settings.webhooks and settings.backend.url != MEMORY and not is_postgres(settings.journal.url):
        raise ConfigError(
            "webhooks of nodes that share a store need one journal for all of them, or events of a user would come in "
            f"no order; set journal.url to postgresql://…, or backend.url to {MEMORY!r}, or take the webhooks away"
        )
    return Endpoints([Endpoint(**given.model_dump()) for given in settings.webhooks], tuple(EVENT_TYPES))


def has_keys(settings: Settings) -> bool:
    """Whether the settings hold anything to verify tokens with."""
    auth = settings.auth
    return bool(auth.secret or auth.jwks_file or auth.jwks_url)


def origins(settings: Settings) -> frozenset[str]:
    """The origins of pages that may use the server. Raises `ConfigError` for what is no origin."""
    server = settings.server
    for origin in server.allowed_origins:
        if _origin(origin) != origin.lower():
            raise ConfigError(
                f"server.allowed_origins has {origin!r}; an origin is scheme://host or scheme://host:port, with no path"
            )
    if server.allowed_origins or server.public_url is None:
        return frozenset(origin.lower() for origin in server.allowed_origins)
    own = _origin(server.public_url)
    if own is None:
        raise ConfigError(f"server.public_url is {server.public_url!r}; it must begin with http:// or https://")
    return frozenset({own})


def _check_proxies(settings: Settings) -> None:
    """Raise `ConfigError` for a trusted proxy that is neither an address nor a network."""
    for proxy in settings.server.trusted_proxies:
        try:
            ip_network(proxy, strict=False)
        except ValueError:
            text = "an entry is an address or a network, as in 10.0.0.7 or 10.0.0.0/8"
            raise ConfigError(f"server.trusted_proxies has {proxy!r}; {text}") from None


def _origin(url: str) -> str | None:
    try:
        parts = urlsplit(url.lower())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_default = port is None or (parts.scheme, port) in (("http", 80), ("https", 443))
    return f"{parts.scheme}://{host}" if is_default else f"{parts.scheme}://{host}:{port}"


def check_settings(settings: Settings, *, is_dev: bool) -> Findings:
    """Everything that is wrong with the settings, for serving in production or in `dev`."""
    errors = [*_refused(settings, is_dev), *_clashes(settings)]
    warnings = list(_doubts(settings, is_dev))
    book = settings.book()
    for name, policy in book.combinations():
        for problem in check(policy, book.node):
            if problem.is_unsafe and policy.allow_unsafe:
                warnings.append(f"policy {name}: {problem.text} (allowed by allow_unsafe)")
            else:
                hint = "; allow_unsafe = true accepts it" if problem.is_unsafe else ""
                errors.append(f"policy {name}: {problem.text}{hint}")
    return Findings(tuple(dict.fromkeys(errors)), tuple(dict.fromkeys(warnings)))


def refuse_faulty(settings: Settings, *, is_dev: bool) -> tuple[str, ...]:
    """The warnings. Raises `ConfigError` with all errors."""
    found = check_settings(settings, is_dev=is_dev)
    if found.errors:
        raise ConfigError("\n".join(found.errors))
    return found.warnings


def _refused(settings: Settings, is_dev: bool) -> Iterator[str]:
    host = settings.server.host
    if is_dev and not is_loopback(host):
        yield f"dev takes tokens from anybody and listens on a loopback address only, not on {host!r}; use `serve`"
    checks: list[Callable[[], object]] = [
        lambda: origins(settings),
        lambda: _check_proxies(settings),
        lambda: key_ring(settings),
        lambda: endpoints(settings),
    ]
    resolver_url = settings.auth.resolver_url
    if resolver_url is not None:
        checks.append(lambda: check_url(resolver_url, "auth.resolver_url"))
    checks.append(lambda: check_address(settings.backend.url))
    checks.append(lambda: check_journal(settings.journal.url))
    if not is_dev or has_keys(settings):
        checks.append(lambda: _check_keys(auth_config(settings)))
    for attempt in checks:
        try:
            attempt()
        except ConfigError as error:
            yield str(error)
    if not is_loopback(host):
        yield from (f"{text}, and {host!r} is open to others" for text in _guessable(settings))


def _check_keys(config: AuthConfig) -> None:
    """Raise `ConfigError` also for a file of keys that cannot be read."""
    check_config(config)
    if config.jwks_file is not None:
        file_keys(config.jwks_file, config.algorithms)
    minter(config, time.time)


def _guessable(settings: Settings) -> Iterator[str]:
    secrets = {"auth.secret": settings.auth.secret, "auth.previous_secret": settings.auth.previous_secret}
    for key, secret in secrets.items():
        if secret and (len(set(secret)) < DISTINCT_CHARACTERS or any(word in secret.lower() for word in PLACEHOLDERS)):
            yield f"{key} can be guessed (make one with `openssl rand -base64 48`)"


def _clashes(settings: Settings) -> Iterator[str]:
    server = settings.server
    if server.internal_port and server.internal_port == server.port:
        yield f"server.internal_port and server.port are both {server.port}; the internal listener needs its own"


def _doubts(settings: Settings, is_dev: bool) -> Iterator[str]:
    server = settings.server
    if is_loopback(server.host):
        yield from _guessable(settings)
    if not is_dev and not server.allowed_origins and server.public_url is None:
        yield "server.allowed_origins and server.public_url are empty: no browser may connect, only programs"
    if not is_dev and not (settings.auth.default_rooms or settings.auth.default_watch):
        yield "auth.default_rooms and auth.default_watch are empty: tokens without such claims may do nothing"
    if settings.journal.url == "none":
        yield 'journal.url is "none": last seen does not survive a restart, and a restart is seen by everybody'
    elif settings.backend.url != MEMORY and not is_postgres(settings.journal.url):
        yield (
            "nodes that share a store have a journal each: nobody can hold a resource, as two could grant the same; "
            'set journal.url to one "postgresql://…" for all of them'
        )
    if (
        server.internal_port is None
        and not is_dev
        and not any("metrics" in key.scopes for key in settings.auth.api_keys)
    ):
        yield "nobody may read /metrics: set server.internal_port, or an API key with the scope metrics"
