"""Work in the background: what is begun is kept, survives its own faults, and ends together with who began it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final, TypeVar

import structlog

T = TypeVar("T")

Failed = Callable[[Exception], None]

log = structlog.get_logger("hereabouts")

AGAIN_SECONDS: Final = 2.0
"""How long a task may take to end before it is cancelled once more."""

FAILED_SECONDS: Final = 1.0
"""The least pause after a round that failed."""


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


def log_fault(error: Exception) -> None:
    """Say that something of ours went wrong."""
    log.error("fault", exc_info=error)


class Tasks:
    """The work of one owner. `failed` is told what work raised for which nobody waits."""

    def __init__(self, failed: Failed = log_fault) -> None:
        self._failed = failed
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin with this, for who waits for it. The event loop alone would let go of it half way."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this once; nobody waits for it."""
        # Not a coroutine around it: one that is cancelled before it begins would leave `work` never awaited.
        self.start(work).add_done_callback(self._tell)

    def repeat(self, act: Callable[[], Awaitable[None]], pause_seconds: float = 0.0) -> None:
        """Do this again and again, with a pause in between. A round that fails does not keep the next from coming."""
        self.start(self._repeat(act, pause_seconds))

    async def _repeat(self, act: Callable[[], Awaitable[None]], pause_seconds: float) -> None:
        while True:
            try:
                await act()
            except Exception as error:
                self._failed(error)
                await asyncio.sleep(max(pause_seconds, FAILED_SECONDS))
            else:
                await asyncio.sleep(pause_seconds)

    def _tell(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._failed(error)

    async def settled(self) -> None:
        """Return when nothing is left to do, and nothing of it began anything more."""
        while self._running:
            await asyncio.wait(self._running)

    async def end(self) -> None:
        """Break off what is under way. See `end`."""
        await end(tuple(self._running))
