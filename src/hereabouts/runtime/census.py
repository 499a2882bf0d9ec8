"""What a node writes down regularly, whatever its load: that it is alive; what it forgets in time, and what is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hereabouts.errors import HereaboutsError, JournalUnavailable
from hereabouts.runtime.context import Context
from hereabouts.tasks import Tasks

ALIVE_SECONDS: Final = 15.0
"""How often. Source: `spec/semantics.md`, section 4."""

PRUNE_SECONDS: Final = 3600.0

DAY_MS: Final = 86_400_000


class Census:
    """Tells the journal every 15 s that this node lives, and once an hour to forget what is older than `keep_days`.

    Then it looks how large the tables are.
    """

    def __init__(self, context: Context, keep_days: Mapping[str, float] | None = None) -> None:
        self._context = context
        self._keep_days = keep_days or {}
        self._tasks = Tasks(context.failed)

    def start(self) -> None:
        """Begin."""
        self._tasks.repeat(self._alive, ALIVE_SECONDS)
        self._tasks.repeat(self._prune, PRUNE_SECONDS)

    async def stop(self) -> None:
        """End; says a last time that the node was alive."""
        await self._tasks.end()
        try:
            await self._alive()
        except HereaboutsError as error:
            self._context.failed(error)

    async def _alive(self) -> None:
        await self._context.journal.alive(self._context.owner.node, self._context.now().at)

    async def _prune(self) -> None:
        journal, now_at = self._context.journal, self._context.now().at
        for kind, days in self._keep_days.items():
            if not days:
                continue
            try:
                await journal.prune({kind: now_at - int(days * DAY_MS)})
            except JournalUnavailable as error:
                self._context.failed(error)  # one that takes too long keeps no other from being forgotten
        if journal.history is not None:
            journal.stored_rows = await journal.history.sizes()
