"""Declared status, invisibility and typing as others are shown them, over time."""

from __future__ import annotations

import asyncio

from hereabouts.testing import virtual_time
from hereabouts.testing.world import World


def test_a_declared_status_runs_out() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            await watcher.ask("watch", users=["ada"])
            ada = await world.enter("ada", "lobby")
            second = await world.enter("ada")
            until_at = second.welcome["server_time_at"] + 10_000
            due = world.tick + 10
            await second.ask("status", status="dnd", text="in a talk", until_at=until_at)
            second.say("bye")
            await asyncio.sleep(2)
            assert watcher.users["ada"]["status"] == "dnd" and watcher.users["ada"]["text"] == "in a talk"
            assert watcher.room("lobby").members["ada"]["status"] == "dnd"
            await asyncio.sleep(due - world.tick - 0.1)
            assert watcher.users["ada"]["status"] == "dnd"
            ada.beat(active=True)
            await asyncio.sleep(0.1 + world.bound_seconds)
            assert watcher.users["ada"]["status"] == "online" and "text" not in watcher.users["ada"]
            assert watcher.room("lobby").members["ada"]["status"] == "online"

    virtual_time.run(scene())


def test_a_newer_declaration_outlives_the_end_of_the_older() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer()
            await watcher.ask("watch", users=["ada"])
            ada = await world.enter("ada")
            await ada.ask("status", status="dnd", until_at=ada.welcome["server_time_at"] + 3_000)
            await asyncio.sleep(1)
            await ada.ask("status", status="busy")
            await asyncio.sleep(5)
            assert watcher.users["ada"]["status"] == "busy"

    virtual_time.run(scene())


def test_going_invisible_is_a_leave_and_coming_back_a_join() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby", role="admin")
            await watcher.ask("watch", users=["ada"])
            ada = await world.enter("ada", "lobby", "den")
            await asyncio.sleep(1)
            await ada.ask("status", status="invisible")
            await asyncio.sleep(1)
            hidden = dict(watcher.users["ada"])
            assert hidden["status"] == "offline" and watcher.room("lobby").members == {}
            await ada.ask("update", room="lobby", state={"cursor": 1})
            ada.say("typing", room="lobby", on=True)
            ada.beat(visible=False, active=True)
            await asyncio.sleep(3)
            assert watcher.users["ada"] == hidden and watcher.room("lobby").members == {}
            assert watcher.room("lobby").typing == []
            await ada.ask("status", status="available")
            await asyncio.sleep(1)
            assert watcher.users["ada"]["status"] != "offline"
            assert [happened.what for happened in watcher.room("lobby").history] == ["join", "leave", "join"]
            assert watcher.room("lobby").members["ada"]["state"] == {"cursor": 1}

    virtual_time.run(scene())


def test_who_is_invisible_and_dies_is_as_offline_as_before() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby", role="admin")
            await watcher.ask("watch", users=["ada"])
            ada = await world.enter("ada", "lobby")
            await ada.ask("status", status="invisible")
            await asyncio.sleep(1)
            told = len(watcher.heard_of("users"))
            hidden = dict(watcher.users["ada"])
            await asyncio.sleep(5)
            world.silence(ada)
            ada.drop()
            await asyncio.sleep(10)
            assert watcher.users["ada"] == hidden
            assert len(watcher.heard_of("users")) == told

    virtual_time.run(scene())


def test_typing_survives_the_refresh_of_everything_else_and_dies_with_its_lease() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            typed_at = world.tick
            for turn in range(30):
                ada.say("typing", room="lobby", on=True)
                typed_at = world.tick
                await asyncio.sleep(0.5)
                assert watcher.room("lobby").typing == ["ada"]
                await ada.ask("update", room="lobby", state={"turn": turn})
                if turn % 10 == 5:
                    await ada.ask("refresh", token=ada.token)
                    await ada.ask("status", status="busy" if turn == 5 else "available")
                await asyncio.sleep(0.5)
                assert watcher.room("lobby").typing == ["ada"]
            due = typed_at + world.policy.typing_lease_seconds
            await asyncio.sleep(due - world.tick - 0.05)
            assert watcher.room("lobby").typing == ["ada"]
            await asyncio.sleep(0.05 + world.bound_seconds)
            assert watcher.room("lobby").typing == []
            assert watcher.room("lobby").times("leave", "ada") == []

    virtual_time.run(scene())


def test_nobody_types_who_has_left() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            ada.say("typing", room="lobby", on=True)
            await asyncio.sleep(0.5)
            assert watcher.room("lobby").typing == ["ada"]
            ada.say("bye")
            await asyncio.sleep(0.5)
            assert watcher.room("lobby").typing == [] and watcher.room("lobby").members == {}

    virtual_time.run(scene())


def test_a_late_viewer_is_told_who_is_typing_and_when_it_ends() -> None:
    async def scene() -> None:
        async with World() as world:
            ada = await world.enter("ada", "lobby")
            ada.say("typing", room="lobby", on=True)
            await asyncio.sleep(1)
            watcher = await world.observer("lobby")
            assert watcher.room("lobby").typing == ["ada"]
            await asyncio.sleep(world.policy.typing_lease_seconds + world.bound_seconds)
            assert watcher.room("lobby").typing == []

    virtual_time.run(scene())


def test_last_seen_is_the_last_proof_of_life_and_never_goes_back() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer(role="admin")
            await watcher.ask("watch", users=["ada"])
            assert watcher.users["ada"] == {
                "user_id": "ada", "status": "offline", "last_seen_at": None, "last_active_at": None, "sessions": 0,
            }  # fmt: skip
            ada = await world.enter("ada")
            await asyncio.sleep(7.2)
            world.silence(ada)
            ada.beat(active=True)
            seen_at = round(world.wall() * 1000)
            await asyncio.sleep(10)
            card = watcher.users["ada"]
            assert card["status"] == "offline"
            assert abs(card["last_seen_at"] - seen_at) <= 1 and abs(card["last_active_at"] - seen_at) <= 1

    virtual_time.run(scene())
