"""All servers end at once, with the store or without it, and start again: who came back is there, and nobody else."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest

from hereabouts.testing.process import ServerProcess
from hereabouts.testing.valkey import valkey
from hereabouts.testing.waiting import pause
from hereabouts.testing.wire import Wire

ROOM = "lobby"
USERS = 20
LEASE, GRACE, SWEEP, PASSAGE = 4.0, 2.0, 0.5, 0.8
"""The clocks of the test profile; the passage is the window and 750 ms."""

Opened = Callable[..., AbstractAsyncContextManager[tuple[ServerProcess, ServerProcess]]]


async def enter(server: ServerProcess, user_id: str) -> Wire:
    wire = await Wire.open(server.url)
    await wire.hello(f"dev:{user_id}")
    await wire.join(ROOM)
    wire.beat_every(0.5)
    return wire


async def come_back(before: Wire, server: ServerProcess, user_id: str) -> Wire:
    """Go on where it was, or begin anew where that is forgotten."""
    wire = await Wire.open(server.url, folds=before.folds)
    welcome = await wire.resume(before, f"dev:{user_id}")
    if ROOM not in welcome["rooms"]:
        await wire.join(ROOM)
    wire.beat_every(0.5)
    return wire


async def names(server: ServerProcess) -> list[str]:
    """Who is there, by HTTP."""
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": "Bearer dev:eve"}) as http:
        answer = await http.get(f"{server.http}/v1/rooms/{ROOM}/members")
    return sorted(member["user_id"] for member in answer.json()["members"])


@pytest.mark.parametrize("is_store_lost", [False, True], ids=["the store stays", "the store is lost too"])
async def test_all_servers_start_again_without_ghosts(tmp_path: Path, opened: Opened, is_store_lost: bool) -> None:
    with valkey(tmp_path) as engine:
        async with opened(tmp_path, engine) as both:
            users = [f"u{n}" for n in range(USERS)]
            wires = [await enter(both[n % 2], user_id) for n, user_id in enumerate(users)]
            await asyncio.gather(*(server.end(signal.SIGKILL) for server in both))
            if is_store_lost:
                engine.stop()
                engine.start()
            await asyncio.gather(*(server.start() for server in both))
            since = time.monotonic()
            # Half of them come back, each to the other server; the rest are ghosts, until their leases are over.
            backs = [await come_back(wires[n], both[n // 2 % 2], users[n]) for n in range(USERS // 2)]
            assert {wire.welcome["resumed"] for wire in backs} == {not is_store_lost}
            stay = sorted(users[: USERS // 2])
            bound = 0.0 if is_store_lost else LEASE + GRACE + SWEEP + PASSAGE
            while [await names(server) for server in both] != [stay, stay]:
                assert time.monotonic() - since <= bound, [await names(server) for server in both]
                await pause(0.1)
            await pause(max(bound - (time.monotonic() - since), 2))
            assert [await names(server) for server in both] == [stay, stay]
            for wire in backs:
                assert [who for kind, who in wire.folds.told(ROOM) if kind == "leave" and who in stay] == []
            await asyncio.gather(*(wire.reset() for wire in [*wires, *backs]))
