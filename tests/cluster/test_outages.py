"""The store stops, stands still, is emptied, or a subscription falls deaf: nobody is gone because of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from hereabouts.testing.process import ServerProcess
from hereabouts.testing.valkey import ValkeyServer, valkey
from hereabouts.testing.waiting import eventually, pause
from hereabouts.testing.wire import Wire

ROOM = "lobby"

SLOW_BEATS = "beat.visible_seconds = 2\nlease.visible_seconds = 20\nlease.hidden_seconds = 20\n"
TWO_BEATS = 4.0
"""A tenth of those of production, as the clocks of nodes are a quarter."""

Opened = Callable[..., AbstractAsyncContextManager[tuple[ServerProcess, ServerProcess]]]
Trio = tuple[ValkeyServer, ServerProcess, ServerProcess]


@pytest.fixture
async def trio(tmp_path: Path, opened: Opened) -> AsyncIterator[Trio]:
    """A Valkey of its own, which the test may harm, and two servers over it."""
    with valkey(tmp_path) as engine:
        async with opened(tmp_path, engine) as (a, b):
            yield engine, a, b


async def enter(server: ServerProcess, user_id: str) -> Wire:
    wire = await Wire.open(server.url)
    await wire.hello(f"dev:{user_id}")
    await wire.join(ROOM)
    wire.beat_every(0.5)
    return wire


async def crowd(a: ServerProcess, b: ServerProcess) -> tuple[Wire, Wire, list[Wire]]:
    """A viewer on each node, and three users on each; everybody has seen everybody."""
    here, there = await enter(a, "here"), await enter(b, "there")
    users = [await enter(server, f"{name}{n}") for name, server in (("a", a), ("b", b)) for n in range(3)]
    for viewer in (here, there):
        for n in range(3):
            await viewer.event(ROOM, "join", f"a{n}")
            await viewer.event(ROOM, "join", f"b{n}")
    return here, there, users


async def shows_nobody_gone(*viewers: Wire) -> None:
    """Each has been told that its view is current again, and nobody has left in its eyes."""
    for viewer in viewers:
        await viewer.expect("degraded", within=10)
        await viewer.expect("restored", within=15)
        assert gone(viewer) == []


def gone(viewer: Wire) -> list[str]:
    return [user_id for kind, user_id in viewer.folds.told(ROOM) if kind == "leave"]


async def test_a_store_that_is_emptied_or_comes_back_empty_loses_nobody(trio: Trio) -> None:
    engine, a, b = trio
    here, there, users = await crowd(a, b)
    engine.flush()
    await shows_nobody_gone(here, there)
    engine.stop()
    await here.expect("degraded", within=10)
    await pause(3)
    engine.start()
    for viewer in (here, there):
        await viewer.expect("restored", within=15)
        assert gone(viewer) == []
    # What happens from now on is seen on both, and everybody stands in the store again.
    await enter(b, "late")
    await here.event(ROOM, "join", "late")
    assert sorted(member["user_id"] for member in (await a_list(a))["members"]) == sorted(
        ["here", "there", "late", *(f"{name}{n}" for name in "ab" for n in range(3))]
    )
    await users[0].say("bye")
    await there.event(ROOM, "leave", "a0")


async def a_list(server: ServerProcess) -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": "Bearer dev:here"}) as http:
        answer = await http.get(f"{server.http}/v1/rooms/{ROOM}/members")
        return dict(answer.json())


async def test_who_goes_while_the_store_is_away_is_gone_when_it_is_back(trio: Trio) -> None:
    engine, a, b = trio
    here, there, users = await crowd(a, b)
    engine.stop()
    await there.expect("degraded", within=10)
    await users[0].say("bye")
    await users[0].closed()
    await there.no_event(ROOM, "leave", "a0", during=1)
    engine.start()
    await there.event(ROOM, "leave", "a0", within=15)
    await here.event(ROOM, "leave", "a0")  # with the first window after its view is current again
    for viewer in (here, there):
        await viewer.expect("restored", within=15)
        assert gone(viewer) == ["a0"]


async def test_a_store_that_was_away_for_ten_seconds_and_is_empty_costs_the_net_difference(
    tmp_path: Path, opened: Opened
) -> None:
    with valkey(tmp_path) as engine:
        async with opened(tmp_path, engine, SLOW_BEATS) as (a, b):
            viewers = [await enter(a, "here"), await enter(b, "there")]
            users = {f"u{n}": await enter((a, b)[n % 2], f"u{n}") for n in range(40)}
            for viewer in viewers:
                await eventually(partial(shows, viewer, ["here", "there", *users]))
            before = [(dict(viewer.folds.rooms[ROOM].members), heard(viewer)) for viewer in viewers]
            engine.stop()
            since = time.monotonic()
            for viewer in viewers:
                await viewer.expect("degraded", within=10)
            goers = [f"u{n}" for n in range(4)]
            await asyncio.gather(*(users.pop(user_id).say("bye") for user_id in goers))
            await pause(since + 10 - time.monotonic())
            assert [gone(viewer) for viewer in viewers] == [[], []]
            engine.start()
            back = time.monotonic()
            for viewer in viewers:
                await eventually(partial(shows, viewer, ["here", "there", *users]), within=TWO_BEATS)
            assert time.monotonic() - back <= TWO_BEATS
            await pause(1)  # nothing more is said
            for viewer, (members, heard_before) in zip(viewers, before, strict=True):
                await viewer.expect("restored")
                now = viewer.folds.rooms[ROOM].members
                net = [user_id for user_id in members if members[user_id] != now.get(user_id)]
                assert sorted(gone(viewer)) == goers
                assert heard(viewer) - heard_before <= 1.5 * len(net)


def shows(viewer: Wire, names: list[str]) -> bool:
    return viewer.folds.names(ROOM) == sorted(names)


def heard(viewer: Wire) -> int:
    """How much it was told of members: each event of a delta, each member of a snapshot."""
    deltas = [f.message["events"] for f in viewer.frames if f.message["type"] == "delta"]
    snapshots = [f.message["members"] for f in viewer.frames if f.message["type"] == "snapshot"]
    return sum(map(len, deltas + snapshots))


async def test_a_store_that_stands_still_or_cuts_its_listeners_loses_nothing(trio: Trio) -> None:
    engine, a, b = trio
    here, there, users = await crowd(a, b)
    engine.freeze()
    await pause(5)
    engine.thaw()
    await shows_nobody_gone(here, there)
    for n in range(3):
        engine.cut_subscriptions()
        await users[0].ask("update", room=ROOM, state={"n": n})
        await pause(0.3)
    await users[1].say("bye")
    for viewer in (here, there):
        await viewer.event(ROOM, "leave", "a1", within=10)
        assert gone(viewer) == ["a1"]
