"""What befalls several nodes over one store, one fault at a time: rules 1, 5 and 12 to 14, and the ghost bound."""

from __future__ import annotations

import asyncio

import pytest

from hereabouts.engine.records import FeedKey, Membership, Put
from hereabouts.testing import virtual_time
from hereabouts.testing.many_nodes import Cluster
from hereabouts.testing.world import ScriptedClient

ROOM = "lobby"
CONVERGES_SECONDS = 4.0
"""Two beats of the test profile's hidden sessions."""


def told(viewer: ScriptedClient) -> list[tuple[str, str]]:
    return [(happened.what, happened.user_id) for happened in viewer.room(ROOM).history]


def gone(viewer: ScriptedClient) -> list[str]:
    return [user_id for what, user_id in told(viewer) if what == "leave"]


async def settle(world: Cluster) -> None:
    """As long as peers may take to judge a node that they lost sight of, and more."""
    clocks = world.policies.node
    await asyncio.sleep(2 * (clocks.lease_seconds + world.policy.grace_seconds) + world.bound_seconds)


def test_a_killed_nodes_users_leave_once_within_the_bounds() -> None:
    async def scene() -> None:
        async with Cluster(nodes=3) as world:
            viewers = [await world.observer(ROOM, node=node, user_id=f"viewer{node}") for node in (0, 2)]
            for n in range(20):
                await world.enter(f"u{n}", ROOM, node=1)
            stays = await world.enter("both", ROOM, node=1), await world.enter("both", ROOM, node=2)
            await asyncio.sleep(8)
            died = world.tick
            world.processes[1].kill()
            await settle(world)
            lease, grace = world.policies.node.lease_seconds, world.policy.grace_seconds
            for viewer in viewers:
                assert sorted(gone(viewer)) == sorted(f"u{n}" for n in range(20))
                assert viewer.room(ROOM).members["both"]["sessions"] == len(stays) - 1
                for n in range(20):
                    [left] = viewer.room(ROOM).times("leave", f"u{n}")
                    assert died + lease * 3 / 4 + grace <= left <= died + lease + grace + world.bound_seconds

    virtual_time.run(scene())


def test_a_store_that_is_emptied_under_churn_loses_nobody_and_converges() -> None:
    async def scene() -> None:
        async with Cluster(nodes=3) as world:
            viewer = await world.observer(ROOM)
            stays = [await world.enter(f"stays{n}", ROOM, node=n) for n in range(3)]
            for turn in range(6):
                await asyncio.sleep(world.random.uniform(0, 3))
                comes = await world.enter(f"comes{turn}", ROOM, node=turn % 3)
                world.engine.flush()
                await comes.ask("update", room=ROOM, state={"turn": turn})
            emptied = world.tick
            await viewer.heard(lambda message: message["type"] == "restored", within_seconds=10)
            assert world.tick - emptied < CONVERGES_SECONDS
            assert gone(viewer) == []
            assert len(viewer.room(ROOM).members) == len(stays) + 6

    virtual_time.run(scene())


def test_a_store_that_is_emptied_while_it_is_read_anew_makes_nobody_leave() -> None:
    async def scene(after_seconds: float) -> None:
        async with Cluster(nodes=2) as world:
            viewer = await world.observer(ROOM)
            await world.enter("ada", ROOM, node=1)
            await asyncio.sleep(1)
            world.engine.flush()
            await asyncio.sleep(after_seconds)
            world.engine.flush()
            await settle(world)
            assert told(viewer) == [("join", "ada")]

    for step in range(200):
        virtual_time.run(scene(0.8 + step * 0.01))


def test_a_store_that_is_emptied_again_is_waited_for_as_long_again() -> None:
    async def scene(after_seconds: float) -> None:
        async with Cluster(nodes=3) as world:
            viewer = await world.observer(ROOM)
            await world.enter("ada", ROOM, node=2)
            await asyncio.sleep(1)
            world.engine.flush()
            world.processes[2].line.cut()
            await asyncio.sleep(after_seconds)
            world.engine.flush()
            await asyncio.sleep(2)
            world.processes[2].line.mend()
            await settle(world)
            assert told(viewer) == [("join", "ada")]

    for step in range(11):
        virtual_time.run(scene(3.0 + step * 0.1))


def test_who_was_let_in_while_the_line_broke_stands_nowhere_afterwards() -> None:
    async def scene(after_seconds: float) -> None:
        async with Cluster(nodes=2) as world:
            await world.observer(ROOM)
            ada = world.client("ada")
            hello = asyncio.ensure_future(ada.hello(world.nodes[1]))
            await asyncio.sleep(after_seconds)
            world.processes[1].line.cut()
            await asyncio.gather(hello, return_exceptions=True)
            ada.drop()
            world.processes[1].line.mend()
            await settle(world)
            standing = [fields for key, fields in world.engine.keys.items() if b"{user:default:ada}" in key]
            assert all(b"uada" not in fields for fields in standing)

    for step in range(40):
        virtual_time.run(scene(step * 0.005))


def test_what_stands_for_a_node_that_knows_nothing_of_it_is_taken_away_when_the_node_looks() -> None:
    async def scene() -> None:
        async with Cluster(nodes=2) as world:
            viewer = await world.observer(ROOM)
            context = world.nodes[1].context
            stray = Membership("s-stray", "ada", 1, context.owner, joined_at=context.now().at)
            await context.backend.commit(FeedKey("default", "room", ROOM), Put(stray))
            await asyncio.sleep(1)
            assert told(viewer) == [("join", "ada")]
            world.processes[1].line.cut()
            await asyncio.sleep(1)
            world.processes[1].line.mend()
            await settle(world)
            assert told(viewer) == [("join", "ada"), ("leave", "ada")]

    virtual_time.run(scene())


def test_a_node_that_was_cut_off_sees_nobody_go_and_comes_back() -> None:
    async def scene() -> None:
        async with Cluster(nodes=2) as world:
            here = await world.observer(ROOM, node=0, user_id="here")
            there = await world.observer(ROOM, node=1, user_id="there")
            await world.enter("ada", ROOM, node=0)
            await world.enter("bob", ROOM, node=1)
            await asyncio.sleep(8)
            world.processes[1].line.cut(is_silent=True)
            await asyncio.sleep(8)
            assert gone(here) == ["bob"], "the node that sees the store judges the one that does not"
            assert gone(there) == [], "the node that does not see it judges nobody"
            world.processes[1].line.mend()
            await asyncio.sleep(2 * world.policy.beat_visible_seconds)
            assert told(here)[-1] == ("join", "bob")
            assert sorted(there.room(ROOM).members) == sorted(here.room(ROOM).members) == ["ada", "bob"]

    virtual_time.run(scene())


def test_a_node_that_hears_nothing_notices_and_misses_nothing() -> None:
    async def scene() -> None:
        async with Cluster(nodes=2) as world:
            viewer = await world.observer(ROOM, node=0)
            world.processes[0].line.is_deaf = True
            await world.enter("ada", ROOM, node=1)
            await asyncio.sleep(2)
            assert told(viewer) == []
            for subscription in world.processes[0].line.subscriptions:
                assert subscription.channels
            await asyncio.sleep(2)
            world.processes[0].line.is_deaf = False
            await asyncio.sleep(2 * world.policy.beat_visible_seconds)
            assert told(viewer) == [("join", "ada")]

    virtual_time.run(scene())


def test_nodes_that_all_stood_still_judge_nobody() -> None:
    async def scene() -> None:
        async with Cluster(nodes=3) as world:
            viewer = await world.observer(ROOM)
            for n in range(3):
                await world.enter(f"u{n}", ROOM, node=n)
            await asyncio.sleep(8)
            for process in world.processes:
                process.freeze()
            await asyncio.sleep(30)
            for process in world.processes:
                process.thaw()
                await asyncio.sleep(0.2)
            await settle(world)
            assert gone(viewer) == []

    virtual_time.run(scene())


def test_a_node_that_comes_back_within_the_grace_was_never_gone() -> None:
    async def scene() -> None:
        async with Cluster(nodes=2) as world:
            viewer = await world.observer(ROOM, node=0)
            await world.enter("ada", ROOM, node=1)
            await asyncio.sleep(8)
            world.processes[1].freeze()
            await asyncio.sleep(world.policies.node.lease_seconds + world.policy.grace_seconds / 4)
            world.processes[1].thaw()
            await settle(world)
            assert told(viewer) == [("join", "ada")]

    virtual_time.run(scene())


def test_a_node_that_stood_still_beyond_its_lease_registers_again() -> None:
    async def scene() -> None:
        async with Cluster(nodes=2) as world:
            viewer = await world.observer(ROOM, node=0)
            await world.enter("ada", ROOM, node=1)
            await asyncio.sleep(8)
            world.processes[1].freeze()
            await asyncio.sleep(8)
            assert told(viewer) == [("join", "ada"), ("leave", "ada")]
            world.processes[1].thaw()
            await asyncio.sleep(2 * world.policy.beat_visible_seconds)
            assert told(viewer)[2:] == [("join", "ada")]
            # Where it stands is noted again, so that it goes with the node.
            world.processes[1].kill()
            await settle(world)
            assert told(viewer)[3:] == [("leave", "ada")]

    virtual_time.run(scene())


@pytest.mark.parametrize("after_seconds", [0.0, 0.02, 0.05, 0.5, 3.0])
def test_a_session_that_moves_while_its_node_is_killed_is_there_all_the_time(after_seconds: float) -> None:
    async def scene() -> None:
        async with Cluster(nodes=3) as world:
            viewer = await world.observer(ROOM)
            ada = await world.enter("ada", ROOM, node=1)
            await asyncio.sleep(8)
            ada.drop(after_seconds=after_seconds)
            moving = asyncio.ensure_future(ada.hello(world.nodes[2], resume=True))
            await asyncio.sleep(after_seconds)
            world.processes[1].kill()
            assert (await moving)["resumed"]
            await settle(world)
            assert told(viewer) == [("join", "ada")]
            world.processes[2].kill()
            await settle(world)
            assert gone(viewer) == ["ada"]

    virtual_time.run(scene())


def test_a_session_that_comes_back_to_a_node_that_did_not_hear_it_go_is_one_session() -> None:
    async def scene() -> None:
        async with Cluster(nodes=2) as world:
            viewer = await world.observer(ROOM, node=1)
            ada = await world.enter("ada", ROOM, node=0)
            world.processes[0].line.is_deaf = True
            for node in (1, 0):
                ada.drop(after_seconds=1)
                assert (await ada.hello(world.nodes[node], resume=True))["resumed"]
            world.processes[0].line.mend()
            await settle(world)
            assert told(viewer) == [("join", "ada")]
            assert [len(node.registry) for node in world.nodes] == [1, 1]
            ada.say("bye")
            await asyncio.sleep(1)
            assert gone(viewer) == ["ada"]

    virtual_time.run(scene())


def test_who_joins_while_its_node_registers_again_is_not_cleaned_away() -> None:
    async def scene(after_seconds: float) -> None:
        async with Cluster(nodes=2) as world:
            viewer = await world.observer(ROOM, node=0)
            ada = await world.enter("ada", node=1)
            world.processes[1].line.hang_up()
            await asyncio.sleep(after_seconds)
            await ada.join(ROOM)
            await settle(world)
            assert told(viewer) == [("join", "ada")]

    for step in range(40):
        virtual_time.run(scene(step * 0.01))
