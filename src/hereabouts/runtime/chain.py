"""Steps that run one after another, in the order in which they were asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

Step = Callable[[], Awaitable[None]]


class Chain:
    """What one session asked for, in order. A task exists only while there is something to do.

    A step decides between two waits and never across one; whatever must come after it is another step. So a removal
    that follows a join is committed after it, whatever the store takes (rule 3).
    """

    __slots__ = ("_failed", "_steps", "_task")

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._steps: deque[Step] | None = None
        self._task: asyncio.Task[None] | None = None
        self._failed = failed

    def __len__(self) -> int:
        return len(self._steps) if self._steps is not None else 0

    def add(self, step: Step) -> None:
        """Run this after everything asked for before."""
        if self._steps is None:
            self._steps = deque()
        self._steps.append(step)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def settled(self) -> None:
        """Return when nothing is left to do."""
        while self._task is not None:
            await asyncio.shield(self._task)

    async def _run(self) -> None:
        try:
            while self._steps:
                step = self._steps.popleft()
                try:
                    await step()
                except Exception as error:  # a fault of one step must not stop the removals behind it
                    self._failed(error)
        finally:
            # An empty deque is most of a kilobyte, and most sessions have nothing to do most of the time.
            self._task = self._steps = None
