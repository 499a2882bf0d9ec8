"""What is begun is kept, and is over when its owner is: also where a cancellation is lost on the way."""

from __future__ import annotations

import asyncio

from hereabouts.tasks import AGAIN_SECONDS, Tasks, end
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
