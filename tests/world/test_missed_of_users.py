"""What a node missed of a user while it did not see the store is made good when it looks again."""

from __future__ import annotations

import asyncio

from hereabouts.testing import virtual_time
from hereabouts.testing.many_nodes import Cluster

CUT_SECONDS = 2.0
TWO_BEATS = 2.0


def test_who_watches_a_user_is_told_what_was_missed() -> None:
    async def scene() -> None:
        async with Cluster() as world:
            watcher = await world.observer()
            await watcher.ask("watch", users=["ada", "bob", "eve"])
            ada, bob = await world.enter("ada", node=1), await world.enter("bob", node=1)
            await asyncio.sleep(1)
            world.processes[0].line.cut()
            await ada.ask("status", status="dnd")
            bob.say("bye")
            await world.enter("eve", node=1)
            await asyncio.sleep(CUT_SECONDS)
            assert [watcher.users[user]["status"] for user in ("ada", "bob", "eve")] == ["online", "online", "offline"]
            world.processes[0].line.mend()
            await watcher.heard(lambda message: message["type"] == "restored")
            await asyncio.sleep(TWO_BEATS)
            assert [watcher.users[user]["status"] for user in ("ada", "bob", "eve")] == ["dnd", "offline", "online"]

    virtual_time.run(scene())


def test_who_went_invisible_elsewhere_meanwhile_is_shown_in_no_room() -> None:
    async def scene() -> None:
        async with Cluster() as world:
            watcher = await world.observer("lobby", node=1)
            here = await world.enter("ada", "lobby")
            there = await world.enter("ada", node=1)
            await asyncio.sleep(1)
            world.processes[0].line.cut()
            await there.ask("status", status="invisible")
            await asyncio.sleep(CUT_SECONDS)
            world.processes[0].line.mend()
            await here.heard(lambda message: message["type"] == "restored")
            await asyncio.sleep(TWO_BEATS)
            assert watcher.room("lobby").members == {}

    virtual_time.run(scene())
