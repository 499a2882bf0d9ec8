"""The canary: a session of nobody's that falls silent again and again, to prove that who is gone is seen to go on time.

Its record takes the way of every other: put into a feed of the store, its end found by the timer, removed by a commit,
told by the fan-out to a viewer. Between the deadline and that last message lies what `canary_seconds` says. No token
can name its tenant; it is in no registry, so nothing lists, counts, writes down or sends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from hereabouts.engine.identity import Identity
from hereabouts.engine.records import Entry as FeedEntry
from hereabouts.engine.records import FeedKey, FeedSnapshot, Membership, Now, Put, Remove
from hereabouts.errors import StoreUnavailable
from hereabouts.fanout.audience import Audience
from hereabouts.fanout.outbox import Packet
from hereabouts.fanout.room import RoomFan
from hereabouts.fanout.viewer import Viewer, Viewing
from hereabouts.runtime.context import Context
from hereabouts.tasks import Tasks
from hereabouts.telemetry import Reading

CANARY_TENANT: Final = "\x00canary"
"""No id may have such a character, so no credential can name it."""

CANARY_USER: Final = "hereabouts-canary"

EVERY_SECONDS: Final = 5.0
LEASE_SECONDS: Final = 1.0
"""How long after it came it is to go; longer than any window, so that coming and going are told apart."""

MISSED_SECONDS: Final = 10.0
"""Who was not seen to go so long after its time is counted as missed."""


class Canary:
    """One made-up session after another, on a node that serves. Also the `Follower` of its feed, and a `Timed`."""

    def __init__(self, context: Context) -> None:
        self.filed_slot = -1
        self.last_seconds = 0.0
        self.longest_seconds = 0.0
        self.rounds = 0
        self.missed = 0
        self._context = context
        self._feed = FeedKey(CANARY_TENANT, "room", f"{CANARY_USER}.{context.owner.node}")
        self._fan: RoomFan | None = None
        self._tasks = Tasks(context.failed)
        self._has_begun = False
        self._due_tick: float | None = None
        self._lapsed = asyncio.Event()
        self._told = asyncio.Event()

    def start(self) -> None:
        """Begin."""
        self._has_begun = True
        self._tasks.repeat(self._live, EVERY_SECONDS)

    async def stop(self) -> None:
        """End, and leave nothing behind."""
        if not self._has_begun:
            return
        await self._tasks.end()
        try:
            await self._commit(self._removal())
            await self._context.backend.unfollow(self._feed, self)
        except StoreUnavailable as error:
            self._context.failed(error)

    def readings(self) -> dict[str, Reading]:
        """What it measured, by the names of `telemetry.MEASURES`."""
        return {
            "canary_seconds": self.last_seconds,
            "canary_longest_seconds": self.longest_seconds,
            "canary_rounds_total": self.rounds,
            "canary_missed_total": self.missed,
        }

    # The deadline

    def due_at(self) -> float | None:
        """When it is to go."""
        return self._due_tick

    def advance(self, now: Now) -> None:
        """It is due."""
        if self._due_tick is not None and now.tick >= self._due_tick:
            self._due_tick = None
            self._lapsed.set()

    # What the store tells

    def entry(self, feed: FeedKey, entry: FeedEntry) -> None:
        """See `Follower.entry`."""
        if self._fan is not None:
            self._fan.entry(entry)

    def gap(self, feed: FeedKey, snapshot: FeedSnapshot) -> None:
        """See `Follower.gap`."""
        if self._fan is not None:
            self._fan.replace(snapshot)

    def signal(self, feed: FeedKey, user_id: str, on: bool) -> None:
        """It never types."""

    # One life after another

    async def _live(self) -> None:
        """Come, fall silent, be seen to go."""
        if self._context.is_degraded:
            return
        await self._look()
        self._lapsed.clear()
        self._told.clear()
        await self._commit(Put(self._record()))
        due_tick = self._due_tick = self._context.now().tick + LEASE_SECONDS
        self._context.file(self)
        await self._lapsed.wait()
        await self._commit(self._removal())
        try:
            async with asyncio.timeout(MISSED_SECONDS):
                await self._told.wait()
        except TimeoutError:
            self.missed += not self._context.is_degraded
            return
        self.rounds += 1
        self.last_seconds = self._context.now().tick - due_tick
        self.longest_seconds = max(self.longest_seconds, self.last_seconds)

    async def _look(self) -> None:
        """Let somebody look at the feed, who is told as every viewer is."""
        if self._fan is not None:
            return
        snapshot = await self._context.backend.follow(self._feed, self)
        self._fan = RoomFan(self._feed, self._context.policies.resolve(), snapshot, _Tools(self._context))
        viewer = Viewer(_Ear(self._told), Identity(CANARY_TENANT, "watcher"))
        self._fan.attach(Viewing(viewer, self._feed.name), Audience("full", "roster"))

    async def _commit(self, change: Put | Remove) -> None:
        await self._context.backend.commit(self._feed, change)

    def _record(self) -> Membership:
        return Membership(CANARY_USER, CANARY_USER, 1, self._context.owner, joined_at=self._context.now().at)

    def _removal(self) -> Remove:
        return Remove(CANARY_USER, CANARY_USER, 1, self._context.owner, "lease_expired")


class _Ear:
    """A connection that hears when somebody left."""

    is_paused = False

    def __init__(self, told: asyncio.Event) -> None:
        self._told = told

    def send(self, packet: Packet) -> None:
        """See `Connection.send`."""
        if b'"event":"leave"' in packet.payload:
            self._told.set()

    def close(self, code: int, reason: str) -> None:
        """Nobody closes it."""


class _Tools:
    """The world as a room's fan-out knows it, but that nothing is counted."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.is_degraded = False

    def now(self) -> Now:
        return self._context.now()

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self._context.later(seconds, call)

    def file(self, room: RoomFan) -> None:
        """Nobody types there."""

    def new_epoch(self) -> str:
        return CANARY_USER

    def delivered(self, frames: int, payload_bytes: int) -> None:
        """What it is told is no delivery."""
