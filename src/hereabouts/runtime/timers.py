"""One timer for all deadlines of the node, which also measures whether the event loop stood still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hereabouts.engine.deadlines import Deadlines, Timed
from hereabouts.runtime.clock import Clock
from hereabouts.tasks import FAILED_SECONDS, Failed

SLICE = 500
"""Deadlines handled in one turn of the event loop; more wait for the next turn, so that no turn grows long."""


class Timers:
    """Turns the wheel of deadlines. `wake` is called with each item that is due; the item is then filed again.

    One that raises is called again a second later, and `failed` is told: time stands still for nobody else.
    """

    def __init__(self, clock: Clock, sweep_seconds: float, wake: Callable[[Timed], None], failed: Failed) -> None:
        self._clock = clock
        self._sweep_seconds = sweep_seconds
        self._step_seconds = min(sweep_seconds / 5, 0.1)
        self._wake = wake
        self._failed = failed
        self._wheel: Deadlines[Timed] = Deadlines(clock.tick(), self._step_seconds / 2)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.Handle | None = None
        self._expected = 0.0
        self.swept_tick = clock.tick()
        self.longest_stall_seconds = 0.0

    def __len__(self) -> int:
        return len(self._wheel)

    def file(self, item: Timed) -> None:
        """Note the item's deadline; needed when it is new or has moved earlier."""
        self._wheel.file(item)

    def start(self) -> None:
        """Begin turning."""
        self._loop = asyncio.get_running_loop()
        self._again(self._step_seconds)

    def stop(self) -> None:
        """Turn no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _again(self, seconds: float) -> None:
        assert self._loop is not None
        self._expected = self._clock.tick() + seconds
        self._handle = self._loop.call_later(seconds, self._turn)

    def _turn(self) -> None:
        late = self._clock.tick() - self._expected
        if late > self._sweep_seconds:
            # Nobody is judged for what could not be heard: read what waits in the sockets first.
            self._clock.stall(late)
            self.longest_stall_seconds = max(self.longest_stall_seconds, late)
            self._again(0)
            return
        self.sweep()

    def sweep(self) -> None:
        """Wake what is due now, a slice at a time."""
        now = self._clock.tick()
        due = self._wheel.due(now, SLICE)
        for item in due:
            try:
                self._wake(item)
                self._wheel.file(item)
            except Exception as error:
                self._failed(error)
                asyncio.get_running_loop().call_later(FAILED_SECONDS, self._wheel.file, item)
        if len(due) < SLICE:
            self.swept_tick = now
        if self._handle is not None:
            self._again(self._step_seconds if len(due) < SLICE else 0)
