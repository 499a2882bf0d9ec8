"""From a connection's events to decisions and back: hello, frames, closing, deadlines.

A frame is judged as soon as it is read. What needs the store or the journal becomes a step of the session's chain;
a beat that changes nothing is finished on the spot.
"""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, json

from hereabouts.auth.tokens import Verifier
from hereabouts.engine.deadlines import Timed
from hereabouts.engine.identity import Identity
from hereabouts.engine.limits import Abuse
from hereabouts.errors import HereaboutsError, Refusal, StoreUnavailable
from hereabouts.fanout.outbox import Connection, Packet, pack
from hereabouts.fanout.room import RoomFan
from hereabouts.fanout.viewer import Viewer
from hereabouts.protocol import codes
from hereabouts.protocol.codec import decode, request_id
from hereabouts.protocol.codes import CloseCode
from hereabouts.protocol.messages import Beat, Bye, Degraded, Ended, Error, Hello, Join, Ok, Refresh, Sync, Watch
from hereabouts.runtime.barring import COOLDOWN
from hereabouts.runtime.chain import Chain
from hereabouts.runtime.commands import Commands
from hereabouts.runtime.context import Context
from hereabouts.runtime.entrance import Entrance
from hereabouts.runtime.link import Link, OwnedSession
from hereabouts.runtime.looking import Looking
from hereabouts.runtime.people import People, Person
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.writer import Writer

HELD_FRAMES = 64
"""Frames that may arrive while a hello is being decided."""

STEPS_MOST = 1_000
"""Steps that may wait in a session's chain; more means that the store does not keep up."""


class Driver:
    """Takes what connections do, and what time does, to the parts that decide."""

    def __init__(
        self,
        context: Context,
        verifier: Verifier,
        registry: Registry,
        people: People,
        looking: Looking,
        commands: Commands,
        writer: Writer,
        entrance: Entrance,
    ) -> None:
        self._context = context
        self._verifier = verifier
        self._registry = registry
        self._people = people
        self._looking = looking
        self._commands = commands
        self._writer = writer
        self._entrance = entrance
        self._links: dict[Link, None] = {}
        self._unauthenticated: dict[str, int] = {}
        self._beat_answer = (0, Packet(b""))
        self.is_draining = False

    @property
    def links(self) -> tuple[Link, ...]:
        """All connections there are."""
        return tuple(self._links)

    def unauthenticated(self, address: str) -> int:
        """How many connections of this address have not been welcomed yet."""
        return self._unauthenticated.get(address, 0)

    # What a connection does

    def connected(self, connection: Connection, address: str = "", token: str | None = None) -> Link:
        """A connection is open. `token` is the one of its upgrade request, if it had one."""
        link = Link(connection, self._context.now(), self._context.limits, address, token)
        self._links[link] = None
        self._unauthenticated[address] = self.unauthenticated(address) + 1
        self._context.file(link)
        return link

    def observed(self, connection: Connection, address: str, identity: Identity) -> tuple[Link, Viewer]:
        """A connection that only looks, with a token that was verified already: it has no session and says nothing."""
        link, viewer = (
            Link(connection, self._context.now(), self._context.limits, address, None),
            Viewer(connection, identity),
        )
        link.phase, link.viewer = "open", viewer
        self._links[link] = None
        self._accept(link, identity)
        if self._context.degraded_since_at is not None:
            connection.send(pack(Degraded(self._context.degraded_since_at)))
        return link, viewer

    def _authenticated(self, link: Link) -> None:
        left = self.unauthenticated(link.address) - 1
        if left > 0:
            self._unauthenticated[link.address] = left
        else:
            self._unauthenticated.pop(link.address, None)

    def received(self, link: Link, frame: bytes) -> None:
        """A whole text frame came."""
        if link.is_closed:
            return
        context = self._context
        now = context.now()
        wait = link.frames.take(now.tick)
        if wait:
            self._refuse_frame(link, frame, wait, now.tick)
            return
        try:
            message = decode(frame, depth=context.limits.depth)
            context.telemetry.frame(type(message).__name__)
            if link.phase == "open" and type(message) is Beat:
                self._beat(link, message)
            else:
                self._take(link, message, frame)
        except Refusal as refusal:
            self.refuse(link, refusal, request_id(frame))

    def _take(self, link: Link, message: Struct, frame: bytes) -> None:
        if link.phase == "open":
            self._open_message(link, message)
        elif link.phase == "new":
            if not isinstance(message, Hello):
                self.refuse(link, Refusal("bad_request", "the first message is `hello`"), request_id(frame))
                self.part(link, codes.POLICY, "the first message was not hello")
                return
            link.phase = "greeting"
            owned_chain = Chain(self._failed)
            owned_chain.add(lambda: self._hello(link, message, owned_chain))
        elif len(link.held) < HELD_FRAMES:
            link.held.append(frame)
        else:
            self.part(link, codes.OVERLOADED, "too many messages before the welcome")

    def _refuse_frame(self, link: Link, frame: bytes, wait: float, tick: float) -> None:
        if link.abuse is None:
            link.abuse = Abuse(self._context.limits.frames_per_second)
        if link.abuse.note(tick):
            self.part(link, codes.ABUSE, "ten times the allowed frames for five seconds")
            return
        refusal = Refusal(
            "rate_limited", "too many messages", limit="frames_per_second", retry_after_seconds=round(wait, 3)
        )
        self.refuse(link, refusal, request_id(frame))

    def paused(self, link: Link) -> None:
        """The connection's transport holds more than it should."""
        link.paused_tick = self._context.clock.tick()
        self._context.telemetry.pauses += 1
        self._context.file(link)

    def drained(self, link: Link) -> None:
        """The transport took what it held: everything that moved meanwhile is sent, once."""
        link.paused_tick = None
        if link.viewer is not None:
            self._looking.catch_up(link.viewer)

    def too_slow(self, link: Link) -> None:
        """More is unsent than may be: the connection is closed, the session may resume on another."""
        self._context.telemetry.slow_readers += 1
        self.part(link, codes.SLOW_READER, "the connection did not take what was sent to it")

    def closed(self, link: Link, code: int) -> None:
        """The connection is gone. `code` is the one that closed it, ours or the other side's."""
        if self._links.pop(link, 0) == 0:
            return
        if link.phase != "open":
            self._authenticated(link)
        link.phase = "closed"
        link.held.clear()
        owned, viewer = link.owned, link.viewer
        link.viewer = None
        if owned is not None:
            if owned.link is link:
                owned.link = None
            self._writer.run(owned, owned.session.close(self._context.now(), link, code))
            self._context.file(owned)
        if viewer is not None:
            chain = owned.chain if owned is not None else Chain(self._failed)
            chain.add(lambda: self._looking.forget(viewer))

    # What is said on an open connection

    def _beat(self, link: Link, message: Beat) -> None:
        owned = link.owned
        if owned is None:
            return
        now = self._context.now()
        telemetry = self._context.telemetry
        telemetry.beats += 1
        session = owned.session
        lease_seconds = session.lease_seconds
        effects = session.beat(now, message.visible, message.active)
        if effects:
            self._writer.run(owned, effects)
        elif session.lease_seconds != lease_seconds or message.active:
            self._context.file(owned)
        if self._beat_answer[0] != now.at:
            self._beat_answer = (now.at, Packet(b'{"type":"beat","server_time_at":%d}' % now.at))
        link.connection.send(self._beat_answer[1])

    def _open_message(self, link: Link, message: Struct) -> None:
        owned = link.owned
        if owned is None:
            return
        effects = owned.session.touch(self._context.now())
        if effects:
            self._writer.run(owned, effects)
        if isinstance(message, Hello):
            raise Refusal("bad_request", "this connection has said hello already")
        if len(owned.chain) >= STEPS_MOST:
            self.part(link, codes.OVERLOADED, "the store does not keep up with this session")
        elif isinstance(message, Bye):
            # Behind what was said before it: a status that is declared while signing out is kept.
            owned.chain.add(lambda: self._sign_out(owned))
        else:
            owned.chain.add(lambda: self._carry_out(link, message))

    async def _sign_out(self, owned: OwnedSession) -> None:
        self.end(owned, "leave", codes.ENDED, "bye")

    async def _carry_out(self, link: Link, message: Struct) -> None:
        id = getattr(message, "id", None)
        try:
            if isinstance(message, Refresh):
                await self._refresh(link, message)
                return
            if link.is_closed and isinstance(message, Join | Watch | Sync):
                return
            answer = await self._commands.carry_out(link, message)
            if answer is not None:
                link.connection.send(pack(answer))
        except Refusal as refusal:
            self.refuse(link, refusal, id)
        except HereaboutsError as error:
            self.refuse(link, Refusal("degraded", str(error)), id)
        except Exception as error:
            self._failed(error)
            self.refuse(link, Refusal("internal", "a fault of the server; it is in its log"), id)

    async def _refresh(self, link: Link, message: Refresh) -> None:
        identity = await self._verifier.verify(message.token)
        owned, viewer = link.owned, link.viewer
        if owned is None or viewer is None:
            return
        session = owned.session
        if (identity.tenant, identity.user_id) != (session.tenant, session.user_id):
            self.end(owned, "revoked", codes.REVOKED, "the new token is another user's")
            return
        if await self._entrance.is_revoked(identity):
            self.end(owned, "revoked", codes.REVOKED, "the new token was revoked")
            return
        self._accept(link, identity)
        viewer.identity = identity
        await self._writer.perform(owned, session.identify(identity))
        await self._looking.judge_again(viewer)
        expires_at = UNSET if identity.expires_at is None else identity.expires_at
        link.connection.send(pack(Ok(message.id, expires_at=expires_at, rooms=list(viewer.viewings))))

    def _accept(self, link: Link, identity: Identity) -> None:
        now = self._context.now()
        if identity.expires_at is None:
            link.expires_tick = None
        else:
            link.expires_tick = now.tick + max(identity.expires_at / 1000 - self._context.clock.wall(), 0.0)
        self._context.file(link)

    # Hello

    async def _hello(self, link: Link, message: Hello, chain: Chain) -> None:
        try:
            identity = (await self._verifier.verify(self._token(link, message))).placed(link.region)
            await self._entrance.check_revoked(identity)
            if link.is_closed:
                return
            viewer = Viewer(link.connection, identity)
            owned, welcome, rooms = await self._entrance.enter(link, identity, message, chain)
            if link.is_closed:
                # It closed while this was decided: the session is lost at once, and nobody looks (rule 3).
                self._writer.run(owned, owned.session.close(self._context.now(), link, codes.GOING_AWAY.number))
                self._context.file(owned)
                await self._looking.release(rooms)
                return
            link.owned, link.viewer = owned, viewer
            owned.link = link
            link.phase = "open"
            self._authenticated(link)
            link.token = None
            self._accept(link, identity)
            if link.origin is not None:
                self._context.recorder.reached(owned.session, link.origin, self._context.now().at)
            link.connection.send(pack(welcome))
            if self._context.degraded_since_at is not None:
                link.connection.send(pack(Degraded(self._context.degraded_since_at)))
            for fan in rooms:
                seen = message.seen.get(fan.feed.name)
                self._looking.become_member(viewer, fan, seen)
            held, link.held = link.held, []
            for frame in held:
                self.received(link, frame)
        except Refusal as refusal:
            self.refuse(link, refusal, None)
            self.part(link, _close_code(refusal), refusal.message)
        except HereaboutsError as error:
            which = "store" if isinstance(error, StoreUnavailable) else "journal"
            self.refuse(link, Refusal("degraded", f"the server cannot see its {which}: {error}"), None)
            self.part(link, codes.OVERLOADED, f"the server cannot see its {which}")
        except Exception as error:
            self._failed(error)
            self.part(link, codes.INTERNAL, "a fault of the server; it is in its log")

    @staticmethod
    def _token(link: Link, message: Hello) -> str:
        token = message.token if message.token is not None else link.token
        if not token:
            raise Refusal("unauthenticated", "no token: put it into hello, or into the upgrade's Authorization header")
        return token

    # Ending

    def end(self, owned: OwnedSession, cause: codes.Cause, code: CloseCode, reason: str) -> None:
        """End a session for good."""
        self._writer.run(owned, owned.session.end(cause, code, reason))

    def part(self, link: Link, code: CloseCode, reason: str) -> None:
        """Close a connection with one of our codes, telling its session's end first where it is one."""
        if link.is_closed:
            return
        if code.number in _ENDINGS:
            link.connection.send(pack(Ended(_ENDINGS[code.number], reason)))
        self._context.telemetry.close(code.number)
        link.connection.close(code.number, reason)
        self.closed(link, code.number)

    def refuse(self, link: Link, refusal: Refusal, id: int | None) -> None:
        """Answer with an error."""
        self._context.telemetry.error(refusal.code)
        holder = UNSET if refusal.holder is None else Raw(json.encode(refusal.holder))
        error = Error(refusal.code, refusal.message, id, refusal.retry_after_seconds, refusal.limit, holder)
        link.connection.send(pack(error))

    # What time does

    def wake(self, item: Timed) -> None:
        """A deadline has come."""
        now = self._context.now()
        if isinstance(item, OwnedSession):
            self._writer.run(item, item.session.advance(now))
        elif isinstance(item, Link):
            self._wake_link(item, now.tick)
        elif isinstance(item, RoomFan):
            item.advance(now)
        elif isinstance(item, Person):
            self._people.advance(item, now)

    def _wake_link(self, link: Link, tick: float) -> None:
        if link.phase == "new" and link.hello_tick <= tick:
            self.part(link, codes.NO_HELLO, f"no hello within {self._context.limits.hello_seconds} s")
        elif link.phase == "greeting" and link.hello_tick <= tick:
            self.part(link, codes.OVERLOADED, "the server could not welcome this connection in time")
        elif link.expires_tick is not None and link.expires_tick <= tick:
            self.refuse(link, Refusal("token_expired", "the token ran out"), None)
            self.part(link, codes.UNAUTHENTICATED, "the token ran out")
        elif link.paused_tick is not None:
            self.too_slow(link)

    def _failed(self, error: BaseException) -> None:
        self._context.failed(error)


_ENDINGS = {
    codes.ENDED.number: "ended",
    codes.SUPERSEDED.number: "superseded",
    codes.REVOKED.number: "revoked",
    codes.CLEARED.number: "cleared",
    codes.SESSION_EXPIRED.number: "session_expired",
}


def _close_code(refusal: Refusal) -> CloseCode:
    if refusal.limit == COOLDOWN:
        return codes.CLEARED
    if refusal.code in ("unauthenticated", "token_expired"):
        return codes.UNAUTHENTICATED
    if refusal.code in ("limit_exceeded", "degraded", "rate_limited"):
        return codes.OVERLOADED
    return codes.POLICY
