"""Live state in this process: dictionaries. Every method finishes without waiting, so nothing can come between."""

from __future__ import annotations

from collections.abc import Callable

from hereabouts.backends.base import Backend, Follower
from hereabouts.engine.records import (
    DECLARATION,
    Change,
    Commit,
    Declaration,
    Entry,
    FeedKey,
    FeedSnapshot,
    Position,
    Put,
    Records,
    Remove,
)


class _Feed:
    __slots__ = ("epoch", "followers", "seq", "users")

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.seq = 0
        self.users: dict[str, dict[str, Records]] = {}
        self.followers: list[Follower] = []

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.seq)

    def snapshot(self) -> FeedSnapshot:
        return FeedSnapshot(self.position, tuple(r for records in self.users.values() for r in records.values()))


class MemoryBackend(Backend):
    """The live state of a single node. `name` makes its epochs different from those of any other life of the node."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._epochs = 0
        self._feeds: dict[FeedKey, _Feed] = {}

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Forget everything."""
        self._feeds.clear()

    async def commit(self, feed: FeedKey, change: Change) -> Commit:
        """See `Backend.commit`."""
        found = self._feed(feed)
        key = _place(change.record) if isinstance(change, Put) else change.session_id
        user_id = change.record.user_id if isinstance(change, Put) else change.user_id
        records = found.users.get(user_id, {})
        before = records.get(key)
        others = tuple(record for place, record in records.items() if place != key)
        if not _applies(change, before):
            self._forget_if_empty(feed, found)
            return Commit(False, found.position, before, others)
        found.seq += 1
        entry = self._apply(found, key, user_id, change)
        for follower in tuple(found.followers):
            follower.entry(feed, entry)
        self._forget_if_empty(feed, found)
        return Commit(True, entry.position, before, others)

    @staticmethod
    def _apply(found: _Feed, key: str, user_id: str, change: Change) -> Entry:
        if isinstance(change, Put):
            found.users.setdefault(user_id, {})[key] = change.record
            return Entry(found.position, key, user_id, change.record, None)
        records = found.users[user_id]
        del records[key]
        if not records:
            del found.users[user_id]
        return Entry(found.position, key, user_id, None, change)

    async def snapshot(self, feed: FeedKey) -> FeedSnapshot:
        """See `Backend.snapshot`."""
        found = self._feeds.get(feed)
        if found is None:
            # Where the feed would begin now: its last life, if it had one, was in another epoch.
            return FeedSnapshot(Position(self._epoch(self._epochs + 1), 0), ())
        return found.snapshot()

    async def follow(self, feed: FeedKey, follower: Follower) -> FeedSnapshot:
        """See `Backend.follow`."""
        found = self._feed(feed)
        found.followers.append(follower)
        return found.snapshot()

    async def unfollow(self, feed: FeedKey, follower: Follower) -> None:
        """See `Backend.unfollow`."""
        found = self._feeds.get(feed)
        if found is not None and follower in found.followers:
            found.followers.remove(follower)
            self._forget_if_empty(feed, found)

    async def signal(self, feed: FeedKey, user_id: str, on: bool) -> None:
        """See `Backend.signal`."""
        found = self._feeds.get(feed)
        if found is not None:
            for follower in tuple(found.followers):
                follower.signal(feed, user_id, on)

    def on_health(self, listener: Callable[[bool], None]) -> None:
        """Memory is never out of reach."""

    def _feed(self, feed: FeedKey) -> _Feed:
        found = self._feeds.get(feed)
        if found is None:
            self._epochs += 1
            found = self._feeds[feed] = _Feed(self._epoch(self._epochs))
        return found

    def _epoch(self, number: int) -> str:
        return f"{self._name}.{number}"

    def _forget_if_empty(self, feed: FeedKey, found: _Feed) -> None:
        if not found.users and not found.followers:
            self._feeds.pop(feed, None)


def _place(record: Records) -> str:
    return DECLARATION if isinstance(record, Declaration) else record.session_id


def _applies(change: Change, before: Records | None) -> bool:
    if isinstance(change, Put):
        if before is None or isinstance(change.record, Declaration):
            return True
        return change.record.outranks(before)
    return before is not None and before.incarnation <= change.incarnation and _may_remove(change, before)


def _may_remove(change: Remove, before: Records) -> bool:
    return isinstance(before, Declaration) or before.owner == change.owner or before.incarnation < change.incarnation
