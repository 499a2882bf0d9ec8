"""A node that dies, or stands still for longer than its lease: its users are gone once, nobody else's are."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from hereabouts.testing.process import ServerProcess
from hereabouts.testing.valkey import ValkeyServer
from hereabouts.testing.wire import Wire

ROOM = "lobby"
LEASE, GRACE, SWEEP, PASSAGE = 4.0, 2.0, 0.5, 0.8
"""The clocks of the test profile; the passage is the window and 750 ms."""

USERS = 500
"""On the node that is killed."""

LEASES = "lease.visible_seconds = 20\nlease.hidden_seconds = 20\n"
"""Of sessions; here the node's counts."""

Pair = tuple[ServerProcess, ServerProcess]
Opened = Callable[..., AbstractAsyncContextManager[Pair]]


async def enter(server: ServerProcess, user_id: str, beat_seconds: float = 0.5) -> Wire:
    wire = await Wire.open(server.url)
    await wire.hello(f"dev:{user_id}")
    await wire.join(ROOM)
    wire.beat_every(beat_seconds)
    return wire


async def test_a_killed_node_takes_its_own_users_once_and_nobody_elses(
    store: ValkeyServer, tmp_path: Path, opened: Opened
) -> None:
    async with opened(tmp_path, store, LEASES) as (a, b):
        await kill_under_users(a, b)


async def kill_under_users(a: ServerProcess, b: ServerProcess) -> None:
    viewer = await enter(b, "viewer")
    stays = await enter(b, "both")
    lost = [await enter(a, "both")]
    for start in range(0, USERS, 20):
        lost += await asyncio.gather(*(enter(a, f"u{n}", 2) for n in range(start, start + 20)))
    for n in range(USERS):
        await viewer.event(ROOM, "join", f"u{n}")
    await viewer.event(ROOM, "join", "both")
    since = time.monotonic()
    await a.end(signal.SIGKILL)
    took = [await viewer.event(ROOM, "leave", f"u{n}", within=15) - since for n in range(USERS)]
    assert LEASE * 3 / 4 + GRACE <= min(took) <= max(took) <= LEASE + GRACE + SWEEP + PASSAGE
    await viewer.no_event(ROOM, "leave", "both", during=1)
    left = [user_id for kind, user_id in viewer.folds.told(ROOM) if kind == "leave"]
    assert sorted(left) == sorted(f"u{n}" for n in range(USERS))
    await asyncio.gather(*(wire.close() for wire in lost), stays.close())


async def test_a_node_that_stood_still_beyond_its_lease_registers_again(pair: Pair) -> None:
    a, b = pair
    viewer = await enter(b, "viewer")
    ada = await enter(a, "ada")
    await viewer.event(ROOM, "join", "ada")
    a.send(signal.SIGSTOP)
    await viewer.event(ROOM, "leave", "ada", within=15)
    a.send(signal.SIGCONT)
    await viewer.event(ROOM, "join", "ada", within=10)
    await ada.expect("restored", within=10)
    await ada.ask("update", room=ROOM, state={"back": True})
    await viewer.event(ROOM, "update", "ada")


async def test_a_session_resumed_at_the_other_node_is_not_ended_by_the_first(pair: Pair) -> None:
    a, b = pair
    viewer = await enter(a, "viewer")
    ada = await enter(a, "ada")
    await ada.ask("update", room=ROOM, state={"cursor": 7})
    await viewer.event(ROOM, "join", "ada")
    again = await Wire.open(b.url)
    welcome = await again.resume(ada, "dev:ada")
    assert (welcome["resumed"], welcome["session_id"]) == (True, ada.welcome["session_id"])
    assert (welcome["incarnation"], welcome["rooms"]) == (2, [ROOM])
    again.beat_every(0.5)
    # The old node lets go of the connection itself; nothing of its end is the session's end.
    assert await ada.closed() == 4001
    await viewer.no_event(ROOM, "leave", "ada", during=GRACE + SWEEP + PASSAGE)
    assert (await again.ask("update", room=ROOM, state={"here": 1}))["type"] == "ok"
    await viewer.event(ROOM, "update", "ada")


async def test_a_session_of_a_killed_node_goes_on_at_the_other(pair: Pair) -> None:
    a, b = pair
    viewer = await enter(b, "viewer")
    ada = await enter(a, "ada")
    await viewer.event(ROOM, "join", "ada")
    await a.end(signal.SIGKILL)
    again = await Wire.open(b.url)
    assert (await again.resume(ada, "dev:ada"))["resumed"]
    again.beat_every(0.5)
    await viewer.no_event(ROOM, "leave", "ada", during=LEASE + GRACE + SWEEP + PASSAGE)
