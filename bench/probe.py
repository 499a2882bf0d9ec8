"""How long a change takes to be seen in rooms that have nothing to do with the load. Run as a process of its own.

In each room one client makes changes, another sees them. Changes come further apart than the room's window, so that
none waits for it; they do not come evenly, so that they meet whatever comes evenly.
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

from bench.load import Client, Swarm

ROOMS = 8
APART_SECONDS = (0.07, 0.13)
"""The least and the most between two changes of a room; its window is 0.05 s."""

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
    clients = await swarm.open(2 * ROOMS)
    await swarm.greet(clients, "probe")
    for member in clients[:ROOMS]:
        member.send(b'{"type":"join","id":1,"room":"other-%d"}' % member.index)
    await swarm.until_frames(2 * ROOMS)
    for watcher in clients[ROOMS:]:
        watcher.send(b'{"type":"watch","id":1,"rooms":["other-%d"]}' % (watcher.index - ROOMS))
    await swarm.until_frames(2 * ROOMS)
    pairs = [Pair(member, watcher) for member, watcher in zip(clients[:ROOMS], clients[ROOMS:], strict=True)]
    by_watcher = {pair.watcher: pair for pair in pairs}
    swarm.listener = lambda client, _: by_watcher[client].saw() if client in by_watcher else None
    while line := await asyncio.to_thread(sys.stdin.readline):
        found = await asyncio.gather(*(pair.latencies(float(line)) for pair in pairs))
        print(msgspec.json.encode([latency for each in found for latency in each]).decode(), flush=True)


class Pair:
    """The two clients of one room."""

    def __init__(self, member: Client, watcher: Client) -> None:
        self.member = member
        self.watcher = watcher
        self._seen = asyncio.Event()
        self._seen_at = 0.0

    def saw(self) -> None:
        """The watcher saw the change."""
        self._seen_at = time.perf_counter()
        self._seen.set()

    async def latencies(self, seconds: float) -> list[float]:
        """How long each change took, over so many seconds."""
        end, found = time.perf_counter() + seconds, []
        await asyncio.sleep(random.uniform(0, APART_SECONDS[1]))
        while (began := time.perf_counter()) < end:
            self._seen.clear()
            self.member.send(
                b'{"type":"update","room":"other-%d","state":{"at":%d}}' % (self.member.index, int(began * 1e6))
            )
            await asyncio.wait_for(self._seen.wait(), 30)
            found.append(self._seen_at - began)
            await asyncio.sleep(random.uniform(*APART_SECONDS))
        return found


if __name__ == "__main__":
    uvloop.run(probe(int(sys.argv[1])))
