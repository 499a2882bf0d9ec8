"""Live state in Valkey or Redis, shared by all nodes that name the same store and prefix."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from hereabouts.backends.base import Backend, Follower, Place
from hereabouts.backends.valkey import codec
from hereabouts.backends.valkey.address import Address, read_address
from hereabouts.backends.valkey.asking import Asking
from hereabouts.backends.valkey.client import FAILURES, connect
from hereabouts.backends.valkey.examining import examine
from hereabouts.backends.valkey.following import Following, Heard
from hereabouts.backends.valkey.index import Index
from hereabouts.backends.valkey.keys import PREFIX, Keys, quoted
from hereabouts.backends.valkey.leases import Leases
from hereabouts.backends.valkey.listening import Listening
from hereabouts.backends.valkey.peers import ValkeyPeers
from hereabouts.backends.valkey.scripts import COMMIT, FOLLOW
from hereabouts.backends.valkey.store import PROBE_SECONDS, Store
from hereabouts.engine.records import (
    Change,
    Commit,
    Declaration,
    Entry,
    FeedKey,
    FeedSnapshot,
    Owner,
    Position,
    Put,
    Remove,
)
from hereabouts.errors import StoreUnavailable

KEPT_SECONDS: Final = 3600
"""How long an empty feed's position is kept, so that who follows it hears the next step as the next one."""

GAP_SECONDS: Final = 0.1
"""How long a missing step may be on its way before the whole feed is read."""

ECHO_SECONDS: Final = 0.25
"""How long a commit waits until this node's own followers have heard of it."""


class ValkeyBackend(Backend):
    """`url` as `address` reads it; `owner` is this node's process, which no other has."""

    def __init__(
        self,
        url: str,
        owner: Owner,
        *,
        prefix: str = PREFIX,
        lease_seconds: float = 15,
        connect: Callable[[Address], Any] = connect,
        leases: Callable[[Address, Keys, Owner, float], Leases] = Leases,
    ) -> None:
        address = read_address(url)
        self.store = Store(address, connect)
        self.keys = Keys(prefix)
        self._owner = owner
        self._asking = Asking(self.store, self.keys, owner)
        self._epochs = 0
        self._feeds: dict[FeedKey, Following] = {}
        self._by_key: dict[str, Following] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.listening = Listening(self.store, self.keys.canary(owner), self._heard, self._asking.heard, self._missed)
        self._gaps = 0
        self._doubters: list[Callable[[bool], None]] = []
        self._index = Index(self.store, self.keys, owner)
        self._leases = leases(address, self.keys, owner, lease_seconds)
        self.peers: ValkeyPeers = ValkeyPeers(
            self.store,
            self.keys,
            self._leases,
            self._index,
            self._asking,
            self._take_away,
            self._stale,
            self._reread,
            self._doubters,
        )

    async def open(self) -> None:
        """See `Backend.open`."""
        await self.store.open()
        await self.listening.open()
        self._leases.start()

    async def close(self) -> None:
        """See `Backend.close`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._leases.stop()
        await self.listening.close()
        await self._asking.close()
        await self.store.close()

    async def commit(self, feed: FeedKey, change: Change) -> Commit:
        """See `Backend.commit`."""
        notes = self._index.before(feed, change)
        verb = "put" if isinstance(change, Put) else "remove"
        commit, users = await self._apply(feed, change, verb)
        self._index.after(feed, change, commit.applied)
        if any(note.exception() for note in notes):
            # They went before the commit; in a Cluster to another server.
            self._doubt(True)
        following = self._feeds.get(feed)
        if commit.applied and following is not None and following.position is not None and not following.is_stale:
            self._offer(following, _entry(change, commit.position), users)
            await following.reached(commit.position.seq, ECHO_SECONDS)
        return commit

    async def _apply(self, feed: FeedKey, change: Change, verb: str) -> tuple[Commit, int]:
        if isinstance(change, Put):
            record = change.record
            place, kept = codec.place_of(record), codec.encode_record(record)
            kind = "declaration" if isinstance(record, Declaration) else "session"
            user_id, incarnation, owner = record.user_id, record.incarnation, record.owner
        else:
            place, kept, kind = change.session_id, b"", ""
            user_id, incarnation, owner = change.user_id, change.incarnation, change.owner
        answer = await self.store.run(
            COMMIT, self.keys.feed(feed), verb, user_id, place, incarnation, codec.owner_text(owner), kind, kept,
            codec.encode_step(change), self._new_epoch(), KEPT_SECONDS,
        )  # fmt: skip
        return codec.read_commit(answer, place), int(answer[4])

    async def _take_away(self, place: Place, change: Remove) -> Commit:
        commit, _ = await self._apply(place.feed, change, "reap")
        return commit

    async def snapshot(self, feed: FeedKey) -> FeedSnapshot:
        """See `Backend.snapshot`."""
        return await self._read(self.keys.feed(feed))

    async def follow(self, feed: FeedKey, follower: Follower) -> FeedSnapshot:
        """See `Backend.follow`."""
        key = self.keys.feed(feed)
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

    async def unfollow(self, feed: FeedKey, follower: Follower) -> None:
        """See `Backend.unfollow`."""
        following = self._feeds.get(feed)
        if following is not None and follower in following.followers:
            following.followers.remove(follower)
            self._drop_if_unused(following)

    async def signal(self, feed: FeedKey, user_id: str, on: bool) -> None:
        """See `Backend.signal`."""
        await self.store.call("SPUBLISH", self.keys.feed(feed), codec.encode_signal(user_id, on))

    def on_health(self, listener: Callable[[bool], None]) -> None:
        """See `Backend.on_health`."""
        self.store.on_health(listener)

    async def examine(self) -> list[tuple[bool, str]]:
        """See `Backend.examine`."""
        try:
            return await examine(self.store)
        except FAILURES as error:
            raise StoreUnavailable(str(error)) from None

    def readings(self) -> dict[str, float]:
        """See `Backend.readings`."""
        return {
            "store_commands_total": float(self.store.calls),
            "store_gaps_total": float(self._gaps),
            "store_breaks_total": float(self.listening.breaks),
        }

    # What is read

    async def _read(self, key: str) -> FeedSnapshot:
        return codec.read_feed(_pairs(await self.store.call("HGETALL", key)))

    async def _begin(self, key: str) -> FeedSnapshot:
        return codec.read_feed(_pairs(await self.store.run(FOLLOW, key, self._new_epoch(), KEPT_SECONDS)))

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
        signal = codec.read_signal(message)
        if signal is not None:
            following.signal(*signal)
        else:
            self._offer(following, *codec.read_entry(message))

    def _offer(self, following: Following, entry: Entry, users: int) -> None:
        heard = following.hear(entry, users)
        if heard is Heard.ELSEWHERE:
            self._check(following, 0.0)
        elif heard is Heard.AHEAD:
            self._check(following, GAP_SECONDS)

    def _check(self, following: Following, seconds: float) -> None:
        if not following.is_checking:
            following.is_checking = True
            self._start(self._fill(following, seconds))

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
                self._doubt(True)
            else:
                self._gap(following, snapshot)
        except StoreUnavailable:
            pass
        finally:
            following.is_checking = False

    def _gap(self, following: Following, snapshot: FeedSnapshot) -> None:
        self._gaps += 1
        following.gap(snapshot)

    # When steps may have been missed

    def _missed(self, channel: str | None) -> None:
        following = self._by_key.get(channel or "")
        if channel is None:
            self._doubt(False)
        elif following is not None:
            self._check(following, 0.0)

    def _doubt(self, lost: bool) -> None:
        """Followers hear nothing more until all feeds were read anew; when that is, is the nodes' to say."""
        self._stale()
        for doubter in self._doubters:
            doubter(lost)
        if not self._doubters:
            self._start(self._reread_at_last())

    def _stale(self) -> None:
        for following in self._feeds.values():
            following.is_stale = following.position is not None

    async def _reread_at_last(self) -> None:
        while any(following.is_stale for following in self._feeds.values()):
            try:
                await self._reread()
            except StoreUnavailable:
                await asyncio.sleep(PROBE_SECONDS)

    async def _reread(self) -> None:
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

    def _new_epoch(self) -> str:
        self._epochs += 1
        return f"{quoted(self._owner.node)}.{self._owner.incarnation}.{self._epochs}"

    def _drop_if_unused(self, following: Following) -> None:
        if following.followers or following.opening or self._feeds.get(following.feed) is not following:
            return
        del self._feeds[following.feed], self._by_key[following.key]
        self._start(self.listening.remove(following.key))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _entry(change: Change, position: Position) -> Entry:
    if isinstance(change, Put):
        return Entry(position, codec.place_of(change.record), change.record.user_id, change.record, None)
    return Entry(position, change.session_id, change.user_id, None, change)


def _pairs(answer: list[bytes] | dict[bytes, bytes]) -> dict[bytes, bytes]:
    if isinstance(answer, dict):
        return answer
    return dict(zip(answer[::2], answer[1::2], strict=True))
