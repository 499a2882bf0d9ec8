"""Verifying keys: each serves one algorithm, which its own shape decides and no token can change."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from joserfc.errors import JoseError, SecurityWarning, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from msgspec import Struct

from hereabouts.errors import ConfigError, Refusal
from hereabouts.protocol.codec import strict

TOKEN_BYTES: Final = 16 * 1024
RSA_BITS: Final = 2048
"""The shortest RSA modulus (RFC 7518, section 3.3)."""

_PUBLIC_MEMBERS: Final = ("kty", "crv", "x", "y", "n", "e")


class KeyHealth(Struct, frozen=True, kw_only=True):
    """Whether tokens can be verified.

    `age_seconds` is how old a fetched key set is, `problem` why no newer one came.
    """

    is_ok: bool
    keys: int
    age_seconds: float | None = None
    problem: str | None = None


class VerifyingKey(NamedTuple):
    """A public key or a secret, its name (if any) and the only algorithm that it serves."""

    kid: str | None
    algorithm: str
    key: Key


class Keys(Protocol):
    """Where verifying keys come from."""

    def find(self, kid: str | None, algorithm: str) -> tuple[Key, ...]:
        """The keys that may have signed a token with this header; empty when there is none."""

    async def renew(self) -> bool:
        """Look for newer keys if there can be any; whether it is worth asking again."""

    async def close(self) -> None:
        """Let go of connections."""

    def health(self) -> KeyHealth:
        """How the keys are."""


class FixedKeys:
    """Keys that stay as they are until the process ends."""

    def __init__(self, keys: Sequence[VerifyingKey]) -> None:
        self._keys = tuple(keys)

    def find(self, kid: str | None, algorithm: str) -> tuple[Key, ...]:
        """See `Keys.find`. Without a `kid` the token's algorithm must leave one key to choose, or secrets alone."""
        fitting = [key for key in self._keys if key.algorithm == algorithm]
        if algorithm == "HS256":
            return tuple(key.key for key in fitting)
        if kid is not None:
            fitting = [key for key in fitting if key.kid == kid]
        return (fitting[0].key,) if len(fitting) == 1 else ()

    async def renew(self) -> bool:
        """There are no newer ones."""
        return False

    async def close(self) -> None:
        """Nothing to let go of."""

    def health(self) -> KeyHealth:
        """See `Keys.health`."""
        return KeyHealth(is_ok=bool(self._keys), keys=len(self._keys))


class OneAlgorithm(JWSRegistry):
    """Signs and verifies with the one algorithm it was made for.

    Header fields that are not registered are ignored, as RFC 7515 asks; `crit` is judged by the library before.
    """

    max_header_length = TOKEN_BYTES

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithms=[algorithm], strict_check_header=False)
        self._algorithm = algorithm

    def get_alg(self, name: str) -> Any:
        """The algorithm. The base class would warn at each use of EdDSA, which RFC 9864 renames but does not weaken."""
        if name != self._algorithm:
            raise UnsupportedAlgorithmError(f"{name!r} is not {self._algorithm}")
        return self.algorithms[name]


def secret_keys(*secrets: str) -> FixedKeys:
    """Keys for HS256. Raises `ConfigError` for a secret that is really a public key."""
    return FixedKeys([VerifyingKey(None, "HS256", import_secret(secret)) for secret in secrets])


def import_secret(secret: str) -> OctKey:
    """`secret`, as UTF-8, as an HMAC key. Raises `ConfigError` for an empty one and for a public key."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)
            return OctKey.import_key(secret)
    except (ValueError, JoseError, SecurityWarning) as error:
        raise ConfigError(f"auth.secret cannot be used: {error}") from None


def file_keys(path: str, algorithms: Sequence[str]) -> FixedKeys:
    """The keys of a JWKS file. Raises `ConfigError` when it cannot be read or holds no usable key."""
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"auth.jwks_file {path!r} cannot be read: {error.strerror}") from None
    try:
        return FixedKeys(read_key_set(text, algorithms))
    except ConfigError as error:
        raise ConfigError(f"auth.jwks_file {path!r}: {error}") from None


def read_key_set(text: bytes, algorithms: Sequence[str]) -> list[VerifyingKey]:
    """The keys of a JWKS (RFC 7517, section 5) that serve one of `algorithms`.

    Keys of other kinds are left out, as the RFC asks. Raises `ConfigError` when none is left, or when two
    keys have the same `kid` and algorithm, so that the choice would be chance.
    """
    try:
        found = strict(text)
    except Refusal as refusal:
        raise ConfigError(f"the JWKS is {refusal.message}") from None
    members = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(members, list):
        raise ConfigError('a JWKS is an object with a list "keys"')
    keys: list[VerifyingKey] = []
    left_out: list[str] = []
    for place, member in enumerate(members):
        key = _read_key(member, algorithms)
        if isinstance(key, str):
            left_out.append(f"key {place} {key}")
        elif any(key[:2] == other[:2] for other in keys):
            raise ConfigError(f"two {key.algorithm} keys of the JWKS have the kid {key.kid!r}")
        else:
            keys.append(key)
    if not keys:
        raise ConfigError(f"the JWKS has no key for {', '.join(algorithms)}: {'; '.join(left_out) or 'it is empty'}")
    return keys


def _read_key(member: Any, algorithms: Sequence[str]) -> VerifyingKey | str:
    """The key, or why it is left out."""
    if not isinstance(member, dict):
        return "is not an object"
    if member.get("use", "sig") != "sig" or "verify" not in _operations(member):
        return "is not for signatures"
    kid = member.get("kid")
    if not isinstance(kid, str | None):
        return "has a kid that is not text"
    public = {name: member[name] for name in _PUBLIC_MEMBERS if name in member}
    try:
        key, algorithm = _import(public)
    except (JoseError, ValueError, TypeError, LookupError, AttributeError) as error:
        return f"cannot be read: {error}"
    if member.get("alg", algorithm) != algorithm:
        return f"is for {member['alg']!r}"
    if algorithm not in algorithms:
        return f"is for {algorithm}"
    return VerifyingKey(kid, algorithm, key)


def _operations(member: dict[str, Any]) -> list[Any]:
    told = member.get("key_ops", ["verify"])
    # A private key's JWK says "sign"; its public half verifies.
    return ["verify"] if isinstance(told, list) and ("verify" in told or "sign" in told) else []


def _import(jwk: dict[str, Any]) -> tuple[Key, str]:
    kind: dict[Any, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    if jwk.get("kty") not in kind:
        raise ValueError(f"kty {jwk.get('kty')!r} is no kind of public key")
    with warnings.catch_warnings():
        # What the library only warns of, `algorithm_of` refuses.
        warnings.simplefilter("ignore", SecurityWarning)
        key = kind[jwk["kty"]].import_key(jwk)
    return key, algorithm_of(key)


def algorithm_of(key: Key) -> str:
    """The one algorithm that a key of this shape serves. Raises `ValueError` when there is none."""
    if isinstance(key, OctKey):
        return "HS256"
    if isinstance(key, RSAKey):
        if key.raw_value.key_size < RSA_BITS:
            raise ValueError(f"an RSA key of {key.raw_value.key_size} bits; at least {RSA_BITS}")
        return "RS256"
    if isinstance(key, ECKey) and key.curve_name == "P-256":
        return "ES256"
    if isinstance(key, OKPKey) and key.curve_name == "Ed25519":
        return "EdDSA"
    raise ValueError(f"the curve {key.curve_name}; ES256 needs P-256 and EdDSA needs Ed25519")
