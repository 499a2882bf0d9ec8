"""The seam between the decisions and the live store.

A backend orders and stores records. It knows no rule of presence but one: an older life of a session changes nothing.
`hereabouts.testing.backend_contract` is the suite that every backend passes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from hereabouts.engine.records import Change, Commit, Entry, FeedKey, FeedSnapshot


class Follower(Protocol):
    """What a feed tells who follows it. Every call is synchronous, in the order of the feed, and must not raise."""

    def entry(self, feed: FeedKey, entry: Entry) -> None:
        """The next step; its position directly follows the last one."""

    def gap(self, feed: FeedKey, snapshot: FeedSnapshot) -> None:
        """Steps were missed, or the history began anew: this is the whole feed now."""

    def signal(self, feed: FeedKey, user_id: str, on: bool) -> None:
        """An unstored signal: the user typed (`on`) or stopped."""


class Backend(ABC):
    """Live state. A method that cannot reach the store raises `StoreUnavailable`; none of them waits for long."""

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
