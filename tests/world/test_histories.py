"""Random lives of many tabs on several nodes, held against what the rules say of each of them.

`HEREABOUTS_TEST_SEEDS` multiplies the number of seeds; a failure names its seed.
"""

from __future__ import annotations

import asyncio
import os
from random import Random

import pytest

from hereabouts.backends.base import Backend
from hereabouts.testing import virtual_time
from hereabouts.testing.oracle import Life, Oracle, shown_spans
from hereabouts.testing.world import ScriptedClient, Wire, World

TIMES = int(os.environ.get("HEREABOUTS_TEST_SEEDS", "1"))
ROOMS = ("lobby", "den")
USERS = ("ada", "bob", "eve")
TABS_EACH = 2
SECONDS = 40.0


class Tab:
    """One tab with a mind of its own, which tells the oracle what it does."""

    def __init__(self, world: World, oracle: Oracle, user_id: str, random: Random, hides: bool) -> None:
        self.world = world
        self.oracle = oracle
        self.client: ScriptedClient = world.client(user_id)
        self.random = random
        self.hides = hides
        self.life: Life | None = None

    async def live(self, until: float) -> None:
        """Come and go, in every way there is."""
        while self.world.tick < until:
            await asyncio.sleep(self.random.uniform(0.0, 6.0))
            await self.come()
            for _ in range(self.random.randrange(12)):
                await asyncio.sleep(self.random.choice([0.0, 0.1, 0.5, 1.0, self.random.uniform(0.0, 5.5)]))
                if not self.is_open:
                    break
                await self.do()
            if self.is_open:
                await self.go()
        self.vanish()

    @property
    def is_open(self) -> bool:
        wire = self.client.wire
        return wire is not None and wire.ended is None and not wire.is_cut

    async def come(self) -> None:
        """Say hello on some node, mostly with the secret of before; the old connection may close late."""
        old, visible = self.client.wire, self.random.random() < 0.7
        resume = self.life is not None and self.random.random() < 0.8
        node = self.world.nodes[0] if old is None else old.node
        if self.random.random() < 0.3:
            node = self.random.choice(self.world.nodes)
        if old is not None and not old.is_cut and old.ended is None:
            old.is_cut = True
        tick = self.world.tick
        welcome = await self.client.hello(node, resume=resume, visible=visible)
        if welcome["resumed"]:
            assert self.life is not None and set(welcome["rooms"]) == set(self.life.rooms)
            self.life.frame(tick, visible)
        else:
            self.life = Life(self.client.user_id, self.world.policy, tick, visible)
            self.oracle.lives.append(self.life)
        for room in ROOMS:
            if self.random.random() < 0.7:
                await self.join(room)

    async def join(self, room: str) -> None:
        assert self.life is not None
        self.life.frame(self.world.tick)
        self.life.join(room, self.world.tick)
        await self.client.join(room)

    async def do(self) -> None:
        """Something that a tab in use does."""
        assert self.life is not None
        random, room = self.random, self.random.choice(ROOMS)
        what = random.randrange(10)
        if what < 5:
            visible = random.choice([None, True, False])
            self.client.beat(active=random.random() < 0.3, **({} if visible is None else {"visible": visible}))
            self.life.frame(self.world.tick, visible)
        elif what == 5:
            await self.join(room)
        elif what == 6:
            self.life.frame(self.world.tick)
            self.life.leave(room, self.world.tick)
            await self.client.ask("leave", room=room)
        elif what == 7:
            self.life.frame(self.world.tick)
            await self.client.ask("update", room=room, state={"at": self.world.tick})
        elif what == 8:
            self.life.frame(self.world.tick)
            self.client.say("typing", room=room, on=random.random() < 0.8)
        elif self.hides:
            status = random.choice(["available", "dnd", "invisible"])
            self.life.frame(self.world.tick)
            self.oracle.hide(self.client.user_id, self.world.tick, status == "invisible")
            await self.client.ask("status", status=status)

    async def go(self) -> None:
        """One of the ways to go."""
        assert self.life is not None and self.client.wire is not None
        wire, life, tick = self.client.wire, self.life, self.world.tick
        what = self.random.randrange(6)
        if what == 0:
            self.vanish()
        elif what == 1:
            self.close(wire, 0.0)
        elif what == 2:
            self.close(wire, self.random.choice([0.01, 1.95, 2.05, 4.0, self.random.uniform(0, 14)]))
        elif what == 3:
            self.client.say("bye")
            life.bye(tick)
            self.life = None
        elif what == 4:
            after = self.random.choice([0.0, 1.0, self.world.policy.grace_seconds])
            token = self.client.welcome["leave_token"]
            if wire.node.beats.leave(token, after):
                life.beacon(tick, after)
            self.close(wire, self.random.uniform(0, 3))
        # Otherwise it comes back at once, over a new connection.

    def vanish(self) -> None:
        """The machine lost its network: nobody is told."""
        if self.client.wire is not None:
            self.client.wire.is_cut = True

    def close(self, wire: Wire, after_seconds: float) -> None:
        """The connection ends, and the node hears of it after a while."""
        life, link = self.life, wire.link
        assert life is not None
        wire.is_cut = True

        def closes() -> None:
            owned = link.owned
            if owned is not None and owned.session.connection is link:
                life.close(self.world.tick)
            wire.node.driver.closed(link, 1006)

        self.world.loop.call_later(after_seconds, closes)


async def history(seed: int, *, nodes: int, backend: Backend | None, hides: bool, delay_seconds: float) -> None:
    """Let the tabs live, wait until all of them must be gone, and compare."""
    random = Random(seed)
    async with World(seed, nodes=nodes, backend=backend) as world:
        oracle = Oracle()
        watchers = [await world.observer(*ROOMS, node=node, user_id=f"watcher{node}") for node in range(nodes)]
        until = world.tick + SECONDS
        tabs = [Tab(world, oracle, user_id, random, hides) for user_id in USERS for _ in range(TABS_EACH)]
        await asyncio.gather(*(tab.live(until) for tab in tabs))
        await asyncio.sleep(world.policy.lease_hidden_seconds + world.policy.grace_seconds + 15)
        passage = world.policy.fanout_window_seconds + 0.001 + 6 * delay_seconds
        late = world.policies.node.sweep_seconds + passage
        for watcher in watchers:
            for room in ROOMS:
                picture = watcher.room(room)
                for user_id in USERS:
                    shown = shown_spans(picture.history, user_id)
                    oracle.check(user_id, room, shown, late_seconds=late, passage_seconds=passage)
                assert picture.members == {} and picture.count == 0 and picture.typing == []
        for node in world.nodes:
            assert len(node.registry) == sum(watcher.wire.node is node for watcher in watchers if watcher.wire)


@pytest.mark.parametrize("seed", range(40 * TIMES))
def test_one_node(seed: int) -> None:
    virtual_time.run(history(seed, nodes=1, backend=None, hides=False, delay_seconds=0.0))


@pytest.mark.parametrize("seed", range(40 * TIMES))
def test_three_nodes(seed: int) -> None:
    virtual_time.run(history(seed, nodes=3, backend=None, hides=False, delay_seconds=0.0))
