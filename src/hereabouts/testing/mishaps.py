"""What befalls two servers and their stores in a long run. Each mishap is over when its function returns."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from hereabouts.testing.fault_proxy import FaultProxy, Faults
from hereabouts.testing.postgres import PostgresServer
from hereabouts.testing.process import ServerProcess
from hereabouts.testing.valkey import ValkeyServer
from hereabouts.testing.waiting import pause


@dataclass
class Site:
    """Two servers, their stores, and the proxies between them: those of one server have its place in the list."""

    servers: list[ServerProcess]
    valkey: ValkeyServer
    postgres: PostgresServer
    to_valkey: list[FaultProxy]
    to_postgres: list[FaultProxy]
    random: Random

    def one(self) -> int:
        """One of the two servers."""
        return self.random.randrange(len(self.servers))


async def node_killed(site: Site) -> None:
    """A node dies, and is started again before or after the others missed it."""
    server = site.servers[site.one()]
    await server.end(signal.SIGKILL)
    await pause(site.random.choice((0.0, 1.0, 8.0)))
    await server.start()


async def node_stopped(site: Site) -> None:
    """A node stands still for less or more than its lease."""
    server = site.servers[site.one()]
    server.send(signal.SIGSTOP)
    await pause(site.random.choice((2.0, 7.0)))
    server.send(signal.SIGCONT)


async def node_drained(site: Site) -> None:
    """A node is replaced as operators do it."""
    server = site.servers[site.one()]
    code = await server.end(signal.SIGTERM)
    assert code == 0, f"a drained node ended with {code}"
    await server.start()


async def valkey_restarted(site: Site) -> None:
    """The live store forgets all that it had."""
    await asyncio.to_thread(site.valkey.stop)
    await pause(site.random.choice((0.0, 2.0, 6.0)))
    await asyncio.to_thread(site.valkey.start)


async def valkey_flushed(site: Site) -> None:
    """The same while it runs."""
    await asyncio.to_thread(site.valkey.flush)


async def valkey_frozen(site: Site) -> None:
    """The live store does not answer."""
    site.valkey.freeze()
    await pause(site.random.choice((1.0, 4.0, 8.0)))
    site.valkey.thaw()


async def subscriptions_cut(site: Site) -> None:
    """Nobody hears the live store any more."""
    await asyncio.to_thread(site.valkey.cut_subscriptions)


async def valkey_parted(site: Site) -> None:
    """One node does not reach the live store, and nothing says so."""
    await _parted(site, site.to_valkey)


async def valkey_cut(site: Site) -> None:
    """All connections of one node to the live store break, a few times."""
    await _cut(site, site.to_valkey)


async def postgres_restarted(site: Site) -> None:
    """The record is away."""
    await asyncio.to_thread(site.postgres.stop)
    await pause(site.random.choice((0.0, 3.0)))
    await asyncio.to_thread(site.postgres.start)


async def postgres_frozen(site: Site) -> None:
    """The record does not answer."""
    site.postgres.freeze()
    await pause(site.random.choice((2.0, 7.0)))
    site.postgres.thaw()


async def postgres_parted(site: Site) -> None:
    """One node does not reach the record, and nothing says so."""
    await _parted(site, site.to_postgres)


async def postgres_cut(site: Site) -> None:
    """All connections of one node to the record break, a few times."""
    await _cut(site, site.to_postgres)


async def _parted(site: Site, proxies: list[FaultProxy]) -> None:
    proxy = proxies[site.one()]
    proxy.up = proxy.down = Faults(is_held=True)
    await pause(site.random.choice((1.0, 3.0, 7.0)))
    proxy.up = proxy.down = Faults()


async def _cut(site: Site, proxies: list[FaultProxy]) -> None:
    proxy = proxies[site.one()]
    for _ in range(site.random.randrange(1, 4)):
        for link in proxy.links:
            link.cut()
        await pause(site.random.uniform(0.0, 1.0))


Mishap = Callable[[Site], Awaitable[None]]

OF_NODES: Final[tuple[Mishap, ...]] = (node_killed, node_stopped, node_drained)
OF_STORES: Final[tuple[Mishap, ...]] = (
    valkey_restarted, valkey_flushed, valkey_frozen, subscriptions_cut, valkey_parted, valkey_cut,
    postgres_restarted, postgres_frozen, postgres_parted, postgres_cut,
)  # fmt: skip
