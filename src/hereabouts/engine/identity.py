"""Who a credential says somebody is, and what it grants."""

from __future__ import annotations

from fnmatch import translate
from functools import lru_cache
from re import Pattern, compile
from typing import Literal

from msgspec import Raw, Struct, structs

Right = Literal["join", "watch"]


class Grants(Struct, frozen=True):
    """Which rooms may be joined or watched and which users may be watched, as patterns with `*`.

    `is_watch_claimed` says that `watch` stood in the token itself, which makes those users related ones; what the
    server's defaults grant to everybody does not. Source: `spec/protocol.md`, "Grants". Nothing that is not granted
    is allowed.
    """

    rooms: dict[str, tuple[Right, ...]] = {}
    watch: tuple[str, ...] = ()
    is_watch_claimed: bool = False

    def may(self, right: Right, room: str) -> bool:
        """Whether this right on this room is granted."""
        return any(right in rights and matches(pattern, room) for pattern, rights in self.rooms.items())

    def may_watch_user(self, user_id: str) -> bool:
        """Whether this user may be watched."""
        return any(matches(pattern, user_id) for pattern in self.watch)

    def is_related(self, user_id: str) -> bool:
        """Whether the token itself names this user as one to watch."""
        return self.is_watch_claimed and self.may_watch_user(user_id)


class Identity(Struct, frozen=True):
    """What a verified credential says. `expires_at` and `issued_at` are milliseconds since the epoch.

    `region` is where the user is, as coarsely as the token, or a proxy in front of this server, says it.
    `is_server` is an API key that may read: nobody's own eyes, and nothing of its tenant is hidden from it.
    """

    tenant: str
    user_id: str
    name: str | None = None
    role: str | None = None
    info: Raw | None = None
    grants: Grants = Grants()
    expires_at: int | None = None
    issued_at: int | None = None
    token_id: str | None = None
    is_server: bool = False
    region: str | None = None

    def placed(self, region: str | None) -> Identity:
        """The same, in this region if the credential says none."""
        return self if region is None or self.region is not None else structs.replace(self, region=region)


def matches(pattern: str, text: str) -> bool:
    """Whether `text` fits `pattern`, in which `*` stands for any run of characters and nothing else is special."""
    if "*" not in pattern:
        return pattern == text
    if pattern == "*":
        return True
    return _compiled(pattern).match(text) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Pattern[str]:
    literal = pattern.replace("[", "[[]").replace("?", "[?]")
    return compile(translate(literal))
