"""The sweep on an admin's word: what is due is done now, and what an earlier life of the node left is taken away."""

from __future__ import annotations

from collections import Counter
from copy import copy

from msgspec import Struct

from hereabouts.engine.effects import Effects, Over, Write
from hereabouts.engine.records import DECLARATION, FeedKey, Records, Remove
from hereabouts.engine.session import Session
from hereabouts.runtime.context import Context
from hereabouts.runtime.people import People
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.relay import Relay
from hereabouts.runtime.writer import Writer


class Swept(Struct, frozen=True):
    """What a sweep did, or would do. `sessions` that were judged, `lost` whose grace begins, `removed` by cause;
    `ghosts` are records that an earlier life of this node left.
    """

    sessions: int
    lost: int
    removed: dict[str, int]
    ghosts: int


class Sweep:
    """Sweeps this node. The timer does the same by itself, all the time; nothing waits for an admin."""

    def __init__(self, context: Context, registry: Registry, people: People, relay: Relay, writer: Writer) -> None:
        self._context = context
        self._registry = registry
        self._people = people
        self._relay = relay
        self._writer = writer

    async def run(self, tenant: str, *, is_dry: bool) -> Swept:
        """Judge every session of a tenant now. A dry run changes nothing."""
        now = self._context.now()
        lost, judged = 0, 0
        removed: Counter[str] = Counter()
        for owned in self._registry:
            if owned.session.tenant != tenant:
                continue
            judged += 1
            before = owned.session.phase
            session = rehearsal(owned.session) if is_dry else owned.session
            effects = session.advance(now)
            lost += before == "live" and session.phase == "lost"
            removed.update(_removals(effects))
            if not is_dry:
                self._writer.run(owned, effects)
        return Swept(judged, lost, dict(removed), await self._lay_ghosts(tenant, is_dry))

    async def _lay_ghosts(self, tenant: str, is_dry: bool) -> int:
        ghosts = [(feed, record) for feed, record in self._standing(tenant) if self._is_ghost(record)]
        if not is_dry:
            for feed, record in ghosts:
                remove = Remove(record.session_id, record.user_id, record.incarnation, record.owner, "node_lost")
                await self._context.backend.commit(feed, remove)
        return len(ghosts)

    def _standing(self, tenant: str) -> list[tuple[FeedKey, Records]]:
        """Every session's record in the feeds that this node follows."""
        found: list[tuple[FeedKey, Records]] = []
        for person in self._people:
            if person.feed.tenant == tenant:
                found += [(person.feed, r) for key, r in person.records.items() if key != DECLARATION]
        for feed, fan in self._relay.rooms.items():
            if feed.tenant == tenant:
                found += [(feed, record) for record in fan.roster.records()]
        return found

    def _is_ghost(self, record: Records) -> bool:
        """Whether an earlier life of this node left the record; what it handed over has our incarnation."""
        own = self._context.owner
        return record.owner.node == own.node and record.owner.incarnation < own.incarnation


def rehearsal(session: Session) -> Session:
    """A copy on which a decision may be tried: nothing of it is carried out."""
    tried = copy(session)
    tried.rooms = {room: copy(joined) for room, joined in session.rooms.items()}
    tried.typing = dict(session.typing)
    return tried


def _removals(effects: Effects) -> list[str]:
    """The causes of the removals that others see: from a user's feed, each session's once."""
    found = [
        e.change.cause
        for e in effects
        if isinstance(e, Write) and e.feed.kind == "user" and isinstance(e.change, Remove)
    ]
    return found or [effect.cause for effect in effects if isinstance(effect, Over)]
