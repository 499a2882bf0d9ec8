"""A node that is cut off for a while, or whose event loop stands still: shorter than a lease, and nobody is gone."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hereabouts.testing.arena import Arena
from hereabouts.testing.fault_proxy import FaultProxy, Faults
from hereabouts.testing.process import TEST_PROFILE, serving
from hereabouts.testing.valkey import ValkeyServer
from hereabouts.testing.waiting import eventually, pause, stall
from hereabouts.testing.wire import Wire

ROOM = "lobby"
CUT_SECONDS = 8.0
TWO_BEATS = 4.0
PATIENT: dict[str, Any] = {
    "beat.visible_seconds": 2,
    "lease.visible_seconds": 12,
    "lease.hidden_seconds": 12,
    "node.lease_seconds": 12,
}
"""Beats of a tenth of those of production, and leases that outlive the cut, as those of production do."""

STALL_SECONDS = 4.5
"""Longer than the leases of a session and of a node in the test profile, shorter than a lease and the grace."""


def left(viewer: Wire) -> list[str]:
    return [user_id for kind, user_id in viewer.folds.told(ROOM) if kind == "leave"]


def shows(viewer: Wire, names: list[str]) -> bool:
    return viewer.folds.names(ROOM) == names


@pytest.mark.parametrize("faults", [Faults(is_black_hole=True), Faults(is_held=True)], ids=["lost", "late"])
async def test_a_node_that_is_cut_off_for_eight_seconds_loses_nobody(store: ValkeyServer, faults: Faults) -> None:
    """What it says meanwhile is lost, or comes when nobody waits for it any more."""
    async with FaultProxy("127.0.0.1", store.port, random=Random(1)) as path, AsyncExitStack() as stack:
        urls = {"a": store.url, "b": f"valkey://127.0.0.1:{path.port}/0"}
        settings = [
            {"server": {"node": name}, "backend": {"url": url}, "policy": {"default": PATIENT}}
            for name, url in urls.items()
        ]
        a, b = [await stack.enter_async_context(Arena(each)) for each in settings]
        here, there = await a.enter("here", ROOM), await b.enter("there", ROOM)
        users = [await arena.enter(f"{name}{n}", ROOM) for name, arena in (("a", a), ("b", b)) for n in range(10)]
        everybody = sorted(["here", "there", *(f"{name}{n}" for name in "ab" for n in range(10))])
        for viewer in (here, there):
            await eventually(partial(shows, viewer, everybody))
        path.up = path.down = faults
        cut_tick = time.monotonic()
        await there.expect("degraded", within=CUT_SECONDS)
        # Somebody comes and somebody goes on either side of the cut.
        await a.enter("late", ROOM)
        await asyncio.gather(users[0].say("bye"), users[10].say("bye"))
        await here.event(ROOM, "leave", "a0")
        await pause(cut_tick + CUT_SECONDS - time.monotonic())
        assert (left(here), left(there)) == (["a0"], [])
        path.up = path.down = Faults()
        if faults.is_black_hole:
            for link in path.links:
                link.cut()
        there_now = sorted({*everybody, "late"} - {"a0", "b0"})
        for viewer in (here, there):
            await eventually(partial(shows, viewer, there_now), within=TWO_BEATS)
        await there.expect("restored")
        await pause(1)
        for viewer in (here, there):
            assert shows(viewer, there_now) and sorted(left(viewer)) == ["a0", "b0"]
        await users[-1].ask("update", room=ROOM, state={"n": 1})
        await here.event(ROOM, "update", "b9")


async def test_an_event_loop_that_stands_still_longer_than_leases_loses_nobody(
    store: ValkeyServer, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    config = f'{TEST_PROFILE}[server]\nnode = "a"\n[backend]\nurl = "{store.url}"\n'
    async with (
        serving(tmp_path / "a", config) as a,
        Arena({"server": {"node": "b"}, "backend": {"url": store.url}}) as b,
    ):
        here, there = await Wire.open(a.url), await b.enter("there", ROOM)
        await here.hello("dev:here")
        here.beat_every(0.5)
        await here.join(ROOM)
        users = [f"u{n}" for n in range(20)]
        wires = [await b.enter(user_id, ROOM) for user_id in users]
        await eventually(partial(shows, here, sorted(["here", "there", *users])))
        stall(STALL_SECONDS)
        await wires[0].ask("update", room=ROOM, state={"n": 1})
        await here.event(ROOM, "update", "u0")
        await pause(2.8)  # the grace, a sweep and a passage
        assert left(here) == left(there) == []
        assert shows(here, there.folds.names(ROOM))
        await here.reset()
