"""Many sessions, one user: the merge rule of `spec/semantics.md`, seen from outside, in every order."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import Any

from hereabouts.testing import virtual_time
from hereabouts.testing.world import ScriptedClient, World


def cards(client: ScriptedClient, user_id: str) -> list[Any]:
    """Each status of a user that this client was told, in order, without repetitions."""
    told = [u["status"] for m in client.heard_of("users") for u in m["users"] if u["user_id"] == user_id]
    return [status for place, status in enumerate(told) if place == 0 or status != told[place - 1]]


def test_six_tabs_closing_in_every_order_are_offline_once_and_last() -> None:
    orders = list(permutations(range(6)))

    async def scene() -> None:
        async with World() as world:
            watchers = [await world.observer(user_id=f"w{place}") for place in range(2)]
            users = [f"u{place}" for place in range(len(orders))]
            for place, watcher in enumerate(watchers):
                await watcher.ask("watch", users=users[place::2])
            tabs = {user: [world.client(user) for _ in range(6)] for user in users}
            for place in range(6):
                for user in users:
                    # Half of the tabs are hidden: which one closes last decides what is shown before.
                    await tabs[user][place].hello(visible=place < 3)
            await asyncio.sleep(0.5)
            for turn in range(6):
                for user, order in zip(users, orders, strict=True):
                    tabs[user][order[turn]].say("bye")
                await asyncio.sleep(0.1)
            await asyncio.sleep(1)
            for place, (user, order) in enumerate(zip(users, orders, strict=True)):
                told = cards(watchers[place % 2], user)
                last_visible = max(order.index(tab) for tab in range(3))
                between = ["away"] if last_visible < 5 else []
                assert told == ["offline", "online", *between, "offline"], (order, told)

    virtual_time.run(scene())


def test_six_tabs_in_a_room_are_one_member_until_the_last_closes() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            tabs = [await world.enter("ada", "lobby") for _ in range(6)]
            world.random.shuffle(tabs)
            for left, tab in enumerate(reversed(range(6))):
                world.silence(tabs[left])
                tabs[left].drop()
                await asyncio.sleep(3)
                shown = watcher.room("lobby").members.get("ada")
                assert (shown["sessions"] if shown else 0) == tab
            assert [happened.what for happened in watcher.room("lobby").history] == ["join", "leave"]

    virtual_time.run(scene())


def naive_status(devices: list[tuple[bool, bool]]) -> str:
    """The merge rule, said again: devices as (visible, active)."""
    if (True, True) in devices:
        return "online"
    return "idle" if (True, False) in devices else "away"


def test_three_devices_that_disagree_for_a_minute() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            await watcher.ask("watch", users=["ada"])
            devices = [await world.enter("ada", "lobby") for _ in range(3)]
            idle_after = world.policy.idle_after_seconds
            assert idle_after is not None
            visible = [True] * 3
            input_tick = [world.tick] * 3
            for _ in range(120):
                which = world.random.randrange(3)
                shown, active = world.random.random() < 0.5, world.random.random() < 0.2
                devices[which].beat(visible=shown, active=active)
                visible[which] = shown
                if active:
                    input_tick[which] = world.tick
                await asyncio.sleep(0.5)
                ages = [world.tick - tick for tick in input_tick]
                if any(abs(age - idle_after) < world.bound_seconds for age in ages):
                    continue  # it is about to change
                wanted = naive_status([(v, age < idle_after) for v, age in zip(visible, ages, strict=True)])
                assert watcher.users["ada"]["status"] == wanted
                assert watcher.room("lobby").members["ada"]["status"] == wanted
            assert [happened.what for happened in watcher.room("lobby").history] == ["join"]

    virtual_time.run(scene())
