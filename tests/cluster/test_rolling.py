"""Both servers are replaced, one after the other, under many clients: nobody is seen, or told, to come or to go."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

from hereabouts.testing.process import TEST_PROFILE, ServerProcess, serving
from hereabouts.testing.valkey import ValkeyServer
from hereabouts.testing.waiting import eventually, pause
from hereabouts.testing.webhook_receiver import WebhookReceiver
from hereabouts.testing.wire import Wire

CLIENTS, ROOM_MEMBERS = 1_000, 10
"""Each room has members at both servers, and each client holds what it is told of its room to the rules."""

EVENTS = 2 * CLIENTS + CLIENTS // ROOM_MEMBERS
"""Of webhooks: each client is online and in its room, and each room is occupied."""

AT_ONCE = 20
BEAT_SECONDS = 1.0
DRAIN_SECONDS = 5.0
BACK_SECONDS = 3.0
"""How long the last may take to be back, after the drain; or, on a busy machine, as long as so many took to come."""

LEASES = "lease.visible_seconds = 6\nlease.hidden_seconds = 8\n"
"""Twice those of the test profile: a thousand clients share a process with their test."""

ONE_ADDRESS = "[limits]\nunauthenticated_per_address = 1000\nhello_seconds = 30\n"
"""All clients come from one, and nobody minds how long a busy machine takes for them but the bound below."""


class Client:
    """A client that goes on at the other server when the one that it is at asks it to."""

    def __init__(self, number: int) -> None:
        self.user_id = f"u{number}"
        self.room = f"room-{number // ROOM_MEMBERS}"
        self.wire: Wire
        self.was_resumed = True

    async def enter(self, server: ServerProcess) -> None:
        self.wire = await Wire.open(server.url)
        await self.wire.hello(f"dev:{self.user_id}")
        await self.wire.join(self.room)
        self.wire.beat_every(BEAT_SECONDS)

    async def move(self, server: ServerProcess, within: float) -> None:
        """Wait to be asked, and to be closed; then go on there."""
        before = self.wire
        await before.expect("reconnect", within=within)
        await before.closed(within=within)
        self.wire = await Wire.open(server.url, folds=before.folds)
        welcome = await self.wire.resume(before, f"dev:{self.user_id}")
        self.was_resumed &= welcome["resumed"] and welcome["rooms"] == [self.room]
        self.wire.beat_every(BEAT_SECONDS)

    def sees_everybody(self) -> bool:
        return len(self.wire.folds.names(self.room)) == ROOM_MEMBERS

    def told(self) -> list[tuple[str, str]]:
        return self.wire.folds.told(self.room)


def configured(name: str, store: ValkeyServer, database: str, receiver: WebhookReceiver) -> str:
    lines = [
        f'{TEST_PROFILE}{LEASES}idle_after_seconds = "off"',
        f'{ONE_ADDRESS}[server]\nnode = "{name}"\ndrain_seconds = {DRAIN_SECONDS}',
        f'[backend]\nurl = "{store.url}"',
        f'[journal]\nurl = "{database}"',
        "[[webhooks]]",
        *(f"{key} = {json.dumps(value)}" for key, value in receiver.settings(timeout_seconds=30).items()),
    ]
    return "\n".join(lines)


async def test_a_rolling_restart_under_many_clients_is_seen_by_nobody(
    store: ValkeyServer, database: str, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        servers: list[ServerProcess] = []
        for name in "ab":
            (tmp_path / name).mkdir()
            config = configured(name, store, database, receiver)
            servers.append(await stack.enter_async_context(serving(tmp_path / name, config)))
        clients, began = [Client(number) for number in range(CLIENTS)], time.monotonic()
        for start in range(0, CLIENTS, AT_ONCE):
            await asyncio.gather(*(c.enter(servers[n % 2]) for n, c in enumerate(clients[start : start + AT_ONCE])))
        await eventually(lambda: all(client.sees_everybody() for client in clients), within=20)
        half_seconds = (time.monotonic() - began) / 2
        await eventually(lambda: len(receiver.told()) == EVENTS, within=60, what="all are told of")
        before = [client.told() for client in clients]
        at = [clients[0::2], clients[1::2]]
        for old, new in ((0, 1), (1, 0)):
            since = time.monotonic()
            moving = [asyncio.create_task(client.move(servers[new], DRAIN_SECONDS + 5)) for client in at[old]]
            stopping = asyncio.create_task(servers[old].end(signal.SIGTERM))
            await asyncio.gather(*moving)
            back_seconds = time.monotonic() - since
            assert back_seconds <= DRAIN_SECONDS + max(BACK_SECONDS, half_seconds)
            assert await stopping == 0
            at[new], at[old] = at[new] + at[old], []
            await servers[old].start()
        await pause(4)  # longer than the lease of a node that had died, with what is left of the grace
        assert [client.told() for client in clients] == before
        assert len(receiver.told()) == EVENTS, receiver.told()[EVENTS:]
        assert all(client.was_resumed and client.sees_everybody() for client in clients)
        await asyncio.gather(*(client.wire.reset() for client in clients))
