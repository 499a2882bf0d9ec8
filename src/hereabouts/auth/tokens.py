"""From a token to an identity: the seam, its two implementations, and the choice between them.

`hereabouts.testing.verifier_contract` is the suite that every verifier passes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final

import httpx
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.jws import extract_compact, validate_compact
from joserfc.util import urlsafe_b64decode
from msgspec import UNSET, Raw, Struct, UnsetType

from hereabouts.auth.claims import DEFAULT_TENANT, Rules, read_identity
from hereabouts.auth.config import AuthConfig, check_config
from hereabouts.auth.jwks import UrlKeys
from hereabouts.auth.keys import TOKEN_BYTES, FixedKeys, KeyHealth, Keys, OneAlgorithm, file_keys, secret_keys
from hereabouts.engine.identity import Grants, Identity
from hereabouts.errors import Refusal
from hereabouts.protocol.codec import check_id, strict

EVERYTHING: Final = Grants(rooms={"*": ("join", "watch")}, watch=("*",))
"""The grants of dev, and the default ones where the operator says so."""

_TYPES: Final = frozenset({"jwt", "at+jwt"})


class Verifier(ABC):
    """Tells who a token is about. Whatever the token is, nothing but `Refusal` is raised for it."""

    @abstractmethod
    async def verify(self, token: str) -> Identity:
        """The identity; raises `Refusal` with `token_expired` or `unauthenticated`. Waits only to fetch a key."""

    @abstractmethod
    async def open(self) -> None:
        """Make ready; a key server that does not answer now is asked again later and is no error."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything."""

    @abstractmethod
    def health(self) -> KeyHealth:
        """Whether tokens can be verified now."""


class _Header(Struct, frozen=True):
    """What of a token's header is heeded. `jku`, `x5u`, `jwk` and `x5c` are not: keys come from the operator alone."""

    alg: str
    kid: str | None = None
    typ: str | None = None
    crit: Raw | UnsetType = UNSET


_header_decoder: Final = msgspec.json.Decoder(_Header)


class JwtVerifier(Verifier):
    """JSON Web Tokens (RFC 7519), read as RFC 8725 asks. `wall` gives seconds since the epoch."""

    def __init__(self, keys: Keys, algorithms: Sequence[str], rules: Rules, wall: Callable[[], float]) -> None:
        self._keys = keys
        self._registries = {name: OneAlgorithm(name) for name in algorithms}
        self._rules = rules
        self._wall = wall

    async def open(self) -> None:
        """Fetch the keys where they come from a URL."""
        await self._keys.renew()

    async def close(self) -> None:
        """See `Verifier.close`."""
        await self._keys.close()

    def health(self) -> KeyHealth:
        """See `Verifier.health`."""
        return self._keys.health()

    async def verify(self, token: str) -> Identity:
        """See `Verifier.verify`."""
        header = read_header(token)
        registry = self._registries.get(header.alg)
        if registry is None:
            taken = ", ".join(self._registries)
            raise Refusal("unauthenticated", f"the token's alg is {header.alg[:20]!a}; this server takes {taken}")
        keys = self._keys.find(header.kid, header.alg)
        if not keys and await self._keys.renew():
            keys = self._keys.find(header.kid, header.alg)
        if not keys:
            raise self._no_key(header)
        return read_identity(_signed(token, registry, keys), self._rules, self._wall())

    def _no_key(self, header: _Header) -> Refusal:
        if not self._keys.health().is_ok:
            return Refusal("unauthenticated", "the keys to verify tokens with could not be fetched yet; try again")
        if header.kid is None:
            return Refusal("unauthenticated", f"the token names no kid, and not just one key is for {header.alg}")
        return Refusal("unauthenticated", f"no {header.alg} key has the kid {header.kid[:64]!a}")


class DevVerifier(Verifier):
    """Takes `dev:ada` for user ada and `dev:ada:admin` for ada in the role admin, with everything granted.

    For a node on a loopback address alone, which has to see to that. Every other token goes to `otherwise`, if any.
    """

    def __init__(self, wall: Callable[[], float], otherwise: Verifier | None = None) -> None:
        self._wall = wall
        self._otherwise = otherwise

    async def open(self) -> None:
        """See `Verifier.open`."""
        if self._otherwise is not None:
            await self._otherwise.open()

    async def close(self) -> None:
        """See `Verifier.close`."""
        if self._otherwise is not None:
            await self._otherwise.close()

    def health(self) -> KeyHealth:
        """A name needs no key; beyond that, what the other verifier says."""
        return KeyHealth(is_ok=True, keys=0) if self._otherwise is None else self._otherwise.health()

    async def verify(self, token: str) -> Identity:
        """See `Verifier.verify`."""
        if not token.startswith("dev:"):
            if self._otherwise is not None:
                return await self._otherwise.verify(token)
            raise Refusal("unauthenticated", "a dev token is dev:USER or dev:USER:ROLE")
        parts = token.split(":", 3)
        if len(parts) not in (2, 3):
            raise Refusal("unauthenticated", "a dev token is dev:USER or dev:USER:ROLE, with no further colon")
        try:
            user_id = check_id(parts[1], "the dev token's user")
            role = check_id(parts[2], "the dev token's role") if len(parts) == 3 else None
        except Refusal as refusal:
            raise Refusal("unauthenticated", refusal.message, limit=refusal.limit) from None
        return Identity(DEFAULT_TENANT, user_id, role=role, grants=EVERYTHING, issued_at=int(self._wall() * 1000))


def jwt_verifier(
    config: AuthConfig, wall: Callable[[], float], *, transport: httpx.AsyncBaseTransport | None = None
) -> JwtVerifier:
    """The verifier that these settings describe; `transport` takes the place of the network in tests.

    Raises `ConfigError` for settings that cannot be served.
    """
    check_config(config)
    return JwtVerifier(_keys(config, wall, transport), config.algorithms, config.rules, wall)


def _keys(config: AuthConfig, wall: Callable[[], float], transport: httpx.AsyncBaseTransport | None) -> Keys:
    if config.jwks_url is not None:
        return UrlKeys(config.jwks_url, config.algorithms, wall, transport=transport)
    if config.jwks_file is not None:
        return file_keys(config.jwks_file, config.algorithms)
    secrets = [secret for secret in (config.secret, config.previous_secret) if secret is not None]
    return secret_keys(*secrets) if secrets else FixedKeys(())


def read_header(token: str) -> _Header:
    """The header of a token, before any of it is believed. Raises `Refusal` with `unauthenticated`."""
    if len(token) > TOKEN_BYTES:
        raise Refusal("unauthenticated", f"the token is {len(token)} bytes; at most {TOKEN_BYTES}", limit="token_bytes")
    if not token.isascii() or token.count(".") != 2:
        hint = "; dev tokens are for `hereabouts dev`" if token.startswith("dev:") else ""
        raise Refusal("unauthenticated", f"the token is not a JWT: three parts of base64url with dots between{hint}")
    try:
        text = urlsafe_b64decode(token.partition(".")[0].encode())
        strict(text)
        header = _header_decoder.decode(text)
    except Refusal as refusal:
        raise Refusal("unauthenticated", f"the token's header: {refusal.message}") from None
    except ValueError as error:
        raise Refusal("unauthenticated", f"the token's header: {error or 'not base64url'}") from None
    if header.crit is not UNSET:
        raise Refusal("unauthenticated", "the token's header has crit; this server knows no critical extension")
    if header.typ is not None and header.typ.lower().removeprefix("application/") not in _TYPES:
        raise Refusal("unauthenticated", f"the token's typ is {header.typ[:40]!a}; it must be JWT")
    return header


def _signed(token: str, registry: OneAlgorithm, keys: tuple[Key, ...]) -> bytes:
    """The payload, which one of the keys signed."""
    try:
        parts = extract_compact(token.encode(), registry=registry)
        if any(validate_compact(parts, key, registry=registry) for key in keys):
            return parts.payload
    except (JoseError, ValueError) as error:
        raise Refusal("unauthenticated", f"the token cannot be read: {error}") from None
    raise Refusal("unauthenticated", "the token's signature is not by any key of this server")
