"""What a dead node left is taken away by the others: each record when its grace is over, and each once.

Source: `spec/semantics.md`, rules 12 to 14.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

import structlog

from hereabouts.backends.base import Peer, Peers, Place
from hereabouts.engine.records import FeedKey, Owner, Remove
from hereabouts.errors import StoreUnavailable
from hereabouts.runtime.census import ALIVE_SECONDS
from hereabouts.runtime.context import Context
from hereabouts.runtime.writer import Writer
from hereabouts.tasks import Tasks

T = TypeVar("T")

log = structlog.get_logger("hereabouts")

AGAIN_SECONDS: Final = 0.25
"""How long to wait before the store is looked for again."""

AT_ONCE: Final = 100
"""Records that are looked at or taken away together."""


class Burying:
    """Buries the dead of a shared store.

    `contact` gives the tick since when this node has seen the store without a break, `None` while it does not;
    `buried` is called after each burial.
    """

    def __init__(
        self, context: Context, writer: Writer, contact: Callable[[], float | None], buried: Callable[[], None]
    ) -> None:
        self._context = context
        self._writer = writer
        self._contact = contact
        self._buried = buried
        self._lease_seconds = context.node_clocks.lease_seconds
        self._under_way: set[Owner] = set()
        self._tasks = Tasks(context.failed)

    def begin(self, peer: Peer) -> None:
        """Bury a node whose lease is over, unless that is being done. What fails is begun anew with the next roll."""
        if peer.owner not in self._under_way:
            self._under_way.add(peer.owner)
            self._tasks.do(self._bury(peer))

    async def end(self) -> None:
        """Leave the rest to others."""
        await self._tasks.end()

    async def reap(self, owner: Owner, cause: str, place: Place) -> None:
        """Take away what stands for this owner at a place, if it does."""
        commit = await self._peers.reap(owner, place, cause)
        change = Remove(place.session_id, place.user_id, 0, owner, cause)
        await self._writer.reaped(place.feed, change, commit)

    async def _bury(self, peer: Peer) -> None:
        try:
            await self._reap_all(peer)
        except StoreUnavailable:
            pass  # it is out of reach, which is told elsewhere
        finally:
            self._under_way.discard(peer.owner)

    async def _reap_all(self, peer: Peer) -> None:
        """Take away each record when its grace is over, if the node stays dead until then."""
        died_at = self._died_at(peer)
        graces: dict[float, list[Place]] = {}
        for place in await self._peers.places(peer.owner):
            graces.setdefault(self._grace_seconds(place.feed), []).append(place)
        for grace_seconds in sorted(graces) or [0.0]:
            await self._until(died_at + int(grace_seconds * 1000), grace_seconds)
            roll = await self._peers.renew()
            if roll is None or peer not in roll.peers or self._contact() is None:
                return
            for group in groups(graces.get(grace_seconds, ())):
                await asyncio.gather(*(self.reap(peer.owner, "node_lost", place) for place in group))
        await self._peers.forget(peer.owner)
        self._tasks.do(self._end_record(peer))
        self._buried()
        tell = log.warning if graces else log.info
        tell("node_lost", node=peer.owner.node, records=sum(map(len, graces.values())))

    async def _end_record(self, peer: Peer) -> None:
        """End in a shared record what the node left open, unless it says there that it lives, or one of its name."""
        await asyncio.sleep(2 * ALIVE_SECONDS)
        await self._context.journal.recover_silent(peer.owner.node, self._died_at(peer), self._context.now().at)

    async def _until(self, at: int, grace_seconds: float) -> None:
        """Until that server time, and until this node has seen the store for a lease and the grace without a break."""
        while True:
            contact = self._contact()
            left = (at - self._context.now().at) / 1000
            if contact is not None:
                left = max(left, contact + self._lease_seconds + grace_seconds - self._context.clock.monotonic())
                if left <= 0:
                    return
            await asyncio.sleep(max(left, 0.01) if contact is not None else AGAIN_SECONDS)

    def _died_at(self, peer: Peer) -> int:
        return peer.renewed_at + int(self._lease_seconds * 1000)

    def _grace_seconds(self, feed: FeedKey) -> float:
        return self._context.policy(feed.tenant, room=feed.name if feed.kind == "room" else None).grace_seconds

    @property
    def _peers(self) -> Peers:
        assert self._context.backend.peers is not None
        return self._context.backend.peers


def groups(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """So many at once that a store is busy and not flooded."""
    return (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))
