"""Steps that run one after another, in the order in which they were asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
Step = Callable[[], Awaitable[None]]


class Chain:
    """What one session asked for, in order. A task exists only while there is something to do.

    There are two kinds of steps. One that was *asked for* decides when its turn comes. One that was *decided* is only
    to be carried out, and goes before all that has yet to decide: so the store hears of decisions in the order in which
    they were taken. A change of status that was decided while a leave was waiting is not written after that leave.

    A step decides between two waits and never across one; whatever must come after it is another step. So a removal
    that follows a join is committed after it, whatever the store takes (rule 3).
    """

    __slots__ = ("_asked", "_decided", "_failed", "_task")

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        # An empty deque is most of a kilobyte, and most sessions have nothing to do most of the time.
        self._asked: deque[Step] | None = None
        self._decided: deque[Step] | None = None
        self._task: asyncio.Task[None] | None = None
        self._failed = failed

    def __len__(self) -> int:
        return len(self._asked or ()) + len(self._decided or ())

    def add(self, step: Step) -> None:
        """Run this after everything asked for before."""
        if self._asked is None:
            self._asked = deque()
        self._asked.append(step)
        self._start()

    def add_decided(self, step: Step) -> None:
        """Run this after everything decided before, and before anything else."""
        if self._decided is None:
            self._decided = deque()
        self._decided.append(step)
        self._start()

    async def ask(self, step: Callable[[], Awaitable[T]]) -> T:
        """Run this after everything asked for before, and give back what it gives or raise what it raises."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def answering() -> None:
            try:
                given = await step()
            except Exception as error:
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(given)

        self.add(answering)
        return await answer

    async def through(self, steps: Sequence[Step]) -> None:
        """Carry out now what the present step of this chain has decided, behind what was decided before.

        Raises what the first of these steps to fail raises; those after it are carried out nevertheless.
        """
        assert asyncio.current_task() is self._task, "only a step of the chain itself carries out within the chain"
        if self._decided is None:
            self._decided = deque()
        decided, earlier = self._decided, len(self._decided)
        decided.extend(steps)
        for _ in range(earlier):
            await self._try(decided.popleft())
        for _ in steps:
            await decided.popleft()()

    async def settled(self) -> None:
        """Return when nothing is left to do."""
        while self._task is not None:
            await asyncio.shield(self._task)

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while queue := self._decided or self._asked:
                await self._try(queue.popleft())
        finally:
            self._task = self._asked = self._decided = None

    async def _try(self, step: Step) -> None:
        try:
            await step()
        except Exception as error:  # a fault of one step must not stop the removals behind it
            self._failed(error)
