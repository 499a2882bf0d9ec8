"""How long a change takes to be seen in a room that has nothing to do with the load. Run as a process of its own.

One client changes the room, another sees it. Changes come further apart than the room's window, so that none waits
for it; they do not come evenly, so that they meet whatever comes evenly.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import uvloop

from bench.load import Swarm

APART_SECONDS = (0.06, 0.1)
"""The least and the most between two changes; the window is 0.05 s."""

Measure = Callable[[float], Awaitable[list[float]]]


@asynccontextmanager
async def probing(port: int) -> AsyncIterator[Measure]:
    """A probe beside the load: a call with seconds gives the latencies that it met in that time, in seconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.probe", str(port), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    reader, writer = process.stdout, process.stdin
    assert reader is not None and writer is not None

    async def measure(seconds: float) -> list[float]:
        writer.write(b"%f\n" % seconds)
        return msgspec.json.decode(await reader.readline(), type=list[float])

    try:
        yield measure
    finally:
        writer.close()
        await process.wait()


async def probe(port: int) -> None:
    """Measure for as many seconds as each line of standard input says; print the latencies as a line of JSON."""
    swarm = Swarm(port)
    clients = await swarm.open(2)
    await swarm.greet(clients, "probe")
    clients[0].send(b'{"type":"join","id":1,"room":"other"}')
    await swarm.until_frames(2)
    clients[1].send(b'{"type":"watch","id":1,"rooms":["other"]}')
    await swarm.until_frames(2)
    while line := await asyncio.to_thread(sys.stdin.readline):
        found = await _latencies(swarm, float(line))
        print(msgspec.json.encode(found).decode(), flush=True)


async def _latencies(swarm: Swarm, seconds: float) -> list[float]:
    member, watcher = swarm.clients
    end, found = time.perf_counter() + seconds, []
    while (began := time.perf_counter()) < end:
        wanted = watcher.frames + 1
        member.send(b'{"type":"update","room":"other","state":{"at":%d}}' % int(began * 1e6))
        await swarm.until(lambda wanted=wanted: watcher.frames >= wanted, 30)  # type: ignore[misc]
        found.append(time.perf_counter() - began)
        await asyncio.sleep(random.uniform(*APART_SECONDS))
    return found


if __name__ == "__main__":
    uvloop.run(probe(int(sys.argv[1])))
