"""What a node does about the others, and about itself, where several share a store.

It judges their leases and takes away what a dead one left. When the store was out of reach, or lost what it had, or
took this node itself for dead, it says that views may be stale, registers again what it owns, and only then looks.
Source: `spec/semantics.md`, rules 12 to 14 and 18.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from hereabouts.backends.base import Peers, Place, Roll
from hereabouts.engine.effects import Write
from hereabouts.engine.records import DECLARATION, Commit, FeedKey, Owner, Put
from hereabouts.engine.session import Session, session_feeds
from hereabouts.errors import ConfigError, HereaboutsError, StoreUnavailable
from hereabouts.runtime import moving
from hereabouts.runtime.burying import AGAIN_SECONDS, Burying, groups
from hereabouts.runtime.context import Context
from hereabouts.runtime.leaving import Leaving
from hereabouts.runtime.link import OwnedSession
from hereabouts.runtime.people import People
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.writer import Writer
from hereabouts.tasks import end

log = structlog.get_logger("hereabouts")

RENEWALS: Final = 4
"""How often a lease is renewed within its time. Source: `spec/semantics.md`, section 2."""

ARE_YOU_THERE: Final = b'{"type":"are_you_there"}'
"""A question to which any answer will do, so that no version has to know it."""

STORE: Final = "store"
"""Why views may be stale: the store is, or was, out of reach."""


class Neighbours:
    """Follows the leases. Without a shared store it does nothing."""

    def __init__(
        self,
        context: Context,
        registry: Registry,
        people: People,
        writer: Writer,
        leaving: Leaving,
        moved: Callable[[OwnedSession], None],
        doubt: Callable[[], None],
        recovered: Callable[[], None],
    ) -> None:
        self._context = context
        self._registry = registry
        self._people = people
        self._writer = writer
        self._leaving = leaving
        self._moved = moved
        self._doubt_word = doubt
        self._burying = Burying(context, writer, lambda: self._contact_tick, doubt)
        self._recovered = recovered
        self._lease_seconds = context.node_clocks.lease_seconds
        self._generation = ""
        self._contact_tick: float | None = None
        self._living: frozenset[Owner] = frozenset()
        self._recovering: asyncio.Task[None] | None = None
        self._doubts = 0
        self._is_lost = False
        self._is_unnoted = False
        peers = context.backend.peers
        if peers is not None:
            peers.on_roll(self._rolled)
            peers.on_doubt(self._doubt)
            context.backend.on_health(self._healthy)

    async def open(self) -> None:
        """Hold the lease, and have the store's time, before anything is served.

        Raises `ConfigError` where that cannot be, and where a process that lives has this node's name: the record
        of its sessions would be ended, as if it had died.
        """
        peers = self._context.backend.peers
        if peers is None:
            return
        if await peers.renew() is None:
            raise ConfigError("the store took the scripts but not the lease; `hereabouts doctor` tries it again")
        owner = self._context.owner
        namesakes = [other for other in peers.others() if other.node == owner.node]
        if any(await asyncio.gather(*(peers.ask(other, ARE_YOU_THERE) for other in namesakes))):
            await peers.forget(owner)
            raise ConfigError(
                f"another process that runs is the node {owner.node!r} of this store; stop it, or give each node a "
                "name of its own in server.node"
            )

    async def close(self) -> None:
        """Judge no more."""
        if self._recovering is not None:
            await end([self._recovering])
        await self._burying.end()

    # What is heard of the store

    def _rolled(self, roll: Roll | None) -> None:
        if roll is None:
            self._blind()
            return
        self._context.clock.follow(roll.at, roll.tick)
        is_first = not self._generation
        lost = not is_first and roll.generation != self._generation
        lapsed = not is_first and (roll.renewed_at is None or self._is_over(roll.renewed_at, roll.at))
        was_blind = self._contact_tick is None
        self._generation = roll.generation
        if is_first:
            self._peers.register(roll.generation)
        if was_blind or lost or lapsed:  # a node that stood still has not seen the others either
            self._contact_tick = roll.tick
        if not is_first and (lost or lapsed or was_blind):
            log.warning("store", text="registering again", lost=lost, lapsed=lapsed)
            if lapsed:
                self._unnote()  # the others may have taken away what stood, and the notes of where
            self._doubt(lost)
        if self._recovering is None:
            # While the store is filled again, those count who lived before.
            self._living = frozenset(p.owner for p in roll.peers if not self._is_over(p.renewed_at, roll.at))
        for peer in roll.peers:
            if self._is_over(peer.renewed_at, roll.at):
                self._burying.begin(peer)

    def _is_over(self, renewed_at: int, at: int) -> bool:
        return renewed_at + self._lease_seconds * 1000 <= at

    def _healthy(self, is_healthy: bool) -> None:
        if is_healthy:
            self._doubt(False)
        else:
            self._blind()

    def _blind(self) -> None:
        """The store is out of reach: nobody is judged, nobody is gone."""
        self._contact_tick = None
        self._leaving.degrade(STORE)

    def _doubt(self, lost: bool) -> None:
        self._doubts += 1
        if lost:
            self._is_lost = True
            self._unnote()
        self._leaving.degrade(STORE)
        if self._recovering is None:
            self._recovering = asyncio.create_task(self._recover())

    def _unnote(self) -> None:
        self._is_unnoted = True
        self._peers.lost()

    # The way back

    async def _recover(self) -> None:
        """Register what this node owns, wait for the others to do so, look: as often as there is a new doubt."""
        try:
            while True:
                doubts = self._doubts
                try:
                    await self._stand_again()
                except HereaboutsError:
                    await asyncio.sleep(AGAIN_SECONDS)
                    continue
                except Exception as error:  # views stay stale until it works
                    self._context.failed(error)
                    await asyncio.sleep(AGAIN_SECONDS)
                    continue
                if self._doubts == doubts:
                    break
        finally:
            self._recovering = None
        self._is_lost = self._is_unnoted = False
        self._leaving.restore(STORE)
        self._doubt_word()
        self._recovered()
        log.info("store", text="views are current again", sessions=len(self._registry), nodes=len(self._living) + 1)

    async def _stand_again(self) -> None:
        expected = self._living
        if await self._peers.renew() is None:
            raise StoreUnavailable("the lease could not be renewed")
        was_lost, generation = self._is_lost, self._generation
        await self._writer.finish()
        for group in groups(tuple(self._registry)):
            # Each behind whatever it has asked for.
            await asyncio.gather(*(owned.chain.ask(partial(self._put_again, owned)) for owned in group))
        await self._clean()
        # Not the generation of this moment: if the store was lost meanwhile, some of it stands there no more.
        self._peers.register(generation)
        await self._peers.renew()
        if was_lost:
            await self._all_registered(expected, generation)
        await self._peers.reread()

    async def _put_again(self, owned: OwnedSession) -> None:
        session = owned.session
        for write in session_feeds(session):
            assert isinstance(write, Write) and isinstance(write.change, Put)
            record = write.change.record
            standing = await self._peers.standing(Place(write.feed, session.user_id, session.session_id))
            if standing == record and not self._is_unnoted:
                continue  # where it stands is noted with a put
            if standing is not None and standing.owner != session.owner and standing.outranks(record):
                self._moved(owned)
                return
            commit = await self._context.backend.commit(write.feed, write.change)
            self._record_again(session, write.feed, write.change, commit)
        if session.is_listed:
            await moving.keep(self._context, session)
            if self._is_unnoted:  # else what does not stand was taken back while this node did not hear
                await self._declare_again(session.user_feed())

    def _record_again(self, session: Session, feed: FeedKey, change: Put, commit: Commit) -> None:
        """What a lost store held has not begun again; what others took away from a living one, or never got, has."""
        recorder, at = self._context.recorder, self._context.now().at
        if not self._is_lost:
            recorder.committed(session, feed, change, commit, at)
        elif session.policy.durability != "none":
            recorder.followed(feed, change, commit, at)

    async def _declare_again(self, feed: FeedKey) -> None:
        person = self._people.find(feed)
        declaration = person.declaration if person is not None else None
        if declaration is not None and await self._peers.standing(Place(feed, feed.name, DECLARATION)) is None:
            await self._context.backend.commit(feed, Put(declaration))

    async def _clean(self) -> None:
        """Take away what stands for this node and is no more. Who joins meanwhile is looked at when the turn comes."""
        for place in await self._peers.places(self._context.owner):
            owned = self._registry.find(place.session_id)
            if owned is None or not (len(owned.chain) or self._stands(owned, place.feed)):
                await self._burying.reap(self._context.owner, "lease_expired", place)

    @staticmethod
    def _stands(owned: OwnedSession, feed: FeedKey) -> bool:
        return any(isinstance(write, Write) and write.feed == feed for write in session_feeds(owned.session))

    async def _all_registered(self, expected: frozenset[Owner], generation: str) -> None:
        """Wait for every node that lives, but for none longer than its lease.

        Those that lived before the loss are known; one that had just begun shows itself within the time of a renewal.
        """
        begun = self._context.clock.monotonic()
        while True:
            roll = await self._peers.renew()
            if roll is None:
                raise StoreUnavailable("the lease could not be renewed")
            if roll.generation != generation:
                raise StoreUnavailable("the store was lost again while it was filled")
            there = {peer.owner for peer in roll.peers if peer.registered == roll.generation}
            missing = (expected | {peer.owner for peer in roll.peers}) - there
            waited = self._context.clock.monotonic() - begun
            if not missing and waited >= self._lease_seconds / RENEWALS:
                return
            if waited >= self._lease_seconds:
                break
            await asyncio.sleep(AGAIN_SECONDS)
        log.warning("store", text="some nodes did not register again in time", nodes=sorted(missing))

    @property
    def _peers(self) -> Peers:
        assert self._context.backend.peers is not None
        return self._context.backend.peers
