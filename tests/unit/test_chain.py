"""The order of a session's steps: decisions reach the store in the order in which they were taken."""

from __future__ import annotations

import asyncio

import pytest

from hereabouts.runtime.chain import Chain, Step


class Log:
    """What ran, in order, and what failed without stopping the rest."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.failed: list[str] = []
        self.chain = Chain(lambda error: self.failed.append(str(error)))

    def step(self, name: str, waits: int = 1) -> Step:
        async def run() -> None:
            for _ in range(waits):
                await asyncio.sleep(0)
            self.ran.append(name)

        return run

    def failing(self, text: str) -> Step:
        async def run() -> None:
            await asyncio.sleep(0)
            raise ValueError(text)

        return run


async def test_steps_run_in_order_and_one_at_a_time() -> None:
    log = Log()
    for name, waits in (("slow", 5), ("quick", 0), ("last", 1)):
        log.chain.add(log.step(name, waits))
    assert len(log.chain) == 3
    await log.chain.settled()
    assert log.ran == ["slow", "quick", "last"]
    assert len(log.chain) == 0


async def test_what_was_decided_goes_before_what_has_yet_to_decide() -> None:
    log = Log()

    async def leave() -> None:
        await log.chain.through([log.step("leave")])

    log.chain.add(log.step("busy", 3))
    log.chain.add(leave)
    await asyncio.sleep(0)
    log.chain.add_decided(log.step("status"))
    await log.chain.settled()
    assert log.ran == ["busy", "status", "leave"]


async def test_a_step_carries_out_behind_what_was_decided_before_it_and_ahead_of_what_is_decided_meanwhile() -> None:
    log = Log()

    async def decides() -> None:
        log.chain.add_decided(log.step("before"))
        await log.chain.through([log.step("first", 4), log.step("second")])
        log.ran.append("done")

    log.chain.add(decides)
    asyncio.get_running_loop().call_soon(lambda: log.chain.add_decided(log.step("meanwhile")))
    await log.chain.settled()
    assert log.ran == ["before", "first", "second", "done", "meanwhile"]


async def test_a_fault_stops_no_step_behind_it() -> None:
    log = Log()

    async def decides() -> None:
        await log.chain.through([log.failing("mine"), log.step("removal")])

    log.chain.add_decided(log.failing("earlier"))
    log.chain.add(decides)
    log.chain.add(log.step("next"))
    await log.chain.settled()
    assert log.failed == ["earlier", "mine"]
    assert log.ran == ["removal", "next"]


async def test_who_asks_hears_the_answer_or_the_fault() -> None:
    log = Log()

    async def seven() -> int:
        return 7

    assert await log.chain.ask(seven) == 7
    with pytest.raises(ValueError, match="refused"):
        await log.chain.ask(log.failing("refused"))
    assert log.failed == []


async def test_who_asked_and_went_away_holds_nothing_up() -> None:
    log = Log()
    asking = asyncio.ensure_future(log.chain.ask(log.step("asked", 3)))
    await asyncio.sleep(0)
    asking.cancel()
    log.chain.add(log.step("next"))
    await log.chain.settled()
    assert log.ran == ["asked", "next"]
    assert asking.cancelled() and log.failed == []


async def test_only_a_step_of_the_chain_carries_out_within_it() -> None:
    log = Log()
    with pytest.raises(AssertionError, match="only a step of the chain itself"):
        await log.chain.through([log.step("stranger")])
