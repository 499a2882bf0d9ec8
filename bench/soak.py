"""`python -m bench soak [--minutes N] [--seed S] [--tabs N] [--stores-only]`: a long run under faults.

Two servers over a Valkey and a PostgreSQL, and clients that come, act, move and vanish while nodes are killed, stopped
and drained and stores restarted, emptied, frozen and cut off. After each round all must see what is so; when all have
gone nothing may be left. Exits with 1 and says what is wrong; the folder with the logs then stays.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import httpx

from bench.load import raise_file_limit
from bench.report import Figure, quantile, show
from hereabouts.testing.mishaps import OF_NODES, OF_STORES
from hereabouts.testing.soaking import Soak, leftovers, site

NAME = "soak"
WARM_ROUNDS = 5
"""What a process keeps after its first rounds is no leak."""

GROWTH_MOST = 60.0
"""KiB a minute by which a node may grow that was not restarted: of 30 MB in eight hours an operator should hear."""


async def run(minutes: float, seed: int, tabs: int, *, stores_only: bool, folder: Path) -> list[Figure]:
    """Run for so long. Raises `AssertionError` with all that is wrong."""
    raise_file_limit()
    chance = Random(seed)
    mishaps = OF_STORES if stores_only else OF_NODES + OF_STORES
    sizes: list[tuple[float, float]] = []
    async with site(folder, chance) as place, httpx.AsyncClient(trust_env=False, timeout=5) as http:
        soak = Soak(place, http, tabs)
        soak.begin()
        until = time.monotonic() + minutes * 60
        while time.monotonic() < until:
            await soak.round(chance.sample(mishaps, chance.randrange(3)), chance.uniform(2, 6))
            sizes.append((time.monotonic(), max(server.rss_bytes for server in place.servers) >> 10))
        await soak.end(leftovers)
        wrong = soak.broken_rules()
        assert not wrong, "\n".join(wrong)
    bound = GROWTH_MOST if stores_only else None
    return [
        Figure(NAME, "rounds", len(soak.agreed_seconds), ""),
        Figure(NAME, "until all agree, median", quantile(soak.agreed_seconds, 0.5), "s"),
        Figure(NAME, "until all agree, longest", max(soak.agreed_seconds), "s"),
        Figure(NAME, "memory of the larger node at the end", sizes[-1][1], "KiB"),
        Figure(NAME, "growth of that a minute", growth(sizes[WARM_ROUNDS:]), "KiB", bound, "at most"),
    ]


def growth(sizes: list[tuple[float, float]]) -> float:
    """KiB a minute: the slope through what was measured, by least squares."""
    if len(sizes) < 2:
        return 0.0
    tick, size = (sum(column) / len(sizes) for column in zip(*sizes, strict=True))
    spread: float = sum((at - tick) * (at - tick) for at, _ in sizes)
    rise: float = sum((at - tick) * (kept - size) for at, kept in sizes)
    return 60 * rise / spread


def main(arguments: list[str]) -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tabs", type=int, default=40, help="WebSocket clients; a third as many others come too")
    parser.add_argument("--stores-only", action="store_true", help="no node is killed: shows whether memory grows")
    given = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="hereabouts-soak-"))
    try:
        figures = asyncio.run(run(given.minutes, given.seed, given.tabs, stores_only=given.stores_only, folder=folder))
    except AssertionError as error:
        print(error, f"seed {given.seed}; the logs are in {folder}", sep="\n", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    show(figures)
    return 1 if any(figure.is_kept is False for figure in figures) else 0
