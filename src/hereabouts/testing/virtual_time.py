"""An event loop whose time passes only while nobody has anything to do, so that a minute of waiting takes no time.

The loop is the standard one; only its selector is ours: asked to wait, it moves the clock instead. What runs on it
is as real as ever, but the same program takes the same steps at the same moments every time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
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


class VirtualLoop(asyncio.SelectorEventLoop):
    """The event loop on virtual time. It begins at 1000 s, so that nothing mistakes an early tick for none."""

    def __init__(self) -> None:
        self._moves = _Selector()
        super().__init__(self._moves)

    def time(self) -> float:
        """Seconds of virtual time."""
        return 1000.0 + self._moves.elapsed_seconds

    def stall(self, seconds: float) -> None:
        """Stand still for so long: time passes and nobody gets a turn."""
        self._moves.elapsed_seconds += seconds


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end on virtual time; what was left running is cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def virtual_loop() -> VirtualLoop:
    """The loop that the caller runs on."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "this runs on virtual time only: start it with virtual_time.run"
    return loop
