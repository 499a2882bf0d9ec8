"""Both servers are replaced, one after the other, under many clients: nobody is seen to come or to go."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from hereabouts.testing.process import TEST_PROFILE, ServerProcess, serving
from hereabouts.testing.valkey import ValkeyServer
from hereabouts.testing.waiting import eventually, pause
from hereabouts.testing.wire import Wire

ROOM = "lobby"
CLIENTS = 200
DRAIN_SECONDS = 3.0
BACK_SECONDS = 12.0
"""How long the last may take to be back, after the drain. 0.6 s were measured; the tests of others run beside this."""


class Client:
    """A client that goes on at the other server when the one that it is at asks it to."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.wire: Wire
        self.was_resumed = True

    async def enter(self, server: ServerProcess) -> None:
        self.wire = await Wire.open(server.url)
        await self.wire.hello(f"dev:{self.user_id}")
        await self.wire.join(ROOM)
        self.wire.beat_every(0.5)

    async def move(self, server: ServerProcess, within: float) -> None:
        """Wait to be asked, and to be closed; then go on there."""
        before = self.wire
        await before.expect("reconnect", within=within)
        await before.closed(within=within)
        self.wire = await Wire.open(server.url, folds=before.folds)
        welcome = await self.wire.resume(before, f"dev:{self.user_id}")
        self.was_resumed &= welcome["resumed"] and welcome["rooms"] == [ROOM]
        self.wire.beat_every(0.5)


def configured(name: str, store: ValkeyServer) -> str:
    server = f'[server]\nnode = "{name}"\ndrain_seconds = {DRAIN_SECONDS}\n'
    return f'{TEST_PROFILE}\n{server}[backend]\nurl = "{store.url}"\n'


def sees_everybody(client: Client) -> bool:
    return len(client.wire.folds.names(ROOM)) == CLIENTS


async def test_a_rolling_restart_under_many_clients_is_seen_by_nobody(store: ValkeyServer, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        servers: list[ServerProcess] = []
        for name in "ab":
            (tmp_path / name).mkdir()
            servers.append(await stack.enter_async_context(serving(tmp_path / name, configured(name, store))))
        clients = [Client(f"u{number}") for number in range(CLIENTS)]
        for number in range(0, CLIENTS, 20):
            await asyncio.gather(*(c.enter(servers[n % 2]) for n, c in enumerate(clients[number : number + 20])))
        # The first of each server sees everybody.
        for client in clients[:2]:
            await eventually(partial(sees_everybody, client), within=20)
        told = [len(client.wire.folds.told(ROOM)) for client in clients[:2]]
        at = [clients[0::2], clients[1::2]]
        for old, new in ((0, 1), (1, 0)):
            since = time.monotonic()
            moving = [asyncio.ensure_future(c.move(servers[new], DRAIN_SECONDS + 5)) for c in at[old]]
            ended = await servers[old].end(signal.SIGTERM)
            await asyncio.gather(*moving)
            assert ended == 0
            assert time.monotonic() - since <= DRAIN_SECONDS + BACK_SECONDS
            at[new], at[old] = at[new] + at[old], []
            await servers[old].start()
        await pause(4)  # longer than a lease and the grace of whoever had not come back
        for client, before in zip(clients[:2], told, strict=True):
            assert [e for e in client.wire.folds.told(ROOM)[before:] if e[0] != "update"] == []
        assert all(client.was_resumed for client in clients)
        await asyncio.gather(*(client.wire.reset() for client in clients))
