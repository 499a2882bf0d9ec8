"""Two nodes over a Valkey: how long a change takes on its own node and on the other, beside a server alone in memory.

The three are measured in turns, so that whatever else the machine does falls on all of them; of all turns' figures the
middle one counts. The engine's own round trip is that of a PING, also between the turns.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

from redis.asyncio import Redis

from bench.probe import Latencies, probing
from bench.process import OPEN, QUIET, running_server
from bench.report import Figure, quantile, ratio
from hereabouts.testing.valkey import valkey

NAME = "two_nodes"
PLACES = ("in memory", "on its own node", "on the other node")
TURN_SECONDS = 2.0
PINGS = 200

WINDOW_SECONDS = 0.05
OTHER_P99_SECONDS = 0.75
HOPS = 3
"""To the store, to the subscriber, and one to spare. The bound on the median is so many round trips, and `WORK`."""

WORK_SECONDS = 0.005


async def run(small: bool) -> list[Figure]:
    """Measure in ten turns; small means in three."""
    met: dict[str, list[Latencies]] = {place: [] for place in PLACES}
    trips: list[float] = []
    with tempfile.TemporaryDirectory(prefix="hereabouts-bench-") as folder, valkey(Path(folder)) as engine:
        async with AsyncExitStack() as stack:
            alone = await stack.enter_async_context(running_server(OPEN + QUIET))
            one, two = [
                await stack.enter_async_context(running_server(OPEN + QUIET, store_url=engine.url, node=name))
                for name in ("one", "two")
            ]
            pairs = ((alone.port, alone.port), (one.port, one.port), (one.port, two.port))
            probes = [await stack.enter_async_context(probing(*pair)) for pair in pairs]
            redis = await stack.enter_async_context(Redis(port=engine.port))
            for _ in range(3 if small else 10):
                for place, measure in zip(PLACES, probes, strict=True):
                    met[place].append(await measure(TURN_SECONDS))
                trips += [await _trip(redis) for _ in range(PINGS)]
    return _figures(met, median(trips))


async def _trip(redis: Redis) -> float:
    began = time.perf_counter()
    await redis.ping()
    return time.perf_counter() - began


def _figures(met: dict[str, list[Latencies]], trip: float) -> list[Figure]:
    """Of busy and quiet rooms together; then of quiet ones, whose changes wait for no window."""
    alone, own, other = (median(quantile(turn.busy + turn.quiet, 0.99) for turn in met[place]) for place in PLACES)
    middle = median(median(turn.busy + turn.quiet) for turn in met[PLACES[2]])
    quiet = [median(median(turn.quiet) for turn in met[place]) for place in PLACES]
    most = HOPS * trip + WORK_SECONDS
    return [
        Figure(NAME, f"a change {PLACES[0]}, p99", alone * 1000, "ms"),
        Figure(NAME, f"a change {PLACES[1]}, p99", own * 1000, "ms"),
        Figure(NAME, "own node to memory, p99", ratio(own, alone), "", 1.5, "at most"),
        Figure(NAME, f"a change {PLACES[2]}, p99", other * 1000, "ms", OTHER_P99_SECONDS * 1000, "at most"),
        Figure(NAME, "the same, median", middle * 1000, "ms", (most + WINDOW_SECONDS) * 1000, "at most"),
        Figure(NAME, f"in quiet rooms {PLACES[0]}, median", quiet[0] * 1000, "ms"),
        Figure(NAME, f"in quiet rooms {PLACES[1]}, median", quiet[1] * 1000, "ms"),
        Figure(NAME, f"in quiet rooms {PLACES[2]}, median", quiet[2] * 1000, "ms", most * 1000, "at most"),
        Figure(NAME, "the engine's own round trip, median", trip * 1000, "ms"),
    ]
