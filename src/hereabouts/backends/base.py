"""The seam between the decisions and the live store.

A backend orders and stores records. It knows no rule of presence but one: an older life of a session changes nothing.
`hereabouts.testing.backend_contract` is the suite that every backend passes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from hereabouts.engine.records import Change, Commit, Entry, FeedKey, FeedSnapshot, Owner, Records


class Follower(Protocol):
    """What a feed tells who follows it. Every call is synchronous, in the order of the feed, and must not raise."""

    def entry(self, feed: FeedKey, entry: Entry) -> None:
        """The next step; its position directly follows the last one."""

    def gap(self, feed: FeedKey, snapshot: FeedSnapshot) -> None:
        """Steps were missed, or the history began anew: this is the whole feed now."""

    def signal(self, feed: FeedKey, user_id: str, on: bool) -> None:
        """An unstored signal: the user typed (`on`) or stopped."""


class Peer(NamedTuple):
    """A node process that others may see: when it last renewed its lease, and which store it has registered with.

    `note` is what it tells of itself, as it gave it to `Peers.describe`; empty where it has not yet.
    """

    owner: Owner
    renewed_at: int
    registered: str
    note: str = ""


class Roll(NamedTuple):
    """What a renewal of this node's lease found.

    `at` is the store's time (milliseconds) at `tick` of the monotonic clock. `generation` names the store's life:
    another one means that some or all of what it held was lost. `renewed_at` is when this node's lease had been
    renewed before, `None` where the store did not know it. `peers` are all nodes that the store knows but this one.
    """

    at: int
    tick: float
    generation: str
    renewed_at: int | None
    peers: tuple[Peer, ...]


class Place(NamedTuple):
    """Where a record of a session stands."""

    feed: FeedKey
    user_id: str
    session_id: str


class Peers(ABC):
    """What nodes over one store do for each other. A method that cannot reach the store raises `StoreUnavailable`."""

    @abstractmethod
    def on_roll(self, listener: Callable[[Roll | None], None]) -> None:
        """Call `listener` after each attempt to renew the lease: `None` where the store could not be reached."""

    @abstractmethod
    def on_doubt(self, listener: Callable[[bool], None]) -> None:
        """Call `listener` when steps may have been missed; `True` where what stood was lost.

        Followers hear nothing more until `reread`.
        """

    @abstractmethod
    async def renew(self) -> Roll | None:
        """Renew the lease now, whenever it was due."""

    @abstractmethod
    def lost(self) -> None:
        """The store's life is a new one: what this node noted there may be gone, and is noted anew with each put.

        Followers hear nothing more until `reread`.
        """

    @abstractmethod
    def register(self, generation: str) -> None:
        """Everything of this node stands in this life of the store; the next renewal tells the others."""

    @abstractmethod
    def describe(self, note: str) -> None:
        """What this node tells of itself; the next renewal tells the others."""

    @abstractmethod
    async def reread(self) -> None:
        """Read every followed feed anew and tell its followers, as a gap, what it is now."""

    @abstractmethod
    async def places(self, owner: Owner) -> list[Place]:
        """Where the records of a node process may stand."""

    @abstractmethod
    async def reap(self, owner: Owner, place: Place, cause: str) -> Commit:
        """Take the record away if that owner still has it, whatever its incarnation."""

    @abstractmethod
    async def forget(self, owner: Owner) -> None:
        """The node process is dead, and nothing of it stands any more."""

    @abstractmethod
    async def keep(self, session_id: str, payload: bytes) -> None:
        """Keep what another node needs to go on with the session, for as long as records of it stand."""

    @abstractmethod
    async def kept(self, session_id: str) -> tuple[bytes, list[Place]] | None:
        """What was kept of a session, and where its records stand."""

    @abstractmethod
    async def standing(self, place: Place) -> Records | None:
        """The record that stands there."""

    @abstractmethod
    def lives(self, owner: Owner) -> bool:
        """Whether the node held its lease when this one last renewed its own."""

    @abstractmethod
    def others(self) -> tuple[Owner, ...]:
        """Every other node that held its lease when this one last renewed its own."""

    @abstractmethod
    async def ask(self, owner: Owner, question: bytes) -> bytes | None:
        """What that node answers; `None` where it does not answer in time."""

    @abstractmethod
    def on_asked(self, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Let `answer` answer what other nodes ask this one."""

    @abstractmethod
    def disown(self, session_id: str) -> None:
        """The session goes on elsewhere: where it stands is no more this node's to keep."""


class Backend(ABC):
    """Live state. A method that cannot reach the store raises `StoreUnavailable`; none of them waits for long."""

    peers: Peers | None = None
    """What there is for several nodes; `None` where the live state is this process's own."""

    @abstractmethod
    async def open(self) -> None:
        """Make ready. Raises `ConfigError` where the store can never serve."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything; the records of this node stay until its lease ends."""

    @abstractmethod
    async def commit(self, feed: FeedKey, change: Change) -> Commit:
        """Apply one change, give it the next position and hand it to all followers: one step that nothing interleaves.

        A `Put` of an older incarnation than what stands there, and a `Remove` that names an older incarnation or
        another owner, are refused: `applied` is false.
        """

    @abstractmethod
    async def snapshot(self, feed: FeedKey) -> FeedSnapshot:
        """The feed now. A feed that never was is empty, and reading it writes nothing."""

    @abstractmethod
    async def follow(self, feed: FeedKey, follower: Follower) -> FeedSnapshot:
        """The feed now, and every later step to `follower`, with nothing lost or doubled between the two."""

    @abstractmethod
    async def unfollow(self, feed: FeedKey, follower: Follower) -> None:
        """No more calls to `follower` for this feed."""

    @abstractmethod
    async def signal(self, feed: FeedKey, user_id: str, on: bool) -> None:
        """Tell all followers, on every node, without storing anything. May be lost."""

    @abstractmethod
    def on_health(self, listener: Callable[[bool], None]) -> None:
        """Call `listener(False)` when the store is out of reach and `listener(True)` when it is back."""

    async def examine(self) -> list[tuple[bool, str]]:
        """What `hereabouts doctor` says of the store itself: whether it may stay so, and what to change if not."""
        return []

    def readings(self) -> dict[str, float]:
        """What it measures, by the names of `telemetry.MEASURES`."""
        return {"store_commands_total": 0.0, "store_gaps_total": 0.0, "store_breaks_total": 0.0}
