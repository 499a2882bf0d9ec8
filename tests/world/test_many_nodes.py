"""Random lives of tabs on several nodes over one store, while nodes and store fail: rules 5 to 7 and 12 to 14.

`HEREABOUTS_TEST_SEEDS` multiplies the number of seeds; a failure names its seed.
"""

from __future__ import annotations

import asyncio
import os
from math import inf
from random import Random

import pytest

from hereabouts.testing import virtual_time
from hereabouts.testing.fates import Fates
from hereabouts.testing.many_nodes import Cluster, Process
from hereabouts.testing.oracle import Span
from hereabouts.testing.roaming import Tab
from hereabouts.testing.world import ScriptedClient

TIMES = int(os.environ.get("HEREABOUTS_TEST_SEEDS", "1"))
AT_ONCE = 25
ROOMS = ("lobby", "den")
USERS = ("ada", "bob", "eve")
TABS = ("ada", "ada", "bob", "bob", "eve")
SECONDS = 16.0


class Watch:
    """A viewer on one process, for as long as that lives."""

    def __init__(self, client: ScriptedClient, process: Process, tick: float) -> None:
        self.client = client
        self.process = process
        self.since = tick
        self.until = inf


class History:
    """One seed."""

    def __init__(self, world: Cluster, random: Random) -> None:
        self.world = world
        self.random = random
        self.fates = Fates(world.policy, world.policies.node)
        self.watches: list[Watch] = []
        self.tabs = [Tab(world, self.fates, user_id, ROOMS, random) for user_id in TABS]
        self.story: list[str] = []

    async def run(self) -> None:
        world, fates = self.world, self.fates
        for process in world.processes:
            await self.watch(process)
        until = world.tick + SECONDS
        faults = [self.faults(until - 3) for _ in range(self.random.randrange(3))]
        await asyncio.gather(*(tab.live(until) for tab in self.tabs), *faults)
        await asyncio.sleep(fates.recovery_seconds)
        for tab in self.tabs:
            await tab.settle()
        await asyncio.sleep(2 * world.policy.beat_visible_seconds)
        self.check_all_agree()
        for tab in self.tabs:
            tab.go()
        await asyncio.sleep(fates.recovery_seconds + world.policy.lease_visible_seconds)
        self.check_nothing_is_left()
        for watch in self.watches:
            for room in ROOMS:
                for user_id in USERS:
                    happened = watch.client.room(room).history
                    fates.check(user_id, room, happened, Span(watch.since, watch.until))

    async def watch(self, process: Process) -> None:
        while True:
            client = self.world.client(f"watcher{len(self.watches)}")
            try:
                await client.hello(process.node)
                for room in ROOMS:
                    assert (await client.watch(room))["type"] == "ok"
                assert (await client.ask("watch", users=list(USERS)))["type"] in ("ok", "users")
                break
            except (TimeoutError, AssertionError):
                assert client.wire is not None
                client.wire.is_cut = True
        self.world.keep_alive(client)
        self.watches.append(Watch(client, process, self.world.tick))

    # What befalls the nodes

    async def faults(self, until: float) -> None:
        random, world = self.random, self.world
        while world.tick < until:
            await asyncio.sleep(random.uniform(0.5, 6.0))
            process = random.choice([process for process in world.processes if process.is_open])
            fault = random.choice(
                [self.cut, self.store_away, self.flush, self.deaf, self.lossy, self.freeze, self.stall, self.kill]
            )
            begun = world.tick
            self.story.append(f"{begun:.2f} {fault.__name__} {process.node.context.owner.node}")
            seconds = random.choice([random.uniform(0.2, 3.0), random.uniform(3.0, 8.0)])
            await fault(process, seconds)
            self.fates.troubles.append(Span(begun, world.tick))
            self.story.append(f"{world.tick:.2f} end of {fault.__name__} {process.node.context.owner.node}")

    async def cut(self, process: Process, seconds: float) -> None:
        begun = self.world.tick
        process.line.cut(is_silent=self.random.random() < 0.5)
        await asyncio.sleep(seconds)
        self.mend(process)
        self.fates.unreachable.append((process, Span(begun, self.world.tick), False))

    async def store_away(self, process: Process, seconds: float) -> None:
        for each in self.world.processes:
            each.line.cut(is_silent=self.random.random() < 0.5)
        await asyncio.sleep(seconds)
        if self.random.random() < 0.5:
            await self.flush(process, 0)
        for each in self.world.processes:
            self.mend(each)

    async def flush(self, process: Process, seconds: float) -> None:
        self.world.engine.flush()
        self.fates.flushed(self.world.tick)

    async def deaf(self, process: Process, seconds: float) -> None:
        process.line.is_deaf = True
        await asyncio.sleep(seconds)
        self.mend(process)

    async def lossy(self, process: Process, seconds: float) -> None:
        process.line.loss, process.line.reorders = 0.3, self.random.random() < 0.5
        await asyncio.sleep(seconds)
        self.mend(process)

    async def freeze(self, process: Process, seconds: float) -> None:
        begun = self.world.tick
        process.freeze()
        await asyncio.sleep(seconds)
        if not process.is_dead:
            process.thaw()
        self.fates.unreachable.append((process, Span(begun, self.world.tick), False))

    async def stall(self, process: Process, seconds: float) -> None:
        begun = self.world.tick
        process.stall()
        await asyncio.sleep(seconds)
        if not process.is_dead:
            process.thaw()
        self.fates.unreachable.append((process, Span(begun, self.world.tick), True))

    async def kill(self, process: Process, seconds: float) -> None:
        world = self.world
        if sum(each.is_open for each in world.processes) == 1:
            return
        process.kill()
        self.fates.died(process, world.tick)
        for watch in self.watches:
            if watch.process is process:
                watch.until = world.tick
        await asyncio.sleep(seconds)
        await self.watch(await world.restart(process))

    @staticmethod
    def mend(process: Process) -> None:
        if not process.is_dead:
            process.line.mend()

    # What must be

    def check_all_agree(self) -> None:
        for watch in self.watches:
            if watch.until < inf:
                continue
            for room in ROOMS:
                there = sorted({tab.user_id for tab in self.tabs if room in tab.wanted})
                shown = sorted(watch.client.room(room).members)
                assert shown == there, f"{watch.client.user_id} sees {shown} in {room}, there are {there}"
            self.check_users(watch, are_here=True)

    @staticmethod
    def check_users(watch: Watch, *, are_here: bool) -> None:
        shown = {user_id: watch.client.users[user_id]["status"] for user_id in USERS}
        found = {user_id: status != "offline" for user_id, status in shown.items()}
        assert found == dict.fromkeys(USERS, are_here), f"{watch.client.user_id} is shown {shown}"

    def check_nothing_is_left(self) -> None:
        watchers = {watch.client.welcome["session_id"] for watch in self.watches if watch.until == inf}
        for watch in self.watches:
            if watch.until == inf:
                left = [sorted(watch.client.room(room).members) for room in ROOMS]
                assert left == [[], []], f"{watch.client.user_id} sees {left} when all have gone"
                self.check_users(watch, are_here=False)
        for process in self.world.processes:
            assert {owned.session.session_id for owned in process.node.registry} <= watchers
        for key, fields in self.world.engine.keys.items():
            if b":{room:" in key:
                assert set(fields) == {b"@epoch", b"@seq"}, f"{key!r} has {fields}"
            elif b":session:" in key and not self.fates.troubles:
                assert key.rpartition(b":")[2].decode() in watchers, f"{key!r} is kept for nobody"
            elif b":owned:" in key and not self.fates.troubles:
                assert {field.decode() for field in fields} <= watchers, f"{key!r} names {set(fields)}"


async def history(seed: int) -> None:
    random = Random(seed)
    async with Cluster(seed, nodes=random.choice([2, 3, 3, 4]), delay_seconds=0.03) as world:
        story = History(world, random)
        try:
            async with asyncio.timeout(300):
                await story.run()
            if world.broken:
                raise world.broken[0]
        except BaseException as error:
            error.add_note(f"seed {seed}: {story.story}")
            raise


@pytest.mark.parametrize("start", range(0, 150 * TIMES, AT_ONCE))
def test_any_history_of_many_nodes(start: int) -> None:
    for seed in range(start, start + AT_ONCE):
        virtual_time.run(history(seed))
