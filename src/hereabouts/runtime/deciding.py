"""One kind of one tenant: what is held of it, who looks at it, and whose turn it is to decide."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hereabouts.engine.holdings import Held
from hereabouts.fanout.occupancy import KindFan


class Kind:
    """A kind, as far as it is held or looked at here."""

    def __init__(self, tenant: str, name: str) -> None:
        self.tenant = tenant
        self.name = name
        self.held = Held()
        self.fan: KindFan | None = None
        self._lock = asyncio.Lock()
        self._deciding = 0

    @property
    def is_needed(self) -> bool:
        """Whether it is to be kept: also for who only waits to decide."""
        return bool(self.held) or self.fan is not None or self._deciding > 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Decide while nobody else does."""
        self._deciding += 1
        try:
            async with self._lock:
                yield
        finally:
            self._deciding -= 1
