"""Who makes a call over HTTP: a user by token, or a server by API key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal, NamedTuple

from hereabouts.auth.api_keys import ApiKey, KeyRing, is_api_key
from hereabouts.auth.tokens import EVERYTHING, Verifier
from hereabouts.engine.identity import Identity
from hereabouts.errors import Refusal
from hereabouts.runtime.entrance import Entrance
from hereabouts.runtime.rates import Rates

Access = Literal["anybody", "user", "reader", "server", "writer", "holder", "minter", "admin", "admin:read"]
"""Who may make a call: anybody; a user; a user, or a key with `read`; a key with `read`, with `write`; a user for
itself, or a key with `write` for any user; a key with `tokens`; a user of an admin role, or a key with `admin`; the
same for what changes nothing, or a key with `admin:read`."""

_KEYS_ALONE: Final[frozenset[Access]] = frozenset({"server", "writer", "minter"})

SCOPES: Final[Mapping[Access, str]] = {
    "reader": "read",
    "server": "read",
    "writer": "write",
    "minter": "tokens",
    "holder": "write",
    "admin": "admin",
    "admin:read": "admin:read",
}
"""The scope that an API key needs for a call; where none stands, no key is taken."""


class Caller(NamedTuple):
    """Who calls. A server's identity has no user id and is granted everything in its tenant."""

    identity: Identity
    key: ApiKey | None = None

    @property
    def name(self) -> str:
        """Who it is, in one word: `key:NAME` or `user:ID`."""
        return f"key:{self.key.name}" if self.key is not None else f"user:{self.identity.user_id}"


ANYBODY: Final = Caller(Identity("", ""))


class Callers:
    """Tells who calls, and holds each user to a rate.

    Raises `Refusal` with `unauthenticated`, `token_expired`, `forbidden` or `rate_limited`.
    """

    def __init__(
        self,
        verifier: Verifier,
        entrance: Entrance,
        keys: KeyRing,
        rates: Rates,
        admin_roles: Collection[str] = (),
    ) -> None:
        self._rates = rates
        self._admin_roles = frozenset(admin_roles)
        self._verifier = verifier
        self._entrance = entrance
        self._keys = keys

    async def admit(self, access: Access, headers: Mapping[str, str]) -> Caller:
        """The caller, if it may make such a call. A user's revocation is left to what a `user` call does."""
        if access == "anybody":
            return ANYBODY
        credential = _credential(headers)
        if is_api_key(credential) or "x-api-key" in headers:
            return self._server(access, credential, headers.get("x-tenant"))
        if access in _KEYS_ALONE:
            raise Refusal("unauthenticated", "this call takes an API key, not a user token")
        identity = await self._verifier.verify(credential)
        self._rates.take((identity.tenant, identity.user_id))
        if access != "user":
            await self._entrance.check_revoked(identity)
        if access in ("admin", "admin:read") and identity.role not in self._admin_roles:
            raise Refusal("forbidden", "this call takes an API key with the scope admin, or the token of an admin")
        return Caller(identity)

    def check(self, access: Access, caller: Caller) -> Caller:
        """The same for an admin who was admitted before and shows no credential now."""
        if caller.key is None and access in _KEYS_ALONE:
            raise Refusal("unauthenticated", "this call takes an API key, not a user token")
        if caller.key is not None and access not in ("anybody", "user"):
            caller.key.require(SCOPES[access])
        elif caller.key is not None and access == "user":
            raise Refusal("unauthenticated", "this call takes a user token, not an API key")
        return caller

    def key(self, headers: Mapping[str, str], scope: str) -> ApiKey:
        """The API key of a call, which must have this scope."""
        key = self._keys.find(_credential(headers), headers.get("x-tenant"))
        key.require(scope)
        return key

    def _server(self, access: Access, credential: str, tenant: str | None) -> Caller:
        key = self._keys.find(credential, tenant)
        if access == "user":
            raise Refusal("unauthenticated", "this call takes a user token, not an API key")
        key.require(SCOPES[access])
        return Caller(Identity(key.tenant, "", grants=EVERYTHING, is_server=True), key)


def _credential(headers: Mapping[str, str]) -> str:
    key = headers.get("x-api-key")
    if key is not None:
        return key
    scheme, _, credential = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise Refusal("unauthenticated", "the call needs a header Authorization: Bearer, with a token or an API key")
    return credential.strip()
