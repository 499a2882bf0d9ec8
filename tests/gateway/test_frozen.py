"""A client process that stands still and goes on later: it brings nothing back that time has ended."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import pause

LEASE, GRACE, SWEEP, PUBLISHING, SLACK = 3.0, 2.0, 0.5, 0.3, 0.3
BEAT_SECONDS = 0.5

CLIENT = """
import asyncio, json, sys
from hereabouts.testing.wire import Wire

async def main(url):
    wire = await Wire.open(url)
    await wire.hello("dev:bob")
    wire.beat_every(0.5)
    await wire.join("lobby")
    print(json.dumps(wire.welcome), flush=True)
    code = await wire.closed(within=60)
    print(json.dumps({"code": code, "ended": [f.message["code"] for f in wire.frames if f.message["type"] == "ended"]}))

asyncio.run(main(sys.argv[1]))
"""


@asynccontextmanager
async def client(url: str) -> AsyncIterator[tuple[Process, dict[str, Any]]]:
    """Bob in a process of his own, in the lobby; and his welcome."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", CLIENT, url, stdout=PIPE)
    try:
        yield process, await line(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        getattr(process, "_transport").close()  # noqa: B009  # its pipe is closed now, not at some later collection


async def line(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(10):
        told: dict[str, Any] = json.loads(await process.stdout.readline())
    return told


async def test_a_process_frozen_beyond_lease_and_grace_is_gone_and_stays_gone(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    async with client(arena.url) as (process, _):
        await ada.event("lobby", "join", "bob")
        process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        left = await ada.event("lobby", "leave", "bob", within=8) - stopped
        assert LEASE + GRACE - BEAT_SECONDS - SLACK <= left <= LEASE + GRACE + SWEEP + PUBLISHING + SLACK
        process.send_signal(signal.SIGCONT)
        assert await line(process) == {"code": 4201, "ended": ["session_expired"]}
        await ada.no_event("lobby", "join", "bob", during=1)


async def test_a_process_frozen_for_less_than_its_lease_was_never_away(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    async with client(arena.url) as (process, _):
        process.send_signal(signal.SIGSTOP)
        await ada.no_event("lobby", "leave", "bob", during=LEASE - BEAT_SECONDS)
        process.send_signal(signal.SIGCONT)
        await ada.no_event("lobby", "leave", "bob", during=LEASE + GRACE + SWEEP)
        assert ada.folds.told("lobby") == [("join", "bob")]


async def test_a_frozen_process_cannot_touch_the_session_that_went_on_without_it(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    async with client(arena.url) as (process, welcome):
        await ada.event("lobby", "join", "bob")
        process.send_signal(signal.SIGSTOP)
        bob = await arena.connect()
        assert (await bob.go_on(welcome["resume"], "dev:bob"))["incarnation"] == 2
        bob.beat_every(BEAT_SECONDS)
        await pause(1)
        process.send_signal(signal.SIGCONT)
        assert await line(process) == {"code": 4001, "ended": ["superseded"]}
        await ada.no_event("lobby", "leave", "bob", during=GRACE + SWEEP + PUBLISHING)
        # Its end is the end of the new one alone.
        await bob.say("bye")
        await ada.event("lobby", "leave", "bob", within=3)
        assert ada.folds.told("lobby") == [("join", "bob"), ("leave", "bob")]
