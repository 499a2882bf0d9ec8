"""A live store whose word comes late, or not at all: delays every step and loses some, and then tells of the gap."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random

from hereabouts.backends.base import Backend, Follower
from hereabouts.engine.records import Change, Commit, Entry, FeedKey, FeedSnapshot


class _Channel:
    """From one feed to one follower: in order, late, and with losses that end in a gap."""

    def __init__(self, feed: FeedKey, follower: Follower, store: LossyBackend) -> None:
        self.feed = feed
        self.follower = follower
        self.is_open = True
        self._store = store
        self._waiting: deque[Entry | tuple[str, bool]] = deque()
        self._lost = False
        self._telling: asyncio.Future[None] | None = None

    def entry(self, feed: FeedKey, entry: Entry) -> None:
        """See `Follower.entry`."""
        self._later(entry)

    def signal(self, feed: FeedKey, user_id: str, on: bool) -> None:
        """See `Follower.signal`."""
        self._later((user_id, on))

    def gap(self, feed: FeedKey, snapshot: FeedSnapshot) -> None:
        """See `Follower.gap`."""
        raise AssertionError("the store within loses nothing")

    def _later(self, said: Entry | tuple[str, bool]) -> None:
        self._waiting.append(said)
        asyncio.get_running_loop().call_later(self._store.delay(), self._deliver)

    def _deliver(self) -> None:
        if not self.is_open or not self._waiting:
            return
        said = self._waiting.popleft()
        if isinstance(said, Entry):
            if self._lost:
                return
            if self._store.loses():
                self._lost = True
                asyncio.get_running_loop().call_later(self._store.delay(), self._recover)
            else:
                self.follower.entry(self.feed, said)
        elif not self._store.loses():
            self.follower.signal(self.feed, *said)

    def _recover(self) -> None:
        self._telling = asyncio.ensure_future(self._tell_gap())

    async def _tell_gap(self) -> None:
        snapshot = await self._store.within.snapshot(self.feed)
        if self.is_open:
            self._lost = False
            self._waiting = deque(said for said in self._waiting if not isinstance(said, Entry))
            self.follower.gap(self.feed, snapshot)


class LossyBackend(Backend):
    """Another backend behind a bad network. `loss` is the share of steps that a follower does not hear of."""

    def __init__(self, within: Backend, random: Random, *, delay_seconds: float = 0.05, loss: float = 0.05) -> None:
        self.within = within
        self._random = random
        self._delay_seconds = delay_seconds
        self._loss = loss
        self._channels: dict[tuple[FeedKey, int], _Channel] = {}

    def delay(self) -> float:
        """How long the next word takes, in seconds."""
        return self._random.uniform(0.0, self._delay_seconds)

    def loses(self) -> bool:
        """Whether the next step is lost."""
        return self._random.random() < self._loss

    async def open(self) -> None:
        """See `Backend.open`."""
        await self.within.open()

    async def close(self) -> None:
        """See `Backend.close`."""
        await self.within.close()

    async def commit(self, feed: FeedKey, change: Change) -> Commit:
        """See `Backend.commit`."""
        await asyncio.sleep(self.delay())
        commit = await self.within.commit(feed, change)
        await asyncio.sleep(self.delay())
        return commit

    async def snapshot(self, feed: FeedKey) -> FeedSnapshot:
        """See `Backend.snapshot`."""
        await asyncio.sleep(self.delay())
        return await self.within.snapshot(feed)

    async def follow(self, feed: FeedKey, follower: Follower) -> FeedSnapshot:
        """See `Backend.follow`. What comes after the snapshot waits at least as long as its caller does."""
        await asyncio.sleep(self.delay())
        channel = self._channels[feed, id(follower)] = _Channel(feed, follower, self)
        return await self.within.follow(feed, channel)

    async def unfollow(self, feed: FeedKey, follower: Follower) -> None:
        """See `Backend.unfollow`."""
        channel = self._channels.pop((feed, id(follower)), None)
        if channel is not None:
            channel.is_open = False
            await self.within.unfollow(feed, channel)

    async def signal(self, feed: FeedKey, user_id: str, on: bool) -> None:
        """See `Backend.signal`."""
        await asyncio.sleep(self.delay())
        await self.within.signal(feed, user_id, on)

    def on_health(self, listener: Callable[[bool], None]) -> None:
        """It is bad, but never out of reach."""
