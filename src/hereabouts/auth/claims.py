"""From the claims of a token whose signature is good to an identity: the types, the times, the sizes, the grants."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from hereabouts.engine.identity import Grants, Identity, Right
from hereabouts.errors import Refusal
from hereabouts.protocol.codec import check_id, strict

LEEWAY_SECONDS: Final = 60
"""How far another clock may be ahead of ours: for `nbf` and `iat`, never for `exp`, at which connections are closed."""

T = TypeVar("T")

DEFAULT_TENANT: Final = "default"
NAME_BYTES: Final = 200
_YEAR_10000: Final = 253_402_300_800
_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that reorder the text around a name (Unicode Technical Report 36, "Bidirectional Text Spoofing")."""


class Rules(Struct, frozen=True, kw_only=True):
    """What claims are measured by. `issuer` and `audience` are checked where they are set."""

    issuer: str | None = None
    audience: str | None = None
    default_grants: Grants = Grants()
    id_bytes: int = 200
    info_bytes: int = 1024


class _Claims(Struct, frozen=True):
    """Source: `spec/protocol.md`, "Tokens"; RFC 7519, section 4.1. Other claims are ignored."""

    sub: str
    exp: float
    nbf: float | None = None
    iat: float | None = None
    iss: str | None = None
    aud: str | list[str] | None = None
    name: str | None = None
    role: str | None = None
    tenant: str | None = None
    jti: str | None = None
    region: str | None = None
    info: Raw = Raw(b"null")
    rooms: dict[str, tuple[Right, ...]] | UnsetType = UNSET
    watch: tuple[str, ...] | UnsetType = UNSET


_decoder: Final = msgspec.json.Decoder(_Claims)


def read_identity(payload: bytes, rules: Rules, now: float) -> Identity:
    """The identity in a token's payload at `now` (seconds since the epoch).

    Raises `Refusal` with `token_expired`, or with `unauthenticated` for anything else that is wrong.
    """
    claims = _read(payload)
    _check_times(claims, now)
    _check_meant_for_us(claims, rules)
    return Identity(
        tenant=_id("tenant", DEFAULT_TENANT if claims.tenant is None else claims.tenant, rules),
        user_id=_id("sub", claims.sub, rules),
        name=_name(claims.name),
        role=None if claims.role is None else _id("role", claims.role, rules),
        info=_info(claims.info, rules),
        grants=_grants(claims, rules),
        expires_at=int(claims.exp * 1000),
        issued_at=None if claims.iat is None else int(claims.iat * 1000),
        token_id=None if claims.jti is None else _id("jti", claims.jti, rules),
        region=None if claims.region is None else _id("region", claims.region, rules),
    )


def clean_name(name: str) -> str | None:
    """A display name without what could break or reorder the text around it; `None` when nothing is left.

    A name comes from somebody's profile and is only shown, so stray control characters are taken out and white space
    becomes single spaces; nobody is locked out for them. Raises `Refusal` with `too_large` beyond 200 bytes.
    """
    spaced = " ".join(name.split())
    kept = "".join(c for c in spaced if unicodedata.category(c) != "Cc" and c not in _BIDI).strip()
    size = len(kept.encode())
    if size > NAME_BYTES:
        raise Refusal("too_large", f"{size} bytes; at most {NAME_BYTES}", limit="name_bytes")
    return kept or None


def check_grants(grants: Grants, id_bytes: int = 200) -> None:
    """Raise `Refusal` for a pattern that no id could ever match."""
    for pattern in (*grants.rooms, *grants.watch):
        check_id(pattern, f"the pattern {pattern[:40]!a}", id_bytes=id_bytes)


def _read(payload: bytes) -> _Claims:
    _checked("claims", lambda: strict(payload))
    try:
        return _decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise Refusal("unauthenticated", f"the token's claims: {error}") from None


def _check_times(claims: _Claims, now: float) -> None:
    for name, value in (("exp", claims.exp), ("nbf", claims.nbf), ("iat", claims.iat)):
        if value is not None and not 0 <= value < _YEAR_10000:
            raise Refusal("unauthenticated", f"the token's claim {name} is no time in seconds since 1970")
    if claims.exp <= now:
        raise Refusal("token_expired", f"the token ran out {now - claims.exp:.0f} s ago: get a new one")
    for name, value in (("nbf", claims.nbf), ("iat", claims.iat)):
        if value is not None and value > now + LEEWAY_SECONDS:
            raise Refusal(
                "unauthenticated",
                f"the token's claim {name} is {value - now:.0f} s ahead of this server's clock; "
                f"at most {LEEWAY_SECONDS}",
            )


def _check_meant_for_us(claims: _Claims, rules: Rules) -> None:
    if rules.issuer is not None and claims.iss != rules.issuer:
        raise Refusal("unauthenticated", f"the token's claim iss must be {rules.issuer!r}")
    if rules.audience is not None:
        told = claims.aud if isinstance(claims.aud, list) else [claims.aud]
        if rules.audience not in told:
            raise Refusal("unauthenticated", f"the token's claim aud must be or have {rules.audience!r}")


def _name(name: str | None) -> str | None:
    return None if name is None else _checked("name", lambda: clean_name(name))


def _info(info: Raw, rules: Rules) -> Raw | None:
    text = bytes(info).strip()
    if text == b"null":
        return None
    if not text.startswith(b"{"):
        raise Refusal("unauthenticated", "the token's claim info must be an object")
    if len(text) > rules.info_bytes:
        raise Refusal(
            "unauthenticated",
            f"the token's claim info is {len(text)} bytes; at most {rules.info_bytes}",
            limit="info_bytes",
        )
    return Raw(text)


def _grants(claims: _Claims, rules: Rules) -> Grants:
    usual = rules.default_grants
    if claims.rooms is UNSET and claims.watch is UNSET:
        return usual
    grants = Grants(
        rooms=usual.rooms if claims.rooms is UNSET else claims.rooms,
        watch=usual.watch if claims.watch is UNSET else claims.watch,
        is_watch_claimed=claims.watch is not UNSET,
    )
    _checked("rooms or watch", lambda: check_grants(grants, rules.id_bytes))
    return grants


def _id(claim: str, text: str, rules: Rules) -> str:
    return _checked(claim, lambda: check_id(text, "it", id_bytes=rules.id_bytes))


def _checked(claim: str, check: Callable[[], T]) -> T:
    try:
        return check()
    except Refusal as refusal:
        raise Refusal("unauthenticated", f"the token's {claim}: {refusal.message}", limit=refusal.limit) from None
