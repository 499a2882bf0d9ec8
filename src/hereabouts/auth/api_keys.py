"""Keys for servers that call the HTTP API: named, scoped, stored as a hash, each in the tenants it is for."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Final, NamedTuple

from msgspec import Struct

from hereabouts.errors import ConfigError, Refusal
from hereabouts.protocol.codec import check_id

PREFIX: Final = "hk_"
"""What every key begins with, so that scanners of leaked secrets find it."""

SCOPES: Final[dict[str, str]] = {
    "read": "Read presence: users, rooms, counts, events.",
    "write": "Change presence on behalf of users.",
    "tokens": "Mint user tokens without an admin role.",
    "metrics": "Read the metrics.",
    "admin:read": "Read what admins see.",
    "admin": "Everything that admins may do, `admin:read` included; nothing of the other scopes.",
}

_KEY_RANDOM_BYTES: Final = 32
_PRESENTED_BYTES: Final = 256


class KeyEntry(Struct, frozen=True, kw_only=True):
    """One of `auth.api_keys`. `hash` is the SHA-256 of the key in hex."""

    name: str
    hash: str
    scopes: tuple[str, ...]
    tenants: tuple[str, ...] = ("default",)


class ApiKey(Struct, frozen=True):
    """A key that was presented and found, in the tenant it acts in for this call."""

    name: str
    scopes: frozenset[str]
    tenant: str

    def has(self, scope: str) -> bool:
        """Whether the key has the scope, or has it by `admin`."""
        return scope in self.scopes or (scope == "admin:read" and "admin" in self.scopes)

    def require(self, scope: str) -> None:
        """Raise `Refusal` with `forbidden` unless the key has the scope."""
        if not self.has(scope):
            raise Refusal("forbidden", f"the API key {self.name!r} lacks the scope {scope!r}")


class NewKey(NamedTuple):
    """A key that was just made: shown once, and the line for the configuration, which does not reveal it."""

    key: str
    line: str


class KeyRing:
    """The keys of the configuration. Raises `ConfigError` for an entry that could not be meant."""

    def __init__(self, entries: Iterable[KeyEntry] = ()) -> None:
        self._entries: list[tuple[bytes, KeyEntry]] = []
        for place, entry in enumerate(entries):
            digest = _check_entry(place, entry)
            for other_digest, other in self._entries:
                if entry.name == other.name or digest == other_digest:
                    raise ConfigError(f"auth.api_keys[{place}] has the name or the hash of {other.name!r}")
            self._entries.append((digest, entry))

    def find(self, presented: str, tenant: str | None = None) -> ApiKey:
        """The key, in the tenant that `X-Tenant` names or in its only one.

        Raises `Refusal` with `unauthenticated` for a key that is not known, `forbidden` for a tenant that is not the
        key's, and `bad_request` when one of several tenants must be named.
        """
        entry = self._match(presented)
        if entry is None:
            raise Refusal("unauthenticated", "the API key is not known here")
        if tenant is None:
            if len(entry.tenants) > 1:
                raise Refusal("bad_request", f"X-Tenant must name one of {', '.join(entry.tenants)}")
            tenant = entry.tenants[0]
        elif tenant not in entry.tenants:
            raise Refusal("forbidden", f"the API key {entry.name!r} is not for the tenant {tenant[:64]!a}")
        return ApiKey(entry.name, frozenset(entry.scopes), tenant)

    def _match(self, presented: str) -> KeyEntry | None:
        if not is_api_key(presented) or len(presented) > _PRESENTED_BYTES:
            return None
        digest = _digest(presented)
        found: KeyEntry | None = None
        # All entries are compared, so that the time tells nothing of how near or where a match was.
        for known, entry in self._entries:
            if compare_digest(digest, known):
                found = entry
        return found


def is_api_key(credential: str) -> bool:
    """Whether a bearer credential is meant as an API key rather than as a user token."""
    return credential.startswith(PREFIX)


def new_key(name: str, scopes: Sequence[str], tenants: Sequence[str], random_bytes: Callable[[int], bytes]) -> NewKey:
    """Make a key of 256 random bits.

    `random_bytes` is `secrets.token_bytes` but in tests. Raises `ConfigError` for a bad name, scope or tenant.
    """
    key = PREFIX + urlsafe_b64encode(random_bytes(_KEY_RANDOM_BYTES)).rstrip(b"=").decode()
    entry = KeyEntry(
        name=name,
        hash=_digest(key).hex(),
        scopes=tuple(dict.fromkeys(scopes)),
        tenants=tuple(dict.fromkeys(tenants)) or ("default",),
    )
    _check_entry(0, entry)
    return NewKey(key, _toml(entry))


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


def _toml(entry: KeyEntry) -> str:
    # For text without control characters a JSON string or list of strings is one of TOML too.
    values = {"name": entry.name, "hash": entry.hash, "scopes": entry.scopes, "tenants": entry.tenants}
    fields = ", ".join(f"{field} = {json.dumps(value, ensure_ascii=False)}" for field, value in values.items())
    return f"{{ {fields} }}"


def _check_entry(place: int, entry: KeyEntry) -> bytes:
    """The hash as bytes."""
    where = f"auth.api_keys[{place}]"
    try:
        check_id(entry.name, f"{where}.name")
        for tenant in entry.tenants:
            check_id(tenant, f"a tenant of {where}")
    except Refusal as refusal:
        raise ConfigError(refusal.message) from None
    if not entry.tenants:
        raise ConfigError(f"{where}.tenants is empty; name at least one, such as 'default'")
    if not entry.scopes:
        raise ConfigError(f"{where}.scopes is empty; name one or more of {', '.join(SCOPES)}")
    for scope in entry.scopes:
        if scope not in SCOPES:
            raise ConfigError(f"{where}.scopes has {scope!r}; it may have {', '.join(SCOPES)}")
    if len(entry.hash) != 64 or not set(entry.hash.lower()) <= set("0123456789abcdef"):
        hint = " (this is a key; put its hash there)" if is_api_key(entry.hash) else ""
        raise ConfigError(f"{where}.hash is not the SHA-256 of a key in 64 hex digits{hint}")
    return bytes.fromhex(entry.hash)
