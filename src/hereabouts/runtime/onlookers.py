"""Who looks at which users: viewers are put onto cards and taken off, one change of a viewer after another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from hereabouts.engine.records import FeedKey
from hereabouts.errors import JournalUnavailable
from hereabouts.fanout.cards import Card, Cards
from hereabouts.fanout.viewer import Viewer
from hereabouts.runtime.chain import Chain
from hereabouts.runtime.context import Context
from hereabouts.runtime.relations import Relations, Sight
from hereabouts.runtime.relay import Relay


class _Looker:
    """One viewer: what is done for it waits for what is being done. Kept while it looks or something is to be done."""

    __slots__ = ("lock", "waiting")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


class Onlookers:
    """The viewers of users. An edge that is taken away is taken from those who look, at once."""

    def __init__(self, context: Context, relay: Relay, cards: Cards, relations: Relations) -> None:
        self._context = context
        self._relay = relay
        self._cards = cards
        self._relations = relations
        self._lookers: dict[tuple[str, str], dict[Viewer, _Looker]] = {}
        self._rechecking: set[Viewer] = set()

    async def watch(self, viewer: Viewer, user_ids: Sequence[str]) -> None:
        """Look at these: all cards now, and then what changes. Raises `JournalUnavailable`."""
        async with self._turn(viewer):
            await self._place(viewer, user_ids, await self._relations.sight(viewer.identity, user_ids))
            self._cards.send(viewer, [viewer.cards[user_id] for user_id in user_ids])

    async def unwatch(self, viewer: Viewer, user_ids: Collection[str]) -> None:
        """Look at these no more."""
        if not viewer.cards:
            return
        async with self._turn(viewer):
            for user_id in user_ids:
                card = viewer.cards.pop(user_id, None)
                if card is not None:
                    await self._take_off(viewer, card)
            viewer.related.intersection_update(viewer.cards)

    async def changed(self, tenant: str, watcher: str) -> None:
        """This user's relations are others now. Returns when all who look here as that user have been judged."""
        for viewer in tuple(self._lookers.get((tenant, watcher), ())):
            await self.judge(viewer)

    async def judge_all(self) -> None:
        """The edges of anybody may be others now."""
        for tenant, watcher in tuple(self._lookers):
            await self.changed(tenant, watcher)

    async def judge(self, viewer: Viewer) -> None:
        """What this viewer may see may have changed: send the cards that look different now."""
        async with self._turn(viewer):
            at = self._context.now().at
            shown = {
                user_id: None if user_id in viewer.cards_behind else card.json(viewer, at)
                for user_id, card in viewer.cards.items()
            }
            try:
                sight = await self._relations.sight(viewer.identity, tuple(shown))
            except JournalUnavailable:
                sight = self._relations.by_token(viewer.identity, tuple(shown))
            await self._place(viewer, tuple(shown), sight)
            changed = [viewer.cards[user_id] for user_id in shown]
            self._cards.renew(viewer, [card for card in changed if card.json(viewer, at) != shown[card.user_id]])

    async def _place(self, viewer: Viewer, user_ids: Sequence[str], sight: Sight) -> None:
        """Put the viewer onto the cards that it may see; what it may no longer see goes first."""
        tenant = viewer.identity.tenant
        viewer.related.difference_update(user_ids)
        viewer.related.update(sight.related)
        for user_id in user_ids:
            earlier = viewer.cards.get(user_id)
            if user_id not in sight.visible and (earlier is None or earlier.is_followed):
                # Watching never errors: somebody one may not watch looks like somebody who was never seen.
                await self._put_on(viewer, Card(user_id, self._context.policy(tenant), is_followed=False))
        for user_id in user_ids:
            if user_id in sight.visible:
                await self._put_on(viewer, (await self._relay.look(FeedKey(tenant, "user", user_id))).card)
        self._recheck(viewer)

    async def _put_on(self, viewer: Viewer, card: Card) -> None:
        earlier = viewer.cards.get(card.user_id)
        card.watchers[viewer] = None
        viewer.cards[card.user_id] = card
        if earlier is not None and earlier is not card:
            await self._take_off(viewer, earlier)

    async def _take_off(self, viewer: Viewer, card: Card) -> None:
        card.watchers.pop(viewer, None)
        viewer.cards_behind.pop(card.user_id, None)
        if card.is_followed:
            await self._relay.release(FeedKey(viewer.identity.tenant, "user", card.user_id))

    def _recheck(self, viewer: Viewer) -> None:
        """What the resolver said is good for a while; then it is asked again for those who still look."""
        resolver = self._relations.resolver
        if resolver is None or viewer in self._rechecking or viewer.identity.is_server:
            return
        if all(viewer.identity.grants.is_related(user_id) for user_id in viewer.cards):
            return
        self._rechecking.add(viewer)
        self._context.later(resolver.cache_seconds, lambda: self._ask_again(viewer))

    def _ask_again(self, viewer: Viewer) -> None:
        self._rechecking.discard(viewer)
        if viewer.cards:
            Chain(self._context.failed).add(lambda: self.judge(viewer))

    @asynccontextmanager
    async def _turn(self, viewer: Viewer) -> AsyncIterator[None]:
        key = viewer.identity.tenant, viewer.identity.user_id
        looker = self._lookers.setdefault(key, {}).setdefault(viewer, _Looker())
        looker.waiting += 1
        try:
            async with looker.lock:
                yield
        finally:
            looker.waiting -= 1
            if not looker.waiting and not viewer.cards:
                del self._lookers[key][viewer]
                if not self._lookers[key]:
                    del self._lookers[key]
