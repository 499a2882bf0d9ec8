"""An event loop whose time passes only while nobody has anything to do, so that a minute of waiting takes no time.

The loop is the standard one; only its selector is ours: asked to wait, it moves the clock instead. What runs on it
is as real as ever, but the same program takes the same steps at the same moments every time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Waits by moving `elapsed_seconds`. Real files are looked at, never waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `selectors.BaseSelector.select`."""
        if timeout is None:
            raise RuntimeError("everybody waits for something that will never happen")
        self.elapsed_seconds += max(timeout, 0.0)
        return []


class Gate:
    """The turns of one process of several that share the loop. While it is shut, what is due in it waits.

    What is begun with `run` or `start` belongs to it, and all that this begins.
    """

    def __init__(self) -> None:
        self.is_shut = False
        self.waiting: list[asyncio.Handle] = []
        self.context = copy_context()
        self.context.run(_gate.set, self)

    def run(self, call: Callable[..., object], *arguments: Any) -> None:
        """Call it when its turn comes."""
        asyncio.get_running_loop().call_soon(call, *arguments, context=self.context)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a task."""
        return asyncio.get_running_loop().create_task(work, context=self.context)

    def open(self) -> None:
        """Let go on, in the order in which it became due."""
        self.is_shut = False
        waiting, self.waiting = self.waiting, []
        virtual_loop().again(waiting)


_gate: ContextVar[Gate] = ContextVar("gate")


class _Turns(deque[asyncio.Handle]):
    """What the loop runs next. asyncio has no public place for this; its queue of handles is as old as itself."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._nothing = asyncio.Handle(lambda: None, (), loop)
        self._nothing.cancel()

    def popleft(self) -> asyncio.Handle:
        """The next handle, or one that does nothing in the place of one that has to wait."""
        handle = super().popleft()
        gate = handle._context.get(_gate)  # type: ignore[attr-defined]
        if gate is None or not gate.is_shut:
            return handle
        gate.waiting.append(handle)
        return self._nothing


class VirtualLoop(asyncio.SelectorEventLoop):
    """The event loop on virtual time. It begins at 1000 s, so that nothing mistakes an early tick for none."""

    def __init__(self) -> None:
        self._moves = _Selector()
        super().__init__(self._moves)
        self._ready = _Turns(self)

    def time(self) -> float:
        """Seconds of virtual time."""
        return 1000.0 + self._moves.elapsed_seconds

    def stall(self, seconds: float) -> None:
        """Stand still for so long: time passes and nobody gets a turn."""
        self._moves.elapsed_seconds += seconds

    def again(self, handles: Iterable[asyncio.Handle]) -> None:
        """Run these at last, but for those that were cancelled meanwhile."""
        self._ready.extend(handles)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end on virtual time; what was left running is cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def virtual_loop() -> VirtualLoop:
    """The loop that the caller runs on."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "this runs on virtual time only: start it with virtual_time.run"
    return loop
