"""What is known of a holder beyond this node: in the store, in the journal, and by the other nodes.

A node knows only the beats of its own sessions. Before it ends a holding, or calls a holder stale, it hears the others;
where one lives and does not answer, nothing is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec import UNSET, Struct

from hereabouts.engine.lasting import Known
from hereabouts.engine.records import FeedKey, Presence
from hereabouts.errors import JournalUnavailable
from hereabouts.runtime.context import Context
from hereabouts.runtime.switchboard import Switchboard

Held = tuple[str, str, str]
"""A tenant, a resource, and the user who holds it."""


class Times(Struct, frozen=True, tag="times"):
    """The question what a node knows of the times of those who hold these."""

    holdings: list[Held]


class Witnesses:
    """Asks the others, and tells them what `known` says."""

    def __init__(self, context: Context, switchboard: Switchboard, known: Callable[[Held], Known]) -> None:
        self._context = context
        self._switchboard = switchboard
        self._known = known
        switchboard.answer(Times, self._tell)

    async def of(self, holdings: Sequence[Held]) -> list[list[Known]] | None:
        """What is known of each holder; `None` where somebody who might know more did not answer."""
        peers = self._context.backend.peers
        if peers is not None and await peers.renew() is None:
            return None  # who lives is not known
        answers = await self._switchboard.ask_each(self._switchboard.others(), Times(list(holdings)))
        told: list[list[Known]] = []
        for answered in answers.values():
            if answered is None or answered.body is UNSET:
                return None
            told.append(msgspec.json.decode(answered.body, type=list[Known]))
        try:
            told.append(await self.recorded(holdings))
        except JournalUnavailable:
            return None
        return [list(known) for known in zip(*told, strict=True)]

    async def recorded(self, holdings: Sequence[Held]) -> list[Known]:
        """What the journal knows of each holder, also by nodes that are gone. Raises `JournalUnavailable`."""
        seen = {
            tenant: await self._context.journal.last_seen(tenant, sorted({u for t, _, u in holdings if t == tenant}))
            for tenant in {tenant for tenant, _, _ in holdings}
        }
        found = [seen[tenant].get(user_id) for tenant, _, user_id in holdings]
        return [Known(s.active_at, s.public_active_at, s.public_seen_at) if s is not None else Known() for s in found]

    async def _tell(self, question: Times) -> list[Known]:
        return [self._known(holding) for holding in question.holdings]


async def has_sessions(context: Context, tenant: str, user_id: str) -> bool:
    """Whether the user has a session, at whichever node. Raises `StoreUnavailable`."""
    snapshot = await context.backend.snapshot(FeedKey(tenant, "user", user_id))
    return any(isinstance(record, Presence) for record in snapshot.records)
