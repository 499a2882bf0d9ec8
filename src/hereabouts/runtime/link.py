"""A connection as the driver knows it, and a session with what this node needs to act for it."""

from __future__ import annotations

from typing import Literal

from hereabouts.engine.limits import Abuse, Limits, TokenBucket
from hereabouts.engine.records import Now
from hereabouts.engine.session import Session
from hereabouts.fanout.outbox import UNDRAINED_SECONDS, Connection
from hereabouts.fanout.viewer import Viewer
from hereabouts.protocol.messages import ClientMessage
from hereabouts.runtime.chain import Chain


class OwnedSession:
    """A session that this node owns. It is filed in the wheel by its session's deadline.

    `wanted` holds updates and statuses that came too fast: the newest of each kind, done when the rate allows.
    `taken_out` are rooms that an admin took a session without a socket out of, until a beat comes without them.
    """

    __slots__ = ("chain", "filed_slot", "joins", "link", "session", "taken_out", "updates", "wanted")

    def __init__(self, session: Session, chain: Chain, limits: Limits) -> None:
        self.session = session
        self.chain = chain
        self.link: Link | None = None
        self.filed_slot = -1
        self.joins = TokenBucket(limits.joins_per_second, limits.rooms_per_session)
        self.updates = TokenBucket(limits.updates_per_second, 2 * limits.updates_per_second)
        self.wanted: dict[str, ClientMessage] = {}
        self.taken_out: frozenset[str] = frozenset()

    def due_at(self) -> float | None:
        """The session's next deadline."""
        return self.session.due_at()


class Link:
    """One connection's state: from the first byte to the last. It has deadlines of its own."""

    __slots__ = (
        "abuse",
        "address",
        "connection",
        "expires_tick",
        "filed_slot",
        "frames",
        "held",
        "hello_tick",
        "origin",
        "owned",
        "paused_tick",
        "phase",
        "region",
        "token",
        "viewer",
    )

    def __init__(self, connection: Connection, now: Now, limits: Limits, address: str, token: str | None) -> None:
        self.connection = connection
        self.address = address
        self.token = token
        self.region: str | None = None
        self.origin: tuple[str, str] | None = None  # address and program, where they are to be kept
        self.phase: Literal["new", "greeting", "open", "closed"] = "new"
        self.owned: OwnedSession | None = None
        self.viewer: Viewer | None = None
        self.held: list[bytes] = []
        self.frames = TokenBucket(limits.frames_per_second, 2 * limits.frames_per_second)
        self.abuse: Abuse | None = None
        self.hello_tick = now.tick + limits.hello_seconds
        self.expires_tick: float | None = None
        self.paused_tick: float | None = None
        self.filed_slot = -1

    @property
    def is_closed(self) -> bool:
        """Whether the connection is gone."""
        return self.phase == "closed"

    def due_at(self) -> float | None:
        """When the hello is overdue, the token runs out, or it has not drained for too long."""
        if self.phase == "closed":
            return None
        ticks = [self.hello_tick] if self.phase in ("new", "greeting") else []
        if self.expires_tick is not None:
            ticks.append(self.expires_tick)
        if self.paused_tick is not None:
            ticks.append(self.paused_tick + UNDRAINED_SECONDS)
        return min(ticks, default=None)
