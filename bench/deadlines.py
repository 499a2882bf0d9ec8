"""Deadlines: 100,000 of them pending in one wheel, and whether the event loop feels it.

The wheel is the server's own, on a loop of its own: items are filed at moments spread over the next seconds, are
woken, and are filed again for later, as sessions are. A ticker beside it measures how long the loop stood still: in
CPU time, because on a busy machine the clock also shows what others did meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import time

from bench.report import Figure, quantile
from hereabouts.engine.deadlines import Timed
from hereabouts.runtime.clock import Clock
from hereabouts.runtime.timers import Timers
from hereabouts.tasks import log_fault

NAME = "deadlines"
ITEMS = 100_000
SWEEP_SECONDS = 1.0
"""The default of `sweep_seconds`."""

TICK_SECONDS = 0.001


class Item:
    """Something with a deadline."""

    __slots__ = ("filed_slot", "tick")

    def __init__(self, tick: float) -> None:
        self.tick = tick
        self.filed_slot = -1

    def due_at(self) -> float | None:
        """Its moment."""
        return self.tick


async def run(small: bool) -> list[Figure]:
    """Measure while all are woken twice over; small means once, in a shorter time."""
    seconds = 5.0 if small else 20.0
    clock, late = Clock(), list[float]()

    def wake(item: Timed) -> None:
        assert isinstance(item, Item)
        late.append(clock.tick() - item.tick)
        item.tick = clock.tick() + random.uniform(seconds / 2, seconds)

    timers = Timers(clock, SWEEP_SECONDS, wake, log_fault)
    began = clock.tick()
    for _ in range(ITEMS):
        timers.file(Item(began + random.uniform(0.5, seconds / 2)))
    timers.start()
    used, overslept = await _stalls(seconds)
    timers.stop()
    return [
        Figure(NAME, "deadlines pending", len(timers), ""),
        Figure(NAME, "deadlines met meanwhile", len(late), ""),
        Figure(NAME, "longest stall of the event loop, in CPU time", max(used) * 1000, "ms", 20, "at most"),
        Figure(NAME, "the same by the clock, with what else the machine did", max(overslept) * 1000, "ms"),
        Figure(NAME, "p99 of how late a deadline is met", quantile(late, 0.99) * 1000, "ms", 1000, "at most"),
    ]


async def _stalls(seconds: float) -> tuple[list[float], list[float]]:
    """For each short sleep: the CPU time that went by, which is others' work; how much longer than asked it took."""
    end = time.perf_counter() + seconds
    used: list[float] = []
    overslept: list[float] = []
    while (began := time.perf_counter()) < end:
        cpu = time.thread_time()
        await asyncio.sleep(TICK_SECONDS)
        used.append(time.thread_time() - cpu)
        overslept.append(time.perf_counter() - began - TICK_SECONDS)
    return used, overslept
