"""Who comes back was never gone, and an older life changes nothing: rules 1, 2, 7 and 15 of `spec/semantics.md`."""

from __future__ import annotations

import asyncio

import pytest

from hereabouts.testing import virtual_time
from hereabouts.testing.world import World

# The test profile: a grace of 2 s, a visible lease of 3 s.
LATE_CLOSES = [0.01, 1.95, 2.05, 4.0]


@pytest.mark.parametrize("after_seconds", LATE_CLOSES)
def test_the_late_close_of_an_old_connection_ends_nothing(after_seconds: float) -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            await asyncio.sleep(1.2)
            old = ada.wire
            assert old is not None
            old.is_cut = True
            again = await ada.hello(resume=True)
            assert again["resumed"] and again["rooms"] == ["lobby"] and again["incarnation"] == 2
            old.drop(after_seconds=after_seconds)
            await asyncio.sleep(15)
            assert watcher.room("lobby").times("leave", "ada") == []
            assert watcher.room("lobby").members["ada"]["sessions"] == 1

    virtual_time.run(scene())


def test_the_connection_that_was_taken_over_is_told_so() -> None:
    async def scene() -> None:
        async with World() as world:
            ada = await world.enter("ada", "lobby")
            old = ada.wire
            await ada.hello(resume=True)
            assert old is not None and old.ended is not None and old.ended[0] == 4001

    virtual_time.run(scene())


def test_fifty_reloads_show_nobody_a_leave_or_a_join() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            for _ in range(50):
                ada.drop(code=1001, after_seconds=world.random.choice([0.0, 0.3, 1.0]))
                await asyncio.sleep(world.random.uniform(0.0, 1.9))
                assert (await ada.hello(resume=True))["resumed"]
            await asyncio.sleep(5)
            assert [happened.what for happened in watcher.room("lobby").history] == ["join"]

    virtual_time.run(scene())


def test_a_beacon_that_waits_is_called_off_by_the_reload() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            for _ in range(20):
                world.nodes[0].beats.leave(ada.welcome["leave_token"], world.policy.grace_seconds)
                ada.drop(code=1001)
                await asyncio.sleep(world.random.uniform(0.0, 1.9))
                assert (await ada.hello(resume=True))["resumed"]
            await asyncio.sleep(5)
            assert [happened.what for happened in watcher.room("lobby").history] == ["join"]

    virtual_time.run(scene())


def test_a_leave_token_handed_in_again_and_again_keeps_nobody_there() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            await asyncio.sleep(1)
            world.silence(ada)
            due = world.tick + world.policy.grace_seconds
            ada.drop()
            for _ in range(20):
                await asyncio.sleep(0.5)
                world.nodes[0].beats.leave(ada.welcome["leave_token"], world.policy.grace_seconds)
            [left] = watcher.room("lobby").times("leave", "ada")
            assert left <= due + world.bound_seconds

    virtual_time.run(scene())


def test_a_beacon_at_once_is_a_leave_at_once_and_a_resume_brings_the_session_back() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            await asyncio.sleep(1)
            left_at = world.tick
            world.nodes[0].beats.leave(ada.welcome["leave_token"], None)
            await asyncio.sleep(0.5)
            assert watcher.room("lobby").times("leave", "ada") == [pytest.approx(left_at, abs=0.3)]
            assert watcher.room("lobby").causes("ada") == ["beacon"]
            again = await ada.hello(resume=True)
            assert again["resumed"] and again["rooms"] == ["lobby"]
            await asyncio.sleep(5)
            assert [happened.what for happened in watcher.room("lobby").history] == ["join", "leave", "join"]

    virtual_time.run(scene())


def test_a_beacon_of_an_earlier_page_ends_nothing() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            token = ada.welcome["leave_token"]
            ada.drop(code=1001)
            await ada.hello(resume=True)
            assert not world.nodes[0].beats.leave(token, None)
            await asyncio.sleep(5)
            assert watcher.room("lobby").times("leave", "ada") == []

    virtual_time.run(scene())


def test_the_last_close_against_a_new_open_at_the_same_instant() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            tab = await world.enter("ada", "lobby")
            for turn in range(200):
                new = world.client("ada")
                opening = asyncio.ensure_future(new.hello())
                if turn % 2:
                    await asyncio.sleep(0)
                tab.drop()
                world.silence(tab)
                await opening
                await new.join("lobby")
                world.keep_alive(new)
                tab = new
                await asyncio.sleep(world.random.choice([0.0, 0.05, 2.0]))
            await asyncio.sleep(10)
            assert [happened.what for happened in watcher.room("lobby").history] == ["join"]
            assert watcher.room("lobby").members["ada"]["sessions"] == 1

    virtual_time.run(scene())


def test_the_last_bye_against_a_new_open_alternates() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            tab = await world.enter("ada", "lobby")
            for turn in range(200):
                new = world.client("ada")
                opening = asyncio.ensure_future(new.hello())
                if turn % 2:
                    await asyncio.sleep(0)
                tab.say("bye")
                world.silence(tab)
                await opening
                await new.join("lobby")
                world.keep_alive(new)
                tab = new
                await asyncio.sleep(world.random.choice([0.0, 0.05, 0.3]))
            await asyncio.sleep(1)
            whats = [happened.what for happened in watcher.room("lobby").history]
            assert whats[::2] == ["join"] * len(whats[::2]) and whats[1::2] == ["leave"] * len(whats[1::2])
            assert watcher.room("lobby").members["ada"]["sessions"] == 1

    virtual_time.run(scene())


def test_a_join_whose_connection_dies_while_it_is_decided_leaves_nothing_behind() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            for place in range(100):
                client = world.client(f"u{place}")
                await client.hello()
                client.say("join", id=1, room="lobby")
                for _ in range(place % 5):
                    await asyncio.sleep(0)
                client.drop()
            await asyncio.sleep(10)
            assert watcher.room("lobby").members == {}
            assert len(world.nodes[0].registry) == 1

    virtual_time.run(scene())


def test_a_session_that_comes_back_on_another_node_shows_no_leave() -> None:
    async def scene() -> None:
        async with World(nodes=2) as world:
            watchers = [await world.observer("lobby", node=node, user_id=f"w{node}") for node in (0, 1)]
            ada = await world.enter("ada", "lobby")
            await asyncio.sleep(2)
            ada.drop(after_seconds=2.5)
            again = await ada.hello(world.nodes[1], resume=True)
            assert not again["resumed"]
            await ada.join("lobby")
            await asyncio.sleep(10)
            for watcher in watchers:
                assert [happened.what for happened in watcher.room("lobby").history] == ["join"]
                assert watcher.room("lobby").members["ada"]["sessions"] == 1

    virtual_time.run(scene())


@pytest.mark.parametrize("code", [4100, 4200, 4202, 4203])
def test_a_close_that_the_server_asked_for_starts_no_grace(code: int) -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            await asyncio.sleep(1.5)
            world.silence(ada)
            ada.beat()
            due = world.tick + world.policy.lease_visible_seconds + world.policy.grace_seconds
            ada.drop(code=code)
            await asyncio.sleep(15)
            [left] = watcher.room("lobby").times("leave", "ada")
            assert due <= left <= due + world.bound_seconds

    virtual_time.run(scene())
