"""Between the store's feeds and this node's fan-out: follows what is looked at, and hands each step on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from weakref import WeakValueDictionary

from hereabouts.engine.records import Entry, FeedKey, FeedSnapshot
from hereabouts.errors import JournalUnavailable, StoreUnavailable
from hereabouts.fanout.room import RoomFan
from hereabouts.fanout.viewer import Viewing
from hereabouts.runtime.context import Context
from hereabouts.runtime.people import People, Person


class Relay:
    """The `Follower` of every feed that this node follows."""

    def __init__(self, context: Context, people: People) -> None:
        self._context = context
        self._people = people
        self._turns: WeakValueDictionary[FeedKey, asyncio.Lock] = WeakValueDictionary()
        """Following and letting go of a feed, one after the other: a lock is there while somebody has it or waits."""
        self.rooms: dict[FeedKey, RoomFan] = {}

    # What the store tells

    def entry(self, feed: FeedKey, entry: Entry) -> None:
        """See `Follower.entry`."""
        if feed.kind == "user":
            self._people.entry(feed, entry)
        elif (fan := self.rooms.get(feed)) is not None:
            fan.entry(entry)

    def gap(self, feed: FeedKey, snapshot: FeedSnapshot) -> None:
        """See `Follower.gap`."""
        if feed.kind == "user":
            self._people.replace(feed, snapshot)
        elif (fan := self.rooms.get(feed)) is not None:
            fan.replace(snapshot)

    def signal(self, feed: FeedKey, user_id: str, on: bool) -> None:
        """See `Follower.signal`."""
        if (fan := self.rooms.get(feed)) is not None:
            fan.signal(user_id, on)

    # What is looked at

    async def room(self, feed: FeedKey) -> RoomFan:
        """The fan-out of a room, followed from now on. Give it back with `release` when nobody looks."""
        fan = self.rooms.get(feed)
        if fan is not None:
            return fan
        async with self._turn(feed):
            fan = self.rooms.get(feed)
            if fan is None:
                snapshot = await self._context.backend.follow(feed, self)
                policy = self._context.policy(feed.tenant, room=feed.name)
                fan = self.rooms[feed] = RoomFan(feed, policy, snapshot, self._context)
        return fan

    async def person(self, feed: FeedKey) -> Person:
        """A user, followed from now on. Give it back with `release` when nobody needs it."""
        person = self._people.find(feed)
        if person is not None:
            return person
        # Until the record was read, whoever comes and goes meanwhile cannot let go of whom nobody needs yet.
        async with self._turn(feed):
            person = self._people.find(feed)
            if person is None:
                person = self._people.admit(feed, await self._context.backend.follow(feed, self))
                try:
                    await self._recall(person)
                except BaseException:
                    await self._let_go(feed)
                    raise
        return person

    async def look(self, feed: FeedKey) -> Person:
        """The same for somebody who looks on.

        Whoever looks offline is read as somebody unknown is: that one hides is not told by how quick the answer comes.
        """
        person = self._people.find(feed)
        if person is not None and person.outcome.status == "offline":
            with suppress(StoreUnavailable, JournalUnavailable):
                await self._context.backend.snapshot(feed)
                await self._context.journal.last_seen(feed.tenant, [feed.name])
        return await self.person(feed)

    def _turn(self, feed: FeedKey) -> asyncio.Lock:
        return self._turns.setdefault(feed, asyncio.Lock())

    async def _recall(self, person: Person) -> None:
        """Somebody who is not here, or hides: when they were is in the journal."""
        if person.outcome.status != "offline":
            return
        feed = person.feed
        seen = (await self._context.journal.last_seen(feed.tenant, [feed.name])).get(feed.name)
        if seen is not None and not person.records:
            self._people.recall(person, seen.public_seen_at, seen.public_active_at)

    async def release(self, feed: FeedKey) -> None:
        """Follow the feed no more, if nobody here needs it."""
        async with self._turn(feed):
            await self._let_go(feed)

    async def _let_go(self, feed: FeedKey) -> None:
        if feed.kind == "user":
            person = self._people.find(feed)
            if person is None or person.is_needed:
                return
            self._people.dismiss(feed)
        else:
            fan = self.rooms.get(feed)
            if fan is None or fan.viewers:
                return
            del self.rooms[feed]
        await self._context.backend.unfollow(feed, self)

    def catch_up(self, viewing: Viewing, tenant: str) -> None:
        """A viewer's connection drained."""
        fan = self.rooms.get(FeedKey(tenant, "room", viewing.room))
        if fan is not None:
            fan.catch_up(viewing)

    def restore(self) -> None:
        """An outage is over: nobody's view of a room may be stale any more."""
        for fan in self.rooms.values():
            fan.restore()
