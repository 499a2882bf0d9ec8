"""`python -m bench soak [--minutes N] [--seed S] [--tabs N] [--stores-only]`: a long run under faults.

Prints each round, then what is left when all have gone; exits with 1 if anything is not as it must be.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from random import Random

import httpx

from bench.load import raise_file_limit
from hereabouts.testing.mishaps import OF_NODES, OF_STORES
from hereabouts.testing.soaking import Soak, logged, site, standing
from hereabouts.testing.waiting import pause


async def run(minutes: float, seed: int, tabs: int, stores_only: bool, folder: Path) -> None:
    """Run for so long."""
    raise_file_limit()
    random = Random(seed)
    mishaps = OF_STORES if stores_only else OF_NODES + OF_STORES
    async with site(folder, random) as place, httpx.AsyncClient(trust_env=False, timeout=5) as http:
        soak = Soak(place, http, tabs)
        await pause(2)
        for server in place.servers:
            print(server.folder.name, await standing(http, server), server.open_files, server.rss_bytes >> 10)
        soak.begin()
        until = time.monotonic() + minutes * 60
        try:
            while time.monotonic() < until:
                await soak.round(random.sample(mishaps, random.randrange(3)), random.uniform(2, 6))
                print([(server.open_files, server.rss_bytes >> 10) for server in place.servers], flush=True)
        except AssertionError as error:
            print(error, flush=True)
            for guest in soak.guests:
                if f" {guest.user_id} " in str(error) or f"'{guest.user_id}'" in str(error):
                    print(guest, *guest.history, sep="\n    ")
                    for server in place.servers:
                        print(await soak.get(server, f"/v1/users/{guest.user_id}/explain"))
        await soak.end()
        print("broken rules", *soak.broken_rules(), sep="\n  ")
        await pause(20)
        for server in place.servers:
            print(server.folder.name, await standing(http, server), server.open_files, server.rss_bytes >> 10)
            for line, count in logged(server).most_common():
                print("   ", count, line)
        with place.valkey.client as client:
            for key in client.scan_iter("*"):
                print("   ", key, client.ttl(key), client.type(key))


def main(arguments: list[str]) -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tabs", type=int, default=40)
    parser.add_argument("--stores-only", action="store_true")
    given = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="hereabouts-soak-"))
    print(folder)
    asyncio.run(run(given.minutes, given.seed, given.tabs, given.stores_only, folder))
    return 0
