"""Live state in Valkey or Redis, shared by all nodes that name the same store and prefix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hereabouts.backends.base import Backend, Follower, Place
from hereabouts.backends.valkey import codec
from hereabouts.backends.valkey.address import Address, read_address
from hereabouts.backends.valkey.asking import Asking
from hereabouts.backends.valkey.client import FAILURES, connect
from hereabouts.backends.valkey.examining import examine
from hereabouts.backends.valkey.feeds import KEPT_SECONDS, Feeds
from hereabouts.backends.valkey.index import Index
from hereabouts.backends.valkey.keys import PREFIX, Keys
from hereabouts.backends.valkey.leases import Leases
from hereabouts.backends.valkey.peers import ValkeyPeers
from hereabouts.backends.valkey.scripts import COMMIT
from hereabouts.backends.valkey.store import Store
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
        self._asking = Asking(self.store, self.keys, owner)
        self._index = Index(self.store, self.keys, owner)
        self._leases = leases(address, self.keys, owner, lease_seconds)
        self._feeds = Feeds(self.store, self.keys, owner, self._leases, self._asking.heard)
        self.listening = self._feeds.listening
        self.peers: ValkeyPeers = ValkeyPeers(
            self.store, self.keys, self._leases, self._index, self._asking, self._feeds, self._take_away
        )

    async def open(self) -> None:
        """See `Backend.open`."""
        await self.store.open()
        await self.listening.open()
        self._leases.start()

    async def close(self) -> None:
        """See `Backend.close`."""
        await self._feeds.stop()
        await self._leases.stop()
        await self.listening.close()
        await self._asking.close()
        await self.store.close()

    async def commit(self, feed: FeedKey, change: Change) -> Commit:
        """See `Backend.commit`."""
        losses, notes = self._index.losses, self._index.before(feed, change)
        verb = "put" if isinstance(change, Put) else "remove"
        commit, users = await self._apply(feed, change, verb)
        self._index.after(feed, change, commit, losses)
        if any(note.exception() for note in notes):
            # They went before the commit; in a Cluster to another server.
            self._feeds.doubt(True)
        if commit.applied:
            await self._feeds.committed(feed, _entry(change, commit.position), users)
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
            codec.encode_step(change), self._feeds.new_epoch(), KEPT_SECONDS,
        )  # fmt: skip
        return codec.read_commit(answer, place), int(answer[4])

    async def _take_away(self, place: Place, change: Remove) -> Commit:
        commit, _ = await self._apply(place.feed, change, "reap")
        return commit

    async def snapshot(self, feed: FeedKey) -> FeedSnapshot:
        """See `Backend.snapshot`."""
        return await self._feeds.read(feed)

    async def follow(self, feed: FeedKey, follower: Follower) -> FeedSnapshot:
        """See `Backend.follow`."""
        return await self._feeds.follow(feed, follower)

    async def unfollow(self, feed: FeedKey, follower: Follower) -> None:
        """See `Backend.unfollow`."""
        self._feeds.unfollow(feed, follower)

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
            "store_gaps_total": float(self._feeds.gaps),
            "store_breaks_total": float(self.listening.breaks),
        }


def _entry(change: Change, position: Position) -> Entry:
    if isinstance(change, Put):
        return Entry(position, codec.place_of(change.record), change.record.user_id, change.record, None)
    return Entry(position, change.session_id, change.user_id, None, change)
