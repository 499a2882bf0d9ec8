"""What admins end: a session, a user, a room's memberships, one user's membership; and what they revoke.

All of it is decided at once and carried out in each session's own order. It reaches the sessions of this node; `Acts`
lets every node do it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Literal

from msgspec import Struct

from hereabouts.engine.identity import Identity
from hereabouts.engine.session import Session
from hereabouts.fanout.outbox import pack
from hereabouts.journal.base import Revocable
from hereabouts.journal.cooldowns import Cooldown, Cooled, member_id
from hereabouts.protocol import codes
from hereabouts.protocol.codes import Cause, CloseCode
from hereabouts.protocol.messages import Left
from hereabouts.runtime.context import Context
from hereabouts.runtime.driver import Driver
from hereabouts.runtime.holdings import Holdings
from hereabouts.runtime.link import OwnedSession
from hereabouts.runtime.looking import Looking
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.writer import Writer

TOKENS_LIVE_MS: Final = 366 * 86_400_000
"""How long the oldest token may still be shown that no session here tells of: a revocation is kept for so long."""

DAY_MS: Final = 86_400_000

LATE_MS: Final = 1_000
"""A word that comes so late, to a node that was cut off, does not mean what has begun since it was said."""

Ended = Literal["session", "user", "room", "holding", "member", "user_tokens", "token"]
"""What ends: a session; a user's sessions; a room's memberships; the holdings of a resource; a user's memberships in
one room; the tokens that a user was issued so far; one token."""


class End(Struct, frozen=True, tag="end"):
    """An admin's word, at `at`: what ends, why, and until when it stays out. `user_id` goes with `member` alone."""

    what: Ended
    tenant: str
    id: str
    reason: str
    at: int
    until_at: int | None = None
    user_id: str = ""


class Whom(Struct, frozen=True, tag="whom"):
    """The question whom it would concern."""

    end: End


class Concerned(Struct, frozen=True):
    """How many sessions it concerned, and which users, theirs or the holders; each once."""

    sessions: int
    users: list[str]


class Endings:
    """Ends sessions and memberships on an admin's word."""

    def __init__(
        self,
        context: Context,
        registry: Registry,
        driver: Driver,
        writer: Writer,
        looking: Looking,
        holdings: Holdings,
    ) -> None:
        self._context = context
        self._registry = registry
        self._driver = driver
        self._writer = writer
        self._looking = looking
        self._holdings = holdings

    def whom(self, end: End) -> Concerned:
        """Whom it would concern here."""
        if end.what == "holding":
            return Concerned(0, sorted(h.user_id for h in self._holdings.holders(end.tenant, end.id)))
        sessions = self._sessions(end)
        return Concerned(len(sessions), sorted({owned.session.user_id for owned in sessions}))

    async def do(self, end: End) -> Concerned:
        """Carry it out here. Raises `JournalUnavailable`; what could be ended is ended all the same."""
        concerned = self.whom(end)
        await self._ACTS[end.what](self, end)
        return concerned

    def _sessions(self, end: End) -> list[OwnedSession]:
        those = [owned for owned in self._of(end) if owned.session.tenant == end.tenant]
        if not self._is_late(end):
            return those
        return [owned for owned in those if _is_meant(owned.session, end)]

    def _is_late(self, end: End) -> bool:
        return self._context.now().at >= end.at + LATE_MS

    def _of(self, end: End) -> list[OwnedSession]:
        if end.what in ("user", "user_tokens"):
            return list(self._registry.of_user(end.tenant, end.id))
        if end.what == "member":
            return [o for o in self._registry.of_user(end.tenant, end.user_id) if end.id in o.session.rooms]
        if end.what == "room":
            return [o for o in self._registry if end.id in o.session.rooms]
        if end.what == "token":
            return [o for o in self._registry if o.session.identity.token_id == end.id]
        return [o for o in self._registry if o.session.session_id == end.id]

    # Doing it

    async def _clear_session(self, end: End) -> None:
        """End a session; its secret brings nothing back, however long its ghost goes on beating."""
        sessions = self._sessions(end)
        self._end(sessions, "cleared", codes.CLEARED, end.reason)
        for owned in sessions:
            # A token that is still good renews nothing: the secret is refused for as long as one may be shown.
            expires_at = owned.session.identity.expires_at or 0
            await self._cool(end, "session", end.id, max(end.until_at or 0, expires_at, end.at + DAY_MS))

    async def _clear_user(self, end: End) -> None:
        """End all sessions of a user. Tokens issued until then are good no more; a fresh login is (rule 19)."""
        await self._revoke(end, "user", (codes.CLEARED, "cleared"), _is_of(end, self._is_late(end)))
        await self._cool(end, "user", end.id, end.until_at)

    async def _clear_room(self, end: End) -> None:
        """Take everybody out of a room; the sessions go on. In a cooldown nobody joins."""
        try:
            await self._cool(end, "room", end.id, end.until_at)
        finally:
            await self._take_out(end)

    async def _clear_holding(self, end: End) -> None:
        """End all holdings of a resource. In a cooldown nobody holds it."""
        await self._cool(end, "holding", end.id, end.until_at)
        await self._holdings.clear(end.tenant, end.id)

    async def _kick(self, end: End) -> None:
        """Take one user out of a room. In a cooldown the user does not join it."""
        try:
            await self._cool(end, "member", member_id(end.id, end.user_id), end.until_at)
        finally:
            await self._take_out(end)

    async def _revoke_user(self, end: End) -> None:
        """No token that the user was issued until then is good any more, and what lives by one ends."""
        await self._revoke(end, "user", (codes.REVOKED, "revoked"), _is_of(end, self._is_late(end)))

    async def _revoke_token(self, end: End) -> None:
        """This token is good no more, and what lives by it ends."""

        def lives_by_it(identity: Identity) -> bool:
            return (identity.tenant, identity.token_id) == (end.tenant, end.id)

        await self._revoke(end, "token", (codes.REVOKED, "revoked"), lives_by_it)

    _ACTS: Final[dict[Ended, Callable[[Endings, End], Awaitable[None]]]] = {
        "session": _clear_session,
        "user": _clear_user,
        "room": _clear_room,
        "holding": _clear_holding,
        "member": _kick,
        "user_tokens": _revoke_user,
        "token": _revoke_token,
    }

    async def _revoke(
        self, end: End, kind: Revocable, how: tuple[CloseCode, Cause], hits: Callable[[Identity], bool]
    ) -> None:
        code, cause = how
        try:
            # In force at once; what came in before is in the registry already and ends below.
            await self._context.journal.revoke(end.tenant, kind, end.id, end.at, end.at + TOKENS_LIVE_MS)
        finally:
            self._end(self._sessions(end), cause, code, end.reason)
            for link in self._driver.links:
                if link.viewer is not None and hits(link.viewer.identity):
                    self._driver.part(link, code, end.reason)

    def _end(self, sessions: Iterable[OwnedSession], cause: Cause, code: CloseCode, reason: str) -> None:
        for owned in sessions:
            self._driver.end(owned, cause, code, reason)

    async def _cool(self, end: End, kind: Cooled, id: str, until_at: int | None) -> None:
        if until_at is not None:
            await self._context.journal.cooldowns.add(Cooldown(end.tenant, kind, id, end.at, until_at, end.reason))

    async def _take_out(self, end: End) -> None:
        for owned in self._sessions(end):
            await owned.chain.ask(self._leaving(owned, end.id, end.reason))

    def _leaving(self, owned: OwnedSession, room: str, reason: str) -> Callable[[], Awaitable[None]]:
        async def leave() -> None:
            if room not in owned.session.rooms:
                return
            await self._writer.perform(owned, owned.session.leave(room, "cleared"))
            link = owned.link
            if link is None:
                owned.taken_out |= {room}
            elif link.viewer is not None:
                link.connection.send(pack(Left(room, "cleared", reason)))
                await self._looking.leave_member(link.viewer, room)

        return leave


def _is_meant(session: Session, end: End) -> bool:
    """Whether a word that comes late means this session."""
    if end.what in ("room", "member"):
        return session.rooms[end.id].joined_at <= end.at
    if end.what in ("user", "user_tokens"):
        return session.opened_at <= end.at or _is_older(session.identity, end)
    return True


def _is_of(end: End, is_late: bool) -> Callable[[Identity], bool]:
    def hits(identity: Identity) -> bool:
        is_theirs = (identity.tenant, identity.user_id) == (end.tenant, end.id)
        return is_theirs and (not is_late or _is_older(identity, end))

    return hits


def _is_older(identity: Identity, end: End) -> bool:
    """Whether the token was issued before the word was said."""
    return identity.issued_at is None or identity.issued_at <= end.at
