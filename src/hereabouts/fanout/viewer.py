"""Who looks: one connection's view of rooms, users and kinds of resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hereabouts.engine.identity import Identity
from hereabouts.fanout.outbox import Connection

if TYPE_CHECKING:
    from hereabouts.fanout.cards import Card
    from hereabouts.fanout.kind_stream import KindStream
    from hereabouts.fanout.stream import Stream


class Viewer:
    """A connection that receives changes, as a person with a role. A socket's or an event stream's.

    `related` are the watched users to whom the viewer has a relation.
    """

    __slots__ = ("cards", "cards_behind", "connection", "identity", "kinds", "related", "viewings")

    def __init__(self, connection: Connection, identity: Identity) -> None:
        self.connection = connection
        self.identity = identity
        self.viewings: dict[str, Viewing] = {}
        self.cards: dict[str, Card] = {}
        self.cards_behind: dict[str, Card] = {}
        self.kinds: dict[str, KindViewing] = {}
        self.related: set[str] = set()


class Viewing:
    """One viewer of one room, as a member, a watcher or both: the stream it is on and how far it got.

    `sent` is the position last sent, below 0 where everything has yet to be; `shows_own` and `shows_typing` are
    whether what was sent last had the viewer itself in it, and somebody typing; `is_doubtful` whether the last snapshot
    said that it may be stale.
    """

    __slots__ = (
        "is_doubtful",
        "is_member",
        "own_changed",
        "room",
        "sent",
        "shows_own",
        "shows_typing",
        "stream",
        "typing_sent",
        "viewer",
        "watch_mode",
    )

    def __init__(self, viewer: Viewer, room: str) -> None:
        self.viewer = viewer
        self.room = room
        self.is_member = False
        self.watch_mode: str | None = None
        self.stream: Stream | None = None
        self.sent = 0
        self.is_doubtful = False
        self.shows_own = False
        self.typing_sent = 0
        self.shows_typing = False
        self.own_changed = False

    @property
    def user_id(self) -> str:
        """Whose eyes these are."""
        return self.viewer.identity.user_id


class KindViewing:
    """One viewer of one kind of resource: the stream it is on and how far it got.

    `sent` is the change last sent, `seq` the place in the stream that it had.
    """

    __slots__ = ("kind", "sent", "seq", "stream", "viewer")

    def __init__(self, viewer: Viewer, kind: str) -> None:
        self.viewer = viewer
        self.kind = kind
        self.stream: KindStream | None = None
        self.sent = 0
        self.seq = 0

    @property
    def user_id(self) -> str:
        """Whose eyes these are."""
        return self.viewer.identity.user_id
