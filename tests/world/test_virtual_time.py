"""The loop that the world tests stand on."""

from __future__ import annotations

import asyncio
import time

import pytest

from hereabouts.testing import virtual_time


def test_an_hour_of_waiting_takes_no_time() -> None:
    async def wait() -> float:
        before = asyncio.get_running_loop().time()
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time() - before

    began = time.monotonic()
    assert virtual_time.run(wait()) == pytest.approx(3600)
    assert time.monotonic() - began < 5


def test_waits_end_in_the_order_of_their_deadlines() -> None:
    async def race() -> list[float]:
        ended: list[float] = []

        async def wait(seconds: float) -> None:
            await asyncio.sleep(seconds)
            ended.append(seconds)

        await asyncio.gather(wait(3), wait(1), wait(2))
        return ended

    assert virtual_time.run(race()) == [1, 2, 3]


def test_a_stall_lets_time_pass_while_nobody_gets_a_turn() -> None:
    async def stall() -> float:
        loop = virtual_time.virtual_loop()
        fired: list[float] = []
        loop.call_later(1, lambda: fired.append(loop.time()))
        began = loop.time()
        loop.stall(30)
        await asyncio.sleep(0.1)
        return fired[0] - began

    assert virtual_time.run(stall()) == pytest.approx(30)


def test_behind_a_shut_gate_nothing_goes_on_and_nothing_is_lost() -> None:
    async def story() -> list[float]:
        loop, gate = virtual_time.virtual_loop(), virtual_time.Gate()
        begun, ended = loop.time(), list[float]()

        async def process() -> None:
            for _ in range(3):
                await asyncio.sleep(1)
                ended.append(loop.time() - begun)

        task = gate.start(process())
        await asyncio.sleep(1.5)
        gate.is_shut = True
        await asyncio.sleep(10)
        assert ended == [1]
        gate.open()
        await task
        return ended

    assert virtual_time.run(story()) == pytest.approx([1, 11.5, 12.5])


def test_what_is_called_off_behind_a_shut_gate_does_not_happen() -> None:
    async def story() -> list[str]:
        loop, gate, done = virtual_time.virtual_loop(), virtual_time.Gate(), list[str]()
        handle = loop.call_later(1, done.append, "called off", context=gate.context)
        loop.call_later(1, done.append, "stands", context=gate.context)
        gate.is_shut = True
        await asyncio.sleep(2)
        handle.cancel()
        gate.open()
        await asyncio.sleep(0)
        return done

    assert virtual_time.run(story()) == ["stands"]


def test_waiting_for_what_never_comes_fails_at_once() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="never happen"):
        virtual_time.run(wait())
