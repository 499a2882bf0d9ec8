"""Updates that come faster than they may: the last value arrives, and no limit is passed on the way."""

from __future__ import annotations

import asyncio

from hereabouts.engine.limits import Limits
from hereabouts.testing import virtual_time
from hereabouts.testing.world import World


def test_the_last_value_of_each_key_always_arrives() -> None:
    async def scene() -> None:
        async with World(limits=Limits(updates_per_second=2)) as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            for n in range(40):
                ada.say("update", room="lobby", state={"n": n, f"k{n % 3}": n})
            await asyncio.sleep(3)
            assert watcher.room("lobby").members["ada"]["state"] == {"n": 39, "k0": 39, "k1": 37, "k2": 38}

    virtual_time.run(scene())


def test_what_waits_counts_towards_the_size_of_the_state() -> None:
    async def scene() -> None:
        async with World(limits=Limits(updates_per_second=2)) as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            for n in range(6):
                ada.say("update", room="lobby", state={"n": n})
            first = await ada.ask("update", room="lobby", state={"a": "x" * 3_000})
            second = await ada.ask("update", room="lobby", state={"b": "x" * 3_000})
            assert first["type"] == "ok"
            assert (second["type"], second.get("code"), second.get("limit")) == ("error", "too_large", "state_bytes")
            await asyncio.sleep(3)
            assert set(watcher.room("lobby").members["ada"]["state"]) == {"n", "a"}

    virtual_time.run(scene())
