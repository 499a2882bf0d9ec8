"""Comparing whom the events left as present with who is here, where word of some may have been lost.

A process that is killed takes with it what it had not written yet. So this is done a while after a start, after
another node has died, and after the store was out of reach or lost what it had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hereabouts.engine.records import FeedKey, FeedSnapshot, Membership
from hereabouts.engine.status import fold
from hereabouts.errors import JournalUnavailable, StoreUnavailable
from hereabouts.journal.outbox import Outbox, OutboxRow
from hereabouts.runtime.context import Context
from hereabouts.runtime.registry import Registry
from hereabouts.tasks import Tasks


class Settling:
    """Gives word of the difference, on the one node that delivers: `is_here` says whether that is this one."""

    def __init__(self, context: Context, registry: Registry, is_here: Callable[[], bool]) -> None:
        self._context = context
        self._registry = registry
        self._is_here = is_here
        self._has_doubt = asyncio.Event()
        self._tasks = Tasks(self._failed)

    def start(self) -> None:
        """Wait for doubts."""
        self._tasks.repeat(self._round)

    async def stop(self) -> None:
        """End."""
        await self._tasks.end()

    def doubt(self) -> None:
        """Word may have been lost. Whoever is about to come back is given the time for it."""
        self._has_doubt.set()

    async def _round(self) -> None:
        await self._has_doubt.wait()
        self._has_doubt.clear()
        policy = self._context.policies.resolve()
        await asyncio.sleep(max(policy.grace_seconds, policy.beat_visible_seconds))
        outbox = self._context.journal.outbox
        if outbox is not None and self._is_here():
            await self._settle(outbox)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, JournalUnavailable | StoreUnavailable):
            self.doubt()
        else:
            self._context.failed(error)

    async def _settle(self, outbox: Outbox) -> None:
        users: set[FeedKey] = set()
        rooms: dict[FeedKey, set[str]] = {}
        for stands in await outbox.standing():
            if stands.kind == "user":
                users.add(FeedKey(stands.tenant, "user", stands.user_id))
            elif stands.kind == "member":
                rooms.setdefault(FeedKey(stands.tenant, "room", stands.place), set()).add(stands.user_id)
        for session in [owned.session for owned in self._registry if owned.session.policy.durability != "none"]:
            users.add(session.user_feed())
            for room in session.rooms:
                rooms.setdefault(session.room_feed(room), set()).add(session.user_id)
        for user in users:
            await self._settle_user(user)
        for feed, user_ids in rooms.items():
            await self._settle_room(feed, user_ids)

    async def _settle_user(self, feed: FeedKey) -> None:
        """Nothing may come between the reading and the word: who comes meanwhile is told of after it."""
        snapshot = await self._snapshot(feed)
        status = fold(snapshot.records).status
        value, cause = (None, "node_lost") if status == "offline" else (status, None)
        self._tell(OutboxRow(feed.tenant, "user", "", feed.name, value, cause, self._at(), snapshot.position))

    async def _settle_room(self, feed: FeedKey, user_ids: set[str]) -> None:
        snapshot = await self._snapshot(feed)
        here = {record.user_id for record in snapshot.records if isinstance(record, Membership)}
        for user_id in user_ids:
            value, cause = ("in", None) if user_id in here else (None, "node_lost")
            self._tell(
                OutboxRow(feed.tenant, "member", feed.name, user_id, value, cause, self._at(), snapshot.position)
            )

    async def _snapshot(self, feed: FeedKey) -> FeedSnapshot:
        """The feed, from a store that has everything again: what was just lost is nobody's going."""
        snapshot = await self._context.backend.snapshot(feed)
        if self._context.is_degraded and self._context.backend.peers is not None:
            raise StoreUnavailable("the store is not complete yet")
        return snapshot

    def _tell(self, row: OutboxRow) -> None:
        self._context.recorder.tell(row)

    def _at(self) -> int:
        return self._context.now().at
