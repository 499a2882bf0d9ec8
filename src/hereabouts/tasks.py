"""Work in the background: what is begun is kept, and ends together with who began it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, Final, TypeVar

T = TypeVar("T")

AGAIN_SECONDS: Final = 2.0
"""How long a task may take to end before it is cancelled once more."""


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel these, and return when each is over, however it ended.

    Once is not always enough: what a library awaits may lose a cancellation that comes together with its answer, as
    `asyncio.wait_for` does before Python 3.12, and then whoever stops a node would wait for ever.
    Source: CPython, issue 86296.
    """
    left = set(tasks)
    for task in left:
        task.add_done_callback(_heard)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)


def _heard(task: asyncio.Task[Any]) -> None:
    """Nobody is told at exit of what a task that was to end raised."""
    if not task.cancelled():
        task.exception()


class Tasks:
    """The work of one owner."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin with this. The event loop alone would let go of it half way."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def settled(self) -> None:
        """Return when nothing is left to do, and nothing of it began anything more."""
        while self._running:
            await asyncio.wait(self._running)

    async def end(self) -> None:
        """Break off what is under way. See `end`."""
        await end(tuple(self._running))
