"""The feeds that this node follows: each step to their followers, in order, once; all of a feed where one is missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from hereabouts.backends.base import Follower
from hereabouts.backends.valkey import codec
from hereabouts.backends.valkey.following import Following, Heard
from hereabouts.backends.valkey.keys import Keys, quoted
from hereabouts.backends.valkey.leases import Leases
from hereabouts.backends.valkey.listening import Listening
from hereabouts.backends.valkey.scripts import FOLLOW
from hereabouts.backends.valkey.store import PROBE_SECONDS, Store
from hereabouts.engine.records import Entry, FeedKey, FeedSnapshot, Owner
from hereabouts.errors import StoreUnavailable
from hereabouts.tasks import Tasks

KEPT_SECONDS: Final = 3600
"""How long an empty feed's position is kept, so that who follows it hears the next step as the next one."""

GAP_SECONDS: Final = 0.1
"""How long a missing step may be on its way before the whole feed is read."""

ECHO_SECONDS: Final = 0.25
"""How long a commit waits until this node's own followers have heard of it."""


class Feeds:
    """`told` is given what other nodes say to this one. `doubters` hear when steps may have been missed."""

    def __init__(self, store: Store, keys: Keys, owner: Owner, leases: Leases, told: Callable[[bytes], None]) -> None:
        self._store = store
        self._keys = keys
        self._owner = owner
        self._leases = leases
        self._epochs = 0
        self._feeds: dict[FeedKey, Following] = {}
        self._by_key: dict[str, Following] = {}
        self._tasks = Tasks()
        self.listening = Listening(store, keys.canary(owner), self._heard, told, self._missed)
        self.gaps = 0
        self.doubters: list[Callable[[bool], None]] = []

    async def stop(self) -> None:
        """Read nothing more."""
        await self._tasks.end()

    def new_epoch(self) -> str:
        """A name for a life of a feed that no other life of any feed has."""
        self._epochs += 1
        return f"{quoted(self._owner.node)}.{self._owner.incarnation}.{self._epochs}"

    async def committed(self, feed: FeedKey, entry: Entry, users: int) -> None:
        """A step of this node's own is done; returns when its followers here have heard of it."""
        following = self._feeds.get(feed)
        if following is not None and following.position is not None and not following.is_stale:
            self._offer(following, entry, users)
            await following.reached(entry.position.seq, ECHO_SECONDS)

    async def follow(self, feed: FeedKey, follower: Follower) -> FeedSnapshot:
        """See `Backend.follow`."""
        key = self._keys.feed(feed)
        following = self._feeds.get(feed)
        if following is None:
            following = self._feeds[feed] = self._by_key[key] = Following(feed, key)
        following.opening += 1
        try:
            async with following.lock:
                await self.listening.add(key)
                snapshot = await self._now(following)
                following.followers.append(follower)
                return snapshot
        finally:
            following.opening -= 1
            self._drop_if_unused(following)

    def unfollow(self, feed: FeedKey, follower: Follower) -> None:
        """See `Backend.unfollow`."""
        following = self._feeds.get(feed)
        if following is not None and follower in following.followers:
            following.followers.remove(follower)
            self._drop_if_unused(following)

    # What is read

    async def read(self, feed: FeedKey) -> FeedSnapshot:
        """See `Backend.snapshot`."""
        return codec.read_feed(_pairs(await self._store.call("HGETALL", self._keys.feed(feed))))

    async def _begin(self, key: str) -> FeedSnapshot:
        return codec.read_feed(_pairs(await self._store.run(FOLLOW, key, self.new_epoch(), KEPT_SECONDS)))

    async def _now(self, following: Following) -> FeedSnapshot:
        """The feed at the very position up to which its followers have been told."""
        while True:
            if following.is_stale:
                raise StoreUnavailable("what the store holds is being read anew")
            following.tail = []
            read = await self._begin(following.key)
            if following.position is None:
                following.load(read)
            else:
                await following.reached(read.position.seq, ECHO_SECONDS)
            snapshot = following.since(read)
            if snapshot is not None:
                following.tail = None
                return snapshot
            if following.tail is not None:
                # What lies between the two was missed: all begin anew from here.
                following.gap(read)

    # What is heard

    def _heard(self, channel: str, message: bytes) -> None:
        following = self._by_key.get(channel)
        if following is None:
            return
        try:
            signal = codec.read_signal(message)
            if signal is not None:
                following.signal(*signal)
            else:
                self._offer(following, *codec.read_entry(message))
        except ValueError:
            # Another program said it, or another version. What counts is what stands; nothing else is in doubt.
            self._check(following, 0.0)

    def _offer(self, following: Following, entry: Entry, users: int) -> None:
        heard = following.hear(entry, users)
        if heard is Heard.ELSEWHERE:
            self._check(following, 0.0)
        elif heard is Heard.AHEAD:
            self._check(following, GAP_SECONDS)

    def _check(self, following: Following, seconds: float) -> None:
        if not following.is_checking:
            following.is_checking = True
            self._tasks.do(self._fill(following, seconds))

    async def _fill(self, following: Following, seconds: float) -> None:
        """Wait for what may still be on its way; then read the whole feed."""
        try:
            await asyncio.sleep(seconds)
            at = following.position
            if seconds and not following.is_behind:
                return
            snapshot = await self._begin(following.key)
            now = following.position
            if at is None or now is None or following.is_stale or self._feeds.get(following.feed) is not following:
                return
            if snapshot.position.epoch == now.epoch and at.seq <= snapshot.position.seq <= now.seq:
                return
            if following.users and (snapshot.position.epoch != at.epoch or snapshot.position.seq < at.seq):
                # Nobody took away what stood there: it is the store that lost it, and nobody is gone.
                self.doubt(True)
            else:
                self._gap(following, snapshot)
        except StoreUnavailable:
            pass
        finally:
            following.is_checking = False

    def _gap(self, following: Following, snapshot: FeedSnapshot) -> None:
        self.gaps += 1
        following.gap(snapshot)

    # When steps may have been missed

    def _missed(self, channel: str | None) -> None:
        following = self._by_key.get(channel or "")
        if channel is None:
            self.doubt(False)
        elif following is not None:
            self._check(following, 0.0)

    def doubt(self, lost: bool) -> None:
        """Followers hear nothing more until all feeds were read anew; when that is, is the nodes' to say."""
        self.stale()
        for doubter in self.doubters:
            doubter(lost)
        if not self.doubters:
            self._tasks.do(self._reread_at_last())

    def stale(self) -> None:
        """Followers hear nothing more until `reread`."""
        for following in self._feeds.values():
            following.is_stale = following.position is not None

    async def _reread_at_last(self) -> None:
        while any(following.is_stale for following in self._feeds.values()):
            try:
                await self.reread()
            except StoreUnavailable:
                await asyncio.sleep(PROBE_SECONDS)

    async def reread(self) -> None:
        """See `Peers.reread`."""
        stale = [following for following in self._feeds.values() if following.is_stale]
        read = await asyncio.gather(*(self._again(following) for following in stale))
        if self._leases.registered:
            # A store that was lost while it was read would make everybody leave.
            roll = await self._leases.renew()
            if roll is None or roll.generation != self._leases.registered:
                raise StoreUnavailable("the store was lost while it was read anew")
        for following, snapshot in zip(stale, read, strict=True):
            if following.is_stale:
                self._gap(following, snapshot)

    async def _again(self, following: Following) -> FeedSnapshot:
        await self.listening.add(following.key)
        return await self._begin(following.key)

    # Small things

    def _drop_if_unused(self, following: Following) -> None:
        if following.followers or following.opening or self._feeds.get(following.feed) is not following:
            return
        del self._feeds[following.feed], self._by_key[following.key]
        self._tasks.do(self._unheard(following.key))

    async def _unheard(self, key: str) -> None:
        if key not in self._by_key:  # whoever came since then was told that it is subscribed
            await self.listening.remove(key)


def _pairs(answer: list[bytes] | dict[bytes, bytes]) -> dict[bytes, bytes]:
    if isinstance(answer, dict):
        return answer
    return dict(zip(answer[::2], answer[1::2], strict=True))
