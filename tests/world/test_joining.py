"""A join whose connection died while it was being decided leaves nothing behind: rule 3 of `spec/semantics.md`."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from hereabouts.backends.memory import MemoryBackend
from hereabouts.testing import virtual_time
from hereabouts.testing.lossy import LossyBackend
from hereabouts.testing.world import World


@pytest.mark.parametrize("seed", range(50))
def test_a_join_that_lost_its_connection_while_the_store_was_slow_is_seen_by_nobody(seed: int) -> None:
    async def scene() -> None:
        store = LossyBackend(MemoryBackend("world"), Random(seed), delay_seconds=1.0, loss=0.0)
        async with World(seed, nodes=2, backend=store) as world:
            watcher = await world.observer("lobby", node=1)
            ada = await world.enter("ada", node=0)
            ada.say("join", id=1, room="lobby")
            ada.drop()
            await asyncio.sleep(15)
            assert watcher.room("lobby").history == []

    virtual_time.run(scene())


def test_a_join_that_is_said_again_after_the_resume_is_one_join() -> None:
    async def scene() -> None:
        store = LossyBackend(MemoryBackend("world"), Random(1), delay_seconds=0.3, loss=0.0)
        async with World(1, nodes=2, backend=store) as world:
            watcher = await world.observer("lobby", node=1)
            ada = await world.enter("ada", node=0)
            ada.say("join", id=1, room="lobby")
            ada.drop()
            assert (await ada.hello(resume=True))["resumed"]
            await ada.join("lobby")
            await asyncio.sleep(5)
            assert [happened.what for happened in watcher.room("lobby").history] == ["join"]

    virtual_time.run(scene())
