"""What the nodes over one Valkey do for each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hereabouts.backends.base import Peers, Place, Roll
from hereabouts.backends.valkey import codec
from hereabouts.backends.valkey.asking import Asking
from hereabouts.backends.valkey.feeds import Feeds
from hereabouts.backends.valkey.index import Index
from hereabouts.backends.valkey.keys import Keys
from hereabouts.backends.valkey.leases import Leases
from hereabouts.backends.valkey.store import Store
from hereabouts.engine.records import Commit, Owner, Records, Remove


class ValkeyPeers(Peers):
    """The leases, the index of places, and the way back after something was missed."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        leases: Leases,
        index: Index,
        asking: Asking,
        feeds: Feeds,
        take: Callable[[Place, Remove], Awaitable[Commit]],
    ) -> None:
        self._store = store
        self._keys = keys
        self._leases = leases
        self._index = index
        self._asking = asking
        self._feeds = feeds
        self._take = take

    def on_roll(self, listener: Callable[[Roll | None], None]) -> None:
        """See `Peers.on_roll`."""
        self._leases.listeners.append(listener)

    def on_doubt(self, listener: Callable[[bool], None]) -> None:
        """See `Peers.on_doubt`."""
        self._feeds.doubters.append(listener)

    async def renew(self) -> Roll | None:
        """See `Peers.renew`."""
        return await self._leases.renew()

    def lost(self) -> None:
        """See `Peers.lost`."""
        self._index.lost()
        self._feeds.stale()

    def register(self, generation: str) -> None:
        """See `Peers.register`."""
        self._leases.registered = generation

    def describe(self, note: str) -> None:
        """See `Peers.describe`."""
        self._leases.note = note

    async def reread(self) -> None:
        """See `Peers.reread`."""
        await self._feeds.reread()

    async def places(self, owner: Owner) -> list[Place]:
        """See `Peers.places`."""
        return await self._index.places(owner)

    async def reap(self, owner: Owner, place: Place, cause: str) -> Commit:
        """See `Peers.reap`."""
        commit = await self._take(place, Remove(place.session_id, place.user_id, 0, owner, cause))
        if commit.applied or commit.before is None:
            # Who took it away may have died before it could say so in the index.
            self._index.reaped(owner, place)
        return commit

    async def forget(self, owner: Owner) -> None:
        """See `Peers.forget`."""
        await self._index.forget(owner)
        await self._store.call("HDEL", self._keys.nodes, codec.owner_text(owner))

    async def keep(self, session_id: str, payload: bytes) -> None:
        """See `Peers.keep`."""
        await self._index.keep(session_id, payload)

    async def kept(self, session_id: str) -> tuple[bytes, list[Place]] | None:
        """See `Peers.kept`."""
        return await self._index.kept(session_id)

    async def standing(self, place: Place) -> Records | None:
        """See `Peers.standing`."""
        packed = await self._store.call("HGET", self._keys.feed(place.feed), codec.user_field(place.user_id))
        return codec.read_user(packed).get(place.session_id) if packed else None

    def lives(self, owner: Owner) -> bool:
        """See `Peers.lives`."""
        return self._leases.lives(owner)

    def others(self) -> tuple[Owner, ...]:
        """See `Peers.others`."""
        return self._leases.others()

    async def ask(self, owner: Owner, question: bytes) -> bytes | None:
        """See `Peers.ask`."""
        return await self._asking.ask(owner, question)

    def on_asked(self, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        """See `Peers.on_asked`."""
        self._asking.answer = answer

    def disown(self, session_id: str) -> None:
        """See `Peers.disown`."""
        self._index.disown(session_id)
