"""How long a change takes to be seen in rooms that have nothing to do with the load. Run as a process of its own.

In each room one client makes changes, another sees them. Some rooms are busy: changes come faster than the window, so
that what is seen of them is the window's doing. The others are quiet: a change goes out at once. The moments are
random, so that they meet whatever comes evenly.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import msgspec
import uvloop

from bench.load import Client, Swarm

ROOMS: Final = 8
BUSY_SECONDS: Final = (0.01, 0.04)
QUIET_SECONDS: Final = (0.07, 0.13)
"""The least and the most between two changes of a room; its window is 0.05 s."""

_AT = re.compile(rb'"at":(\d+)')


class Latencies(NamedTuple):
    """Seconds from a change to its being seen, one for each change."""

    busy: list[float]
    quiet: list[float]


Measure = Callable[[float], Awaitable[Latencies]]


@asynccontextmanager
async def probing(port: int, watched_at: int | None = None) -> AsyncIterator[Measure]:
    """A probe beside the load: a call with seconds gives the latencies that it met in that time.

    Changes are made at the server of `port`, and seen there or at the server of `watched_at`.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.probe", str(port), str(watched_at or port),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 22,
    )  # fmt: skip
    reader, writer = process.stdout, process.stdin
    assert reader is not None and writer is not None

    async def measure(seconds: float) -> Latencies:
        writer.write(b"%f\n" % seconds)
        return msgspec.json.decode(await reader.readline(), type=Latencies)

    try:
        yield measure
    finally:
        writer.close()
        await process.wait()


class Room:
    """One room's two clients, and the changes that were made and not yet seen."""

    def __init__(self, member: Client, watcher: Client, apart_seconds: tuple[float, float], rooms_of: bytes) -> None:
        self.member = member
        self.watcher = watcher
        self._name = b"%b-%d" % (rooms_of, member.index)
        self._apart_seconds = apart_seconds
        self._made: deque[int] = deque()
        self._seen: list[float] = []

    async def change(self, seconds: float) -> list[float]:
        """Make changes for so long; how long each took to be seen, by itself or with a later one."""
        self._seen = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            await asyncio.sleep(random.uniform(*self._apart_seconds))
            made = time.perf_counter_ns()
            self._made.append(made)
            self.member.send(b'{"type":"update","room":"%b","state":{"at":%d}}' % (self._name, made // 1_000))
        return self._seen

    def saw(self, payload: bytes) -> None:
        """The watcher was told the newest change that there is."""
        found = _AT.search(payload)
        if found is None:
            return
        now, newest = time.perf_counter_ns(), int(found.group(1))
        while self._made and self._made[0] // 1_000 <= newest:
            self._seen.append((now - self._made.popleft()) / 1e9)


async def probe(port: int, watched_at: int) -> None:
    """Measure for as many seconds as each line of standard input says; print the latencies as a line of JSON."""
    here, there = Swarm(port), Swarm(watched_at)
    members, watchers = await here.open(ROOMS), await there.open(ROOMS)
    await here.greet(members, f"member-of-{watched_at}")
    await there.greet(watchers, f"watcher-of-{watched_at}")
    # Two probes of one store have rooms of their own.
    rooms_of = b"other-%d" % watched_at
    for member in members:
        member.send(b'{"type":"join","id":1,"room":"%b-%d"}' % (rooms_of, member.index))
    await here.until_frames(2 * ROOMS)
    for watcher in watchers:
        watcher.send(b'{"type":"watch","id":1,"rooms":["%b-%d"]}' % (rooms_of, watcher.index))
    await there.until_frames(2 * ROOMS)
    paces = [BUSY_SECONDS, QUIET_SECONDS] * (ROOMS // 2)
    rooms = [Room(*each, rooms_of) for each in zip(members, watchers, paces, strict=True)]
    by_watcher = {room.watcher: room for room in rooms}
    there.listener = lambda client, payload: by_watcher[client].saw(payload) if client in by_watcher else None
    while line := await asyncio.to_thread(sys.stdin.readline):
        found = await asyncio.gather(*(room.change(float(line)) for room in rooms))
        told = Latencies(*([seconds for each in found[n::2] for seconds in each] for n in range(2)))
        print(msgspec.json.encode(told).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(probe(int(sys.argv[1]), int(sys.argv[2])))
