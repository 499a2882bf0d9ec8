"""Carries out what was decided: commits, signals, closings. From what a commit returns come journal and metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hereabouts.engine.effects import Effect, Effects, Over, Part, Signal, Write
from hereabouts.engine.records import DECLARATION, Change, Commit, Declaration, FeedKey, Put, Remove
from hereabouts.engine.session import session_feeds
from hereabouts.errors import StoreUnavailable
from hereabouts.fanout.outbox import Connection
from hereabouts.protocol.codes import CloseCode
from hereabouts.runtime.canary import CANARY_TENANT
from hereabouts.runtime.chain import Step
from hereabouts.runtime.context import Context
from hereabouts.runtime.link import Link, OwnedSession
from hereabouts.runtime.throttle import Throttles


class Writer:
    """Runs effects. Writes and signals go in the order in which they were decided; closings are done at once."""

    def __init__(
        self,
        context: Context,
        part: Callable[[Link, CloseCode, str], None],
        over: Callable[[OwnedSession], None],
        departed: Callable[[FeedKey, str], None],
    ) -> None:
        self._context = context
        self._part = part
        self._over = over
        self._departed = departed
        self._throttles = Throttles(context.recorder, context.file)
        self._unfinished: list[tuple[OwnedSession, FeedKey, Remove]] = []

    def run(self, owned: OwnedSession, effects: Effects) -> None:
        """Carry out effects, behind whatever was decided for the session before."""
        for effect in effects:
            if isinstance(effect, Write | Signal):
                owned.chain.add_decided(self._storing(owned, effect))
            else:
                self._act(owned, effect)
        if effects:
            self._context.file(owned)

    async def restore(self, owned: OwnedSession, effects: Effects) -> None:
        """Let stand what stood before the process was restarted: nothing of it is news for the journal."""
        for effect in effects:
            if isinstance(effect, Write):
                await self._context.backend.commit(effect.feed, effect.change)
        self._throttles.watch(owned.session, self._context.now())

    async def perform(self, owned: OwnedSession, effects: Effects) -> None:
        """Carry out effects now; for a step of the session's own chain."""
        await owned.chain.through(
            [self._storing(owned, effect) for effect in effects if isinstance(effect, Write | Signal)]
        )
        for effect in effects:
            if not isinstance(effect, Write | Signal):
                self._act(owned, effect)
        self._context.file(owned)

    def _act(self, owned: OwnedSession, effect: Effect) -> None:
        if isinstance(effect, Part):
            if isinstance(effect.connection, Link):
                self._part(effect.connection, effect.code, effect.reason)
        elif isinstance(effect, Over):
            self._over(owned)

    def _storing(self, owned: OwnedSession, effect: Write | Signal) -> Step:
        return lambda: self._store(owned, effect)

    async def _store(self, owned: OwnedSession, effect: Write | Signal) -> None:
        if isinstance(effect, Signal):
            await self._context.backend.signal(effect.feed, effect.user_id, effect.on)
            return
        try:
            commit = await self._context.commit(owned.session, effect.feed, effect.change)
        except StoreUnavailable:
            # What is put is put again when the store is back, from what stands then; a removal would be forgotten.
            if isinstance(effect.change, Remove):
                self._unfinished.append((owned, effect.feed, effect.change))
            raise
        if commit.applied:
            await self._committed(owned, effect.feed, effect.change, commit)

    async def finish(self) -> None:
        """Do what a store out of reach left undone: removals, unless the session has come back meanwhile."""
        while self._unfinished:
            owned, feed, change = self._unfinished[0]
            await owned.chain.ask(partial(self._finish, owned, feed, change))
            del self._unfinished[0]

    async def _finish(self, owned: OwnedSession, feed: FeedKey, change: Remove) -> None:
        session = owned.session
        if any(isinstance(write, Write) and write.feed == feed for write in session_feeds(session)):
            return
        commit = await self._context.backend.commit(feed, change)
        if commit.before is None:
            # It was done, and the answer was lost; or the record was. In either case nobody has been told of it yet.
            before = session.presence() if feed.kind == "user" else None
            commit = commit._replace(applied=True, before=before)
        self._context.recorder.committed(session, feed, change, commit, self._context.now().at)
        if commit.applied:
            await self._committed(owned, feed, change, commit)

    async def _committed(self, owned: OwnedSession, feed: FeedKey, change: Change, commit: Commit) -> None:
        if feed.kind == "room":
            self._count(change, commit)
            return
        if isinstance(change, Put) and commit.before is None:
            self._throttles.watch(owned.session, self._context.now())
        if isinstance(change, Remove) and change.session_id != DECLARATION:
            await self._removed(feed, change, commit)

    async def _removed(self, feed: FeedKey, change: Remove, commit: Commit) -> None:
        if not all(isinstance(other, Declaration) for other in commit.others):
            return
        self._departed(feed, change.cause)
        if commit.others:
            # Nobody is left to judge when it runs out; the journal keeps it for the user's next session.
            left = commit.others[0]
            remove = Remove(DECLARATION, left.user_id, left.incarnation, left.owner, change.cause)
            await self._context.backend.commit(feed, remove)

    async def reaped(self, feed: FeedKey, change: Remove, commit: Commit) -> None:
        """A dead node's record was taken away; its journal tells of the session, not ours."""
        if not commit.applied or feed.tenant == CANARY_TENANT:
            return
        if self._context.policy(feed.tenant).durability != "none":
            self._context.recorder.followed(feed, change, commit, self._context.now().at)
        if feed.kind == "room":
            self._count(change, commit)
        else:
            await self._removed(feed, change, commit)

    def _count(self, change: Change, commit: Commit) -> None:
        if commit.others:
            return
        if isinstance(change, Remove):
            self._context.telemetry.left(change.cause)
        elif commit.before is None:
            self._context.telemetry.joins += 1


def close(connection: Connection, code: CloseCode, reason: str) -> None:
    """Close a connection with one of our codes."""
    connection.close(code.number, reason)
