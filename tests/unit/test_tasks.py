"""What is begun is kept, goes on after a fault, and is over when its owner is: also where a cancellation is lost."""

from __future__ import annotations

import asyncio

import pytest

from hereabouts.tasks import AGAIN_SECONDS, FAILED_SECONDS, Tasks, end
from hereabouts.testing.virtual_time import run


async def for_ever() -> None:
    await asyncio.Event().wait()


async def deaf_to_the_first() -> None:
    """As `asyncio.wait_for` was before Python 3.12, when what it waited for came together with the cancellation."""
    try:
        await for_ever()
    except asyncio.CancelledError:
        await for_ever()


async def failing_at_the_end() -> None:
    try:
        await for_ever()
    finally:
        raise RuntimeError("the connection was broken already")


def test_a_task_that_lost_its_cancellation_is_cancelled_again() -> None:
    async def told() -> None:
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(deaf_to_the_first()), loop.create_task(for_ever())]
        await asyncio.sleep(0)
        began = loop.time()
        async with asyncio.timeout(10 * AGAIN_SECONDS):
            await end(tasks)
        assert loop.time() - began == AGAIN_SECONDS
        assert all(task.cancelled() for task in tasks)

    run(told())


def test_what_they_raise_at_the_end_is_nobodys_trouble() -> None:
    async def told() -> list[object]:
        troubles: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: troubles.append(context))
        tasks = [loop.create_task(failing_at_the_end())]
        await asyncio.sleep(0)
        await end(tasks)
        tasks.clear()
        await asyncio.sleep(0)
        return troubles

    assert run(told()) == []


def test_nothing_to_end_takes_no_time() -> None:
    async def told() -> None:
        tasks = Tasks()
        await tasks.end()
        await tasks.settled()
        done = tasks.start(asyncio.sleep(1, "done"))
        assert await done == "done"
        await end([done])

    run(told())


def test_what_begins_more_is_waited_for_too() -> None:
    async def told() -> list[str]:
        said: list[str] = []
        tasks = Tasks()

        async def say(word: str, *more: str) -> None:
            await asyncio.sleep(1)
            said.append(word)
            if more:
                tasks.start(say(*more))

        tasks.start(say("one", "two", "three"))
        await tasks.settled()
        return said

    assert run(told()) == ["one", "two", "three"]


def test_none_outlives_its_owner() -> None:
    async def told() -> None:
        tasks = Tasks()
        running = [tasks.start(for_ever()), tasks.start(deaf_to_the_first())]
        await asyncio.sleep(0)
        await tasks.end()
        assert all(task.done() for task in running)

    run(told())


def test_a_round_that_fails_is_told_of_and_there_is_another() -> None:
    async def told() -> None:
        loop = asyncio.get_running_loop()
        at: list[float] = []
        faults: list[Exception] = []
        tasks = Tasks(faults.append)

        async def act() -> None:
            at.append(loop.time())
            if len(at) == 2:
                raise KeyError("nobody thought of it")

        began = loop.time()
        tasks.repeat(act, 0.25)
        await asyncio.sleep(2)
        await tasks.end()
        assert [seen - began for seen in at][:4] == [0, 0.25, 0.25 + FAILED_SECONDS, 0.5 + FAILED_SECONDS]
        assert [repr(fault) for fault in faults] == ["KeyError('nobody thought of it')"]

    run(told())


def test_what_nobody_waits_for_is_told_of_and_what_somebody_does_is_not() -> None:
    async def told() -> None:
        faults: list[Exception] = []
        tasks = Tasks(faults.append)

        async def fail(word: str) -> None:
            raise ValueError(word)

        tasks.do(fail("once"))
        await tasks.settled()
        with pytest.raises(ValueError, match="asked"):
            await tasks.start(fail("asked"))
        assert [str(fault) for fault in faults] == ["once"]

    run(told())


def test_what_is_ended_before_it_began_is_over_without_a_word() -> None:
    async def told() -> list[Exception]:
        faults: list[Exception] = []
        tasks = Tasks(faults.append)
        tasks.do(for_ever())
        await tasks.end()
        await tasks.settled()
        return faults

    assert run(told()) == []
