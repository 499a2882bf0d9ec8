"""One timer for all: what is due is woken, and a fault of one stops the time of nobody else."""

from __future__ import annotations

import asyncio

from hereabouts.engine.deadlines import Timed
from hereabouts.runtime.clock import Clock
from hereabouts.runtime.timers import Timers
from hereabouts.tasks import FAILED_SECONDS
from hereabouts.testing.virtual_time import run

SWEEP_SECONDS = 0.5


class Item:
    """Due again and again, a second later each time."""

    def __init__(self, tick: float) -> None:
        self.tick = tick
        self.filed_slot = -1
        self.woken: list[float] = []

    def due_at(self) -> float | None:
        return self.tick


def test_a_fault_of_one_stops_the_time_of_nobody_else() -> None:
    async def told() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        faults: list[Exception] = []
        broken, sound = Item(began + 1), Item(began + 1)

        def wake(item: Timed) -> None:
            assert isinstance(item, Item)
            item.woken.append(loop.time() - began)
            if item is broken and len(item.woken) == 1:
                raise ZeroDivisionError("its clock")
            item.tick = loop.time() + 1

        timers = Timers(Clock(loop.time, loop.time), SWEEP_SECONDS, wake, faults.append)
        for item in (broken, sound):
            timers.file(item)
        timers.start()
        await asyncio.sleep(4.5)
        timers.stop()
        assert len(faults) == 1
        assert len(sound.woken) == 4
        # It is called again, and then goes on as the others do.
        assert len(broken.woken) == 4
        assert FAILED_SECONDS <= broken.woken[1] - broken.woken[0] <= FAILED_SECONDS + SWEEP_SECONDS

    run(told())
