"""Making user tokens: for `hereabouts token`, for `POST /v1/tokens`, for tests.

What is minted has passed the same check that it will meet when it comes back.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key
from joserfc.jws import serialize_compact
from msgspec import Struct

from hereabouts.auth.api_keys import ApiKey
from hereabouts.auth.claims import Rules, read_identity
from hereabouts.auth.config import AuthConfig, check_secret
from hereabouts.auth.keys import TOKEN_BYTES, OneAlgorithm, algorithm_of, import_secret
from hereabouts.engine.identity import Right
from hereabouts.errors import ConfigError, Refusal

EXPIRES_IN_SECONDS: Final = 3600
LONGEST_SECONDS: Final = 366 * 24 * 3600


class TokenRequest(Struct, frozen=True, kw_only=True):
    """What a token shall say; also the body of `POST /v1/tokens`. What is left out is not in the token."""

    user_id: str
    name: str | None = None
    role: str | None = None
    info: dict[str, Any] | None = None
    rooms: dict[str, tuple[Right, ...]] | None = None
    watch: tuple[str, ...] | None = None
    tenant: str | None = None
    expires_in_seconds: int = EXPIRES_IN_SECONDS
    jti: str | None = None
    region: str | None = None


class Minted(NamedTuple):
    """A token, and when it runs out (milliseconds since the epoch)."""

    token: str
    expires_at: int


class SigningKey(NamedTuple):
    """A secret or a private key, the one algorithm that it serves, and its name for the token's header."""

    key: Key
    algorithm: str
    kid: str | None = None


class Minter:
    """Mints user tokens. `wall` gives seconds since the epoch; `rules` are those of the verifier they are for."""

    def __init__(self, signing: SigningKey, rules: Rules, wall: Callable[[], float]) -> None:
        self._signing = signing
        self._rules = rules
        self._wall = wall
        self._registry = OneAlgorithm(signing.algorithm)

    def mint(self, request: TokenRequest) -> Minted:
        """The token. Raises `Refusal` with `bad_request` for what no verifier would take."""
        now = int(self._wall())
        if not 1 <= request.expires_in_seconds <= LONGEST_SECONDS:
            raise Refusal("bad_request", f"expires_in_seconds must be between 1 and {LONGEST_SECONDS}")
        try:
            payload = msgspec.json.encode(self._claims(request, now))
            read_identity(payload, self._rules, now)
        except (TypeError, UnicodeEncodeError, OverflowError, RecursionError) as error:
            raise Refusal("bad_request", f"the request cannot be written as JSON: {error}") from None
        except Refusal as refusal:
            raise Refusal("bad_request", refusal.message, limit=refusal.limit) from None
        header: dict[str, Any] = {"alg": self._signing.algorithm, "typ": "JWT"}
        if self._signing.kid is not None:
            header["kid"] = self._signing.kid
        token = serialize_compact(header, payload, self._signing.key, registry=self._registry)
        if len(token) > TOKEN_BYTES:
            raise Refusal(
                "bad_request", f"the token would be {len(token)} bytes; at most {TOKEN_BYTES}", limit="token_bytes"
            )
        return Minted(token, (now + request.expires_in_seconds) * 1000)

    def _claims(self, request: TokenRequest, now: int) -> dict[str, Any]:
        claims = {
            "sub": request.user_id,
            "iat": now,
            "exp": now + request.expires_in_seconds,
            "iss": self._rules.issuer,
            "aud": self._rules.audience,
            "name": request.name,
            "role": request.role,
            "tenant": request.tenant,
            "info": request.info,
            "rooms": request.rooms,
            "watch": request.watch,
            "jti": request.jti,
            "region": request.region,
        }
        return {claim: value for claim, value in claims.items() if value is not None}


def minter(config: AuthConfig, wall: Callable[[], float]) -> Minter | None:
    """The minter that these settings describe, or `None` when they hold nothing to sign with.

    Raises `ConfigError` for a private key that cannot be used.
    """
    signing = _signing_key(config)
    return None if signing is None else Minter(signing, config.rules, wall)


def permitted(request: TokenRequest, caller: ApiKey, admin_roles: Collection[str]) -> TokenRequest:
    """The request, in the caller's tenant. Raises `Refusal` with `forbidden` where the key may not mint that.

    Minting a role of `admin_roles` needs the scope `admin` beside `tokens`: otherwise a key that may only mint would
    make itself an admin.
    """
    caller.require("tokens")
    if request.role in admin_roles:
        caller.require("admin")
    if request.tenant not in (None, caller.tenant):
        raise Refusal("forbidden", f"the call is in the tenant {caller.tenant!r} and cannot mint for another")
    return msgspec.structs.replace(request, tenant=caller.tenant)


def _signing_key(config: AuthConfig) -> SigningKey | None:
    if config.signing_key_file is not None:
        signing = read_signing_key(config.signing_key_file, config.signing_key_id)
        if signing.algorithm not in config.algorithms:
            raise ConfigError(
                f"auth.signing_key_file is a key for {signing.algorithm}, which auth.algorithms does not have"
            )
        return signing
    if config.secret is not None and "HS256" in config.algorithms:
        check_secret("auth.secret", config.secret)
        return SigningKey(import_secret(config.secret), "HS256")
    return None


def read_signing_key(path: str, kid: str | None = None) -> SigningKey:
    """The private key in a file, PEM or JWK; `kid` wins over the JWK's own. Raises `ConfigError`."""
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"auth.signing_key_file {path!r} cannot be read: {error.strerror}") from None
    try:
        with warnings.catch_warnings():
            # What the library only warns of, `algorithm_of` refuses.
            warnings.simplefilter("ignore", SecurityWarning)
            key = import_key(json.loads(text)) if text.lstrip().startswith(b"{") else _read_pem(text)
        algorithm = algorithm_of(key)
        signs = key.is_private and bool(
            serialize_compact({"alg": algorithm}, b"", key, registry=OneAlgorithm(algorithm))
        )
    except (
        UnsupportedAlgorithm,
        JoseError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
    ) as error:
        # Not the error's own text alone: a library may quote what it could not read.
        raise ConfigError(f"auth.signing_key_file {path!r} holds no usable key ({type(error).__name__})") from None
    if algorithm == "HS256" or not signs:
        raise ConfigError(f"auth.signing_key_file {path!r} holds no private key; RSA, P-256 or Ed25519 in PEM or JWK")
    return SigningKey(key, algorithm, kid or key.kid)


def _read_pem(text: bytes) -> Key:
    for kind in (RSAKey, ECKey, OKPKey):
        try:
            return kind.import_key(text)
        except JoseError:
            continue
    raise ValueError("neither RSA nor EC nor OKP")
