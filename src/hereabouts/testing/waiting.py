"""Waiting in tests: for something, with a deadline; or for nothing, over a stated window. No test sleeps and hopes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

POLL_SECONDS: Final = 0.005


async def eventually(condition: Callable[[], T], *, within: float = 5.0, what: str = "") -> T:
    """The first truthy value of `condition`. Fails after `within` seconds with `what` and the last value."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not (value := condition()):
        if loop.time() >= deadline:
            raise AssertionError(f"{what or 'the condition'} did not come within {within} s; at last it was {value!r}")
        await asyncio.sleep(POLL_SECONDS)
    return value


async def never(condition: Callable[[], object], *, during: float, what: str = "") -> None:
    """Fails as soon as `condition` is truthy within the next `during` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + during
    while True:
        value = condition()
        if value:
            came = during - (deadline - loop.time())
            raise AssertionError(f"{what or 'what must not be'} was {value!r} after {came:.3f} s of {during} s")
        if loop.time() >= deadline:
            return
        await asyncio.sleep(POLL_SECONDS)


async def pause(seconds: float) -> None:
    """Let time pass because the time is the cause: a close that comes so late, the pace of a sender.

    Never to give something the time to happen: that is `eventually`.
    """
    await asyncio.sleep(seconds)


def stall(seconds: float) -> None:
    """Hold up the whole event loop, as a long computation or a machine that was asleep would: the fault itself."""
    time.sleep(seconds)
