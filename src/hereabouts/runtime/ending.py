"""What admins end: a session, a user, a room's memberships, one user's membership; and what they revoke.

All of it is decided at once and carried out in each session's own order. It reaches the sessions of this node.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NamedTuple

from hereabouts.engine.identity import Identity
from hereabouts.fanout.outbox import pack
from hereabouts.journal.base import Revocable
from hereabouts.journal.cooldowns import Cooldown, Cooled
from hereabouts.protocol import codes
from hereabouts.protocol.codes import Cause, CloseCode
from hereabouts.protocol.messages import Left
from hereabouts.runtime.context import Context
from hereabouts.runtime.driver import Driver
from hereabouts.runtime.link import OwnedSession
from hereabouts.runtime.looking import Looking
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.writer import Writer

TOKENS_LIVE_MS: Final = 366 * 86_400_000
"""How long the oldest token may still be shown that no session here tells of: a revocation is kept for so long."""

DAY_MS: Final = 86_400_000


class Reached(NamedTuple):
    """Whom it concerned: sessions, each once, and the users that they are of."""

    sessions: tuple[OwnedSession, ...]

    @property
    def users(self) -> list[str]:
        """The users, each once."""
        return sorted({owned.session.user_id for owned in self.sessions})


class Endings:
    """Ends sessions and memberships on an admin's word."""

    def __init__(self, context: Context, registry: Registry, driver: Driver, writer: Writer, looking: Looking) -> None:
        self._context = context
        self._registry = registry
        self._driver = driver
        self._writer = writer
        self._looking = looking

    # Whom it would concern

    def session(self, tenant: str, session_id: str) -> Reached:
        """The session of this id."""
        return self._those(lambda o: (o.session.tenant, o.session.session_id) == (tenant, session_id))

    def user(self, tenant: str, user_id: str) -> Reached:
        """All sessions of a user."""
        return Reached(self._registry.of_user(tenant, user_id))

    def room(self, tenant: str, room: str) -> Reached:
        """The sessions that are in a room."""
        return self._those(lambda o: o.session.tenant == tenant and room in o.session.rooms)

    def member(self, tenant: str, room: str, user_id: str) -> Reached:
        """The sessions with which a user is in a room."""
        return Reached(tuple(o for o in self._registry.of_user(tenant, user_id) if room in o.session.rooms))

    def token(self, tenant: str, token_id: str) -> Reached:
        """The sessions that came, or were refreshed last, with a token."""
        return self._those(lambda o: (o.session.tenant, o.session.identity.token_id) == (tenant, token_id))

    def _those(self, fits: Callable[[OwnedSession], bool]) -> Reached:
        return Reached(tuple(owned for owned in self._registry if fits(owned)))

    # Doing it

    async def clear_session(self, reached: Reached, reason: str, until_at: int | None = None) -> None:
        """End a session; its secret brings nothing back, however long its ghost goes on beating."""
        self._end(reached.sessions, "cleared", codes.CLEARED, reason)
        for owned in reached.sessions:
            session = owned.session
            now_at = self._context.now().at
            # A token that is still good renews nothing: the secret is refused for as long as one may be shown.
            ends_at = max(until_at or 0, session.identity.expires_at or 0, now_at + DAY_MS)
            await self._cool(session.tenant, "session", session.session_id, ends_at, reason)

    async def clear_user(self, tenant: str, user_id: str, reason: str, until_at: int | None = None) -> None:
        """End all sessions of a user. Tokens issued until now are good no more; a fresh login is (rule 19)."""
        await self._revoke(tenant, "user", user_id, (codes.CLEARED, "cleared", reason), self._is_of(tenant, user_id))
        if until_at is not None:
            await self._cool(tenant, "user", user_id, until_at, reason)

    async def clear_room(self, tenant: str, room: str, reason: str, until_at: int | None = None) -> None:
        """Take everybody out of a room; the sessions go on. In a cooldown nobody joins."""
        if until_at is not None:
            await self._cool(tenant, "room", room, until_at, reason)
        await self._take_out(self.room(tenant, room), room, reason)

    async def cool_holding(self, tenant: str, resource: str, reason: str, until_at: int) -> None:
        """In a cooldown nobody holds the resource."""
        await self._cool(tenant, "holding", resource, until_at, reason)

    async def kick(self, tenant: str, room: str, user_id: str, reason: str, until_at: int | None = None) -> None:
        """Take one user out of a room. In a cooldown the user does not join it."""
        if until_at is not None:
            await self._cool(tenant, "member", f"{room}\n{user_id}", until_at, reason)
        await self._take_out(self.member(tenant, room, user_id), room, reason)

    async def revoke_user(self, tenant: str, user_id: str, reason: str) -> None:
        """No token that the user was issued until now is good any more, and what lives by one ends."""
        await self._revoke(tenant, "user", user_id, (codes.REVOKED, "revoked", reason), self._is_of(tenant, user_id))

    async def revoke_token(self, tenant: str, token_id: str, reason: str) -> None:
        """This token is good no more, and what lives by it ends."""

        def lives_by_it(identity: Identity) -> bool:
            return (identity.tenant, identity.token_id) == (tenant, token_id)

        await self._revoke(tenant, "token", token_id, (codes.REVOKED, "revoked", reason), lives_by_it)

    @staticmethod
    def _is_of(tenant: str, user_id: str) -> Callable[[Identity], bool]:
        return lambda identity: (identity.tenant, identity.user_id) == (tenant, user_id)

    async def _revoke(
        self, tenant: str, kind: Revocable, id: str, how: tuple[CloseCode, Cause, str], hits: Callable[[Identity], bool]
    ) -> None:
        code, cause, reason = how
        now_at = self._context.now().at
        try:
            # In force at once; what came in before is in the registry already and ends below.
            await self._context.journal.revoke(tenant, kind, id, now_at, now_at + TOKENS_LIVE_MS)
        finally:
            self._end([o for o in self._registry if hits(o.session.identity)], cause, code, reason)
            for link in self._driver.links:
                if link.viewer is not None and hits(link.viewer.identity):
                    self._driver.part(link, code, reason)

    def _end(self, sessions: Iterable[OwnedSession], cause: Cause, code: CloseCode, reason: str) -> None:
        for owned in sessions:
            self._driver.end(owned, cause, code, reason)

    async def _cool(self, tenant: str, kind: Cooled, id: str, until_at: int, reason: str) -> None:
        cooldown = Cooldown(tenant, kind, id, self._context.now().at, until_at, reason)
        await self._context.journal.cooldowns.add(cooldown)

    async def _take_out(self, reached: Reached, room: str, reason: str) -> None:
        for owned in reached.sessions:
            await owned.chain.ask(self._leaving(owned, room, reason))

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
