"""What comes to two nodes at once, in any order: two servers in this process over a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from random import Random

import pytest

from hereabouts.testing.arena import Arena
from hereabouts.testing.fault_proxy import FaultProxy, Faults
from hereabouts.testing.valkey import ValkeyServer
from hereabouts.testing.waiting import eventually, pause
from hereabouts.testing.wire import Wire

ROOM = "lobby"
LEASE, GRACE, SWEEP, PASSAGE = 4.0, 2.0, 0.5, 0.8
"""The clocks of the test profile; the passage is the window and 750 ms."""

ORDERS, RACES, LATE = 100, 200, 20
"""How many users open and close tabs; how often a close races with an open; how many goodbyes are late."""

Arenas = tuple[Arena, Arena]


LEASES = {"lease.visible_seconds": 20, "lease.hidden_seconds": 20}
"""Of sessions, whose silence is no matter here: a busy machine is silent for longer than those of the test profile."""


def node(name: str, url: str) -> Arena:
    return Arena({"server": {"node": name}, "backend": {"url": url}, "policy": {"default": LEASES}})


@pytest.fixture
async def arenas(store: ValkeyServer) -> AsyncIterator[Arenas]:
    """Two servers that know each other."""
    async with AsyncExitStack() as stack:
        a, b = [await stack.enter_async_context(node(name, store.url)) for name in "ab"]
        await eventually(lambda: bool(a.node.switchboard.others() and b.node.switchboard.others()))
        yield a, b


def told(wire: Wire, user_id: str) -> list[str]:
    """What the viewer was told of one user, but for updates."""
    return [kind for kind, who in wire.folds.told(ROOM) if who == user_id and kind != "update"]


def shows(wire: Wire, names: list[str]) -> bool:
    return wire.folds.names(ROOM) == names


async def test_an_invisible_user_takes_its_rooms_along_to_another_node(arenas: Arenas) -> None:
    a, b = arenas
    viewer = await b.enter("viewer", ROOM)
    ada = await a.enter("ada", ROOM)
    await viewer.event(ROOM, "join", "ada")
    await ada.ask("status", status="invisible")
    await viewer.event(ROOM, "leave", "ada")
    await ada.ask("join", room="hall", state={"hat": "red"})
    await ada.ask("leave", room=ROOM)
    again = await b.come_back(ada, "ada")
    assert (again.welcome["resumed"], again.welcome["rooms"]) == (True, ["hall"])
    # Back in sight, and at the other node once more: what was kept while hidden is out of date, and is not taken.
    await again.ask("status", status="available")
    await again.join(ROOM)
    await viewer.event(ROOM, "join", "ada")
    await again.ask("leave", room="hall")
    last = await a.come_back(again, "ada")
    assert (last.welcome["resumed"], last.welcome["rooms"]) == (True, [ROOM])
    await viewer.no_event(ROOM, "leave", "ada", during=1)


async def test_tabs_opened_and_closed_on_both_nodes_in_any_order(arenas: Arenas) -> None:
    a, b = arenas
    viewers = [await a.enter("here", ROOM), await b.enter("there", ROOM)]
    seed = Random().randrange(2**32)
    print(f"{seed=}")  # shown where the test fails
    users = [f"u{number}" for number in range(ORDERS)]
    stay = await asyncio.gather(*(tabs_at_random(arenas, user, Random(f"{seed} {user}")) for user in users))
    there = sorted(["here", "there", *(user for user, stays in zip(users, stay, strict=True) if stays)])
    for viewer in viewers:
        await eventually(partial(shows, viewer, there))
    await pause(1)
    for viewer in viewers:
        assert viewer.folds.names(ROOM) == there
        for user, stays in zip(users, stay, strict=True):
            events = told(viewer, user)
            assert events and events == (["join", "leave"] * len(events))[: len(events)]
            assert stays == (events[-1] == "join")


async def tabs_at_random(arenas: Arenas, user_id: str, random: Random) -> bool:
    """Up to three tabs at a time, opened and closed on either node; whether one is open in the end."""
    tabs: list[Wire] = []
    for _ in range(8):
        if tabs and (len(tabs) == 3 or random.random() < 0.5):
            await tabs.pop(random.randrange(len(tabs))).say("bye")
        else:
            tabs.append(await random.choice(arenas).enter(user_id, ROOM))
    return bool(tabs)


async def test_the_last_tab_closed_on_one_node_against_a_new_one_on_the_other(arenas: Arenas) -> None:
    a, b = arenas
    viewers = [await a.enter("here", ROOM), await b.enter("there", ROOM)]
    users = [f"u{number}" for number in range(RACES)]
    for number, user_id in enumerate(users):
        first, second = ((a, b), (b, a))[number % 2]
        old = await first.enter(user_id, ROOM, beats=False)
        new = await second.connect()
        await new.hello(f"dev:{user_id}")
        await asyncio.gather(old.say("bye"), new.join(ROOM))
        new.beat_every(1)
    for viewer in viewers:
        for user_id in users:
            await viewer.event(ROOM, "join", user_id)
    await pause(1)
    for viewer in viewers:
        assert viewer.folds.names(ROOM) == sorted(["here", "there", *users])
        for user_id in users:
            # Whichever was first, the user is there; one who was seen to go has been seen to come back.
            assert told(viewer, user_id) in (["join"], ["join", "leave", "join"])


async def test_the_late_end_of_an_old_connection_ends_nothing_at_the_other_node(arenas: Arenas) -> None:
    a, b = arenas
    viewer, path = await a.enter("viewer", ROOM), await a.proxy()
    users = [f"u{number}" for number in range(LATE)]
    olds = [await a.enter(user_id, ROOM, through=path) for user_id in users]
    path.up = Faults(is_held=True)
    closing = [asyncio.create_task(old.close()) for old in olds]
    await asyncio.gather(*(go_on(b, old) for old in olds[::2]))
    # The goodbyes of these come when their sessions are at the other node, those of the rest while they go there.
    path.up = Faults()
    await asyncio.gather(*(go_on(b, old) for old in olds[1::2]), *closing)
    assert all(wire.welcome["resumed"] for wire in b.wires)
    await pause(GRACE + SWEEP + PASSAGE)
    assert [event for event in viewer.folds.told(ROOM) if event[0] == "leave"] == []


async def go_on(arena: Arena, old: Wire) -> None:
    """The same session on a new connection, while the old one still hears for itself what its node says."""
    wire = await arena.connect()
    await wire.resume(old, f"dev:{old.welcome['user']['id']}")
    wire.beat_every(0.5)


async def test_a_node_that_is_cut_off_from_the_store_loses_nobody_of_the_others(store: ValkeyServer) -> None:
    async with FaultProxy("127.0.0.1", store.port, random=Random(1)) as path, AsyncExitStack() as stack:
        a = await stack.enter_async_context(node("a", store.url))
        b = await stack.enter_async_context(node("b", f"valkey://127.0.0.1:{path.port}/0"))
        here, there = await a.enter("here", ROOM), await b.enter("there", ROOM)
        ada, bob = await a.enter("ada", ROOM), await b.enter("bob", ROOM)
        await here.event(ROOM, "join", "bob")
        path.up = path.down = Faults(is_black_hole=True)
        await there.expect("degraded", within=10)
        # Its users are gone for the others when its lease and the grace are over, and nobody is gone for it.
        await here.event(ROOM, "leave", "bob", within=LEASE + GRACE + SWEEP + PASSAGE + 2)
        await ada.ask("update", room=ROOM, state={"n": 1})
        assert told(there, "ada")[-1:] != ["leave"] and told(there, "bob")[-1:] != ["leave"]
        path.up = path.down = Faults()
        for link in path.links:
            link.cut()
        await here.event(ROOM, "join", "bob", within=10)
        await there.expect("restored", within=10)
        await eventually(lambda: told(here, "there")[-1:] == ["join"])
        assert "leave" not in told(here, "ada") + told(there, "ada") + told(there, "bob")
        assert (told(here, "bob"), told(here, "there")) == (["join", "leave", "join"], ["join", "leave", "join"])
        await bob.ask("update", room=ROOM, state={"n": 2})
        await here.event(ROOM, "update", "bob")
