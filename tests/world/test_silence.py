"""Who is silent is gone in time and never before: the ghost bound of `spec/semantics.md`, and rules 1, 4 and 5."""

from __future__ import annotations

import asyncio

import pytest

from hereabouts.testing import virtual_time
from hereabouts.testing.world import World

PLACES = ["visible", "hidden"]


@pytest.mark.parametrize("visible", [True, False], ids=PLACES)
def test_a_silent_client_is_gone_after_lease_and_grace_and_never_before(visible: bool) -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby", visible=visible)
            await asyncio.sleep(4)
            world.silence(ada)
            ada.beat()
            silent_since = world.tick
            await asyncio.sleep(20)
            policy = world.policy
            lease = policy.lease_visible_seconds if visible else policy.lease_hidden_seconds
            due = silent_since + lease + policy.grace_seconds
            [left] = watcher.room("lobby").times("leave", "ada")
            assert due <= left <= due + world.bound_seconds
            assert watcher.room("lobby").causes("ada") == ["lease_expired"]
            assert ada.wire is not None and ada.wire.ended is not None and ada.wire.ended[0] == 4201

    virtual_time.run(scene())


def test_a_connection_that_closes_is_gone_after_the_grace() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            await asyncio.sleep(1.5)
            ada.drop()
            due = world.tick + world.policy.grace_seconds
            await asyncio.sleep(20)
            [left] = watcher.room("lobby").times("leave", "ada")
            assert due <= left <= due + world.bound_seconds
            assert watcher.room("lobby").causes("ada") == ["closed"]

    virtual_time.run(scene())


def test_a_crowd_that_falls_silent_at_once_is_published_on_time() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            crowd = [await world.enter(f"u{place}", "lobby") for place in range(60)]
            await asyncio.sleep(2)
            for client in crowd:
                world.silence(client)
                client.beat()
            due = world.tick + world.policy.lease_visible_seconds + world.policy.grace_seconds
            await asyncio.sleep(20)
            for client in crowd:
                [left] = watcher.room("lobby").times("leave", client.user_id)
                assert due <= left <= due + world.bound_seconds

    virtual_time.run(scene())


def test_a_frozen_client_that_wakes_within_the_grace_was_never_gone() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            world.silence(ada)
            ada.beat()
            await asyncio.sleep(world.policy.lease_visible_seconds + world.policy.grace_seconds - 0.1)
            world.keep_alive(ada)
            ada.beat()
            await asyncio.sleep(20)
            assert watcher.room("lobby").times("leave", "ada") == []

    virtual_time.run(scene())


def test_a_frozen_client_that_wakes_too_late_cannot_bring_its_old_life_back() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            first = ada.welcome
            world.silence(ada)
            await asyncio.sleep(20)
            old = ada.wire
            ada.beat()
            ada.say("update", room="lobby", state={"cursor": 1})
            await asyncio.sleep(1)
            assert "ada" not in watcher.room("lobby").members
            again = await ada.hello(resume=True)
            assert not again["resumed"] and again["session_id"] != first["session_id"] and again["rooms"] == []
            await ada.join("lobby")
            assert old is not None
            old.say("beat")
            old.say("leave", room="lobby")
            world.keep_alive(ada)
            await asyncio.sleep(5)
            assert len(watcher.room("lobby").times("leave", "ada")) == 1
            assert watcher.room("lobby").members["ada"]["sessions"] == 1

    virtual_time.run(scene())


def test_a_stall_of_the_event_loop_longer_than_the_lease_takes_nobody_away() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            for place in range(10):
                await world.enter(f"u{place}", "lobby")
            await asyncio.sleep(2.3)
            world.loop.stall(3 * (world.policy.lease_visible_seconds + world.policy.grace_seconds))
            await asyncio.sleep(20)
            assert [happened for happened in watcher.room("lobby").history if happened.what == "leave"] == []
            assert len(watcher.room("lobby").members) == 10

    virtual_time.run(scene())


def test_who_was_silent_before_a_stall_is_gone_that_much_later() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            world.silence(ada)
            ada.beat()
            due = world.tick + world.policy.lease_visible_seconds + world.policy.grace_seconds
            await asyncio.sleep(1)
            world.loop.stall(30)
            await asyncio.sleep(20)
            [left] = watcher.room("lobby").times("leave", "ada")
            assert due + 29.8 <= left <= due + 30 + world.bound_seconds

    virtual_time.run(scene())


@pytest.mark.parametrize("hours", [1, -1])
def test_a_wall_clock_that_jumps_changes_nothing(hours: int) -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            await watcher.ask("watch", users=["ada"])
            ada = await world.enter("ada", "lobby")
            await asyncio.sleep(2)
            told_at = watcher.heard_of("beat")[-1]["server_time_at"]
            world.wall_ahead_seconds += hours * 3600
            await asyncio.sleep(2)
            assert watcher.room("lobby").times("leave", "ada") == []
            assert 1_900 <= watcher.heard_of("beat")[-1]["server_time_at"] - told_at <= 2_100
            world.silence(ada)
            ada.beat()
            due = world.tick + world.policy.lease_visible_seconds + world.policy.grace_seconds
            await asyncio.sleep(10)
            [left] = watcher.room("lobby").times("leave", "ada")
            assert due <= left <= due + world.bound_seconds
            seen = [user["last_seen_at"] for message in watcher.heard_of("users") for user in message["users"]]
            assert [at for at in seen if at] == sorted(at for at in seen if at)

    virtual_time.run(scene())
