"""Webhooks of two nodes over one Valkey and one PostgreSQL: each event once, whichever node dies or moves."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from hereabouts.testing.process import TEST_PROFILE, ServerProcess, serving
from hereabouts.testing.valkey import ValkeyServer
from hereabouts.testing.waiting import eventually, pause
from hereabouts.testing.webhook_receiver import WebhookReceiver, answering, hang
from hereabouts.testing.wire import Wire

ROOM = "lobby"
LEASE, GRACE, TURN = 4.0, 2.0, 1.0
"""Of the test profile; and how often it is asked whose turn it is."""

SLACK = 6.0
USERS = 20


class Place:
    """Two nodes, what they share, and what was told of them."""

    def __init__(self, a: ServerProcess, b: ServerProcess, database: str) -> None:
        self.nodes = {"a": a, "b": b}
        self._database = database

    async def holder(self) -> str:
        """The node that delivers, once there is one."""
        connection = await asyncpg.connect(self._database)
        try:
            while True:
                asked = "SELECT node FROM hereabouts.outbox_lease WHERE until > clock_timestamp()"
                node = await connection.fetchval(asked)
                if node is not None:
                    return str(node)
                await pause(0.1)
        finally:
            await connection.close()

    async def both(self) -> tuple[ServerProcess, ServerProcess]:
        """The node that delivers, and the other one."""
        async with asyncio.timeout(LEASE + SLACK):
            holder = await self.holder()
        return self.nodes[holder], self.nodes["b" if holder == "a" else "a"]


@pytest.fixture
async def place(store: ValkeyServer, database: str, receiver: WebhookReceiver, tmp_path: Path) -> AsyncIterator[Place]:
    async with opened(store, database, receiver, tmp_path) as place:
        yield place


@asynccontextmanager
async def opened(
    store: ValkeyServer, database: str, receiver: WebhookReceiver, folder: Path, drain_seconds: float = 0
) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        starting = []
        for name in "ab":
            (folder / name).mkdir()
            config = configured(name, store, database, receiver, drain_seconds)
            starting.append(stack.enter_async_context(serving(folder / name, config)))
        a, b = await asyncio.gather(*starting)
        yield Place(a, b, database)


def configured(name: str, store: ValkeyServer, database: str, receiver: WebhookReceiver, drain_seconds: float) -> str:
    hook = [f"{key} = {json.dumps(value)}" for key, value in receiver.settings(timeout_seconds=30).items()]
    lines = [
        f'{TEST_PROFILE}idle_after_seconds = "off"',
        f'[server]\nnode = "{name}"\ndrain_seconds = {drain_seconds}',
        f'[backend]\nurl = "{store.url}"',
        f'[journal]\nurl = "{database}"',
        "[[webhooks]]",
        *hook,
    ]
    return "\n".join(lines)


async def enter(server: ServerProcess, user_id: str) -> Wire:
    wire = await Wire.open(server.url)
    await wire.hello(f"dev:{user_id}")
    wire.beat_every(0.5)
    await wire.join(ROOM)
    return wire


async def kept(server: ServerProcess) -> int:
    """How many events there are."""
    async with httpx.AsyncClient(trust_env=False) as http:
        headers = {"Authorization": "Bearer dev:root:admin"}
        answer = await http.get(f"{server.http}/v1/admin/webhooks/events?limit=500", headers=headers)
        return len(answer.json()["events"])


def types(receiver: WebhookReceiver, user_id: str) -> list[str]:
    """What was told of a user, in the order in which it came; repetitions left out."""
    return [event["type"] for event in receiver.told(user_id=user_id)]


async def test_what_happens_at_either_node_is_told_once_and_soon(place: Place, receiver: WebhookReceiver) -> None:
    holder, other = await place.both()
    ada = await enter(other, "ada")
    await receiver.event("member.joined", user_id="ada", within=TURN + SLACK)
    again = await Wire.open(holder.url)
    assert (await again.resume(ada, "dev:ada"))["resumed"]
    again.beat_every(0.5)
    bob = await enter(holder, "bob")
    await receiver.event("member.joined", user_id="bob")
    await pause(GRACE + 1)
    assert types(receiver, "ada") == ["user.online", "member.joined"], "a move is nothing to tell of"
    await again.say("bye")
    await receiver.event("user.offline", user_id="ada")
    await receiver.event("member.left", user_id="ada")
    assert len(types(receiver, "ada")) == 4
    assert [event["type"] for event in receiver.told("room.occupied", "room.vacated")] == ["room.occupied"]
    assert len(receiver.requests) == len(receiver.told()), "nothing came twice"
    # Now the receiver is down for a while.
    await receiver.stop()
    said = ["busy", "dnd", "away"] * 3
    for status in said:
        await bob.ask("status", status=status)
    cyd = await enter(other, "cyd")
    await pause(TURN)
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": "Bearer dev:root:admin"}) as http:
        erased = (await http.delete(f"{other.http}/v1/users/cyd")).json()["erased"]
    assert (erased["live"], erased["events"]) == (1, 4), "also that it came and went"
    await receiver.start()
    await eventually(lambda: len(receiver.told("user.status")) == len(said), within=20, what="what happened meanwhile")
    assert [event["data"]["status"] for event in receiver.told("user.status")] == said
    # A replay that the other node is asked for is done by the one that delivers.
    before = len(receiver.requests)
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": "Bearer dev:root:admin"}) as http:
        answer = await http.post(f"{other.http}/v1/admin/webhooks/replay", json={"endpoint": "crm", "after": 0})
    assert types(receiver, "cyd") == [], "nothing of it is sent though the other node had read it already"
    replayed = answer.json()["replayed"]
    assert replayed == len(receiver.told())
    await eventually(lambda: len(receiver.requests) >= before + replayed, within=TURN + SLACK, what="all again")
    await cyd.reset()
    await bob.close()


async def test_what_a_killed_node_could_not_deliver_comes_and_its_users_go_once(
    place: Place, receiver: WebhookReceiver
) -> None:
    holder, other = await place.both()
    receiver.answer = hang
    stays, went = await enter(other, "stays"), await enter(other, "went")
    lost = [await enter(holder, f"u{number}") for number in range(USERS)]
    async with asyncio.timeout(10):
        while await kept(other) < 2 * USERS + 5:
            await pause(0.05)
    await eventually(lambda: bool(receiver.requests), what="some are on their way")
    # One moves to the node and goes; the node is killed before all of that is surely written.
    moved = await Wire.open(holder.url)
    await moved.resume(went, "dev:went")
    await moved.say("bye")
    await moved.closed()
    await holder.end(signal.SIGKILL)
    receiver.answer = answering(204)
    await eventually(
        lambda: min(len(receiver.told(kind)) for kind in ("user.offline", "member.left")) > USERS,
        within=LEASE + GRACE + TURN + SLACK,
        what="they are told of as gone",
    )
    await pause(GRACE + 1)  # the comparison finds nothing more
    for user_id in ["went", *(f"u{number}" for number in range(USERS))]:
        told = types(receiver, user_id)
        assert told[:2] == ["user.online", "member.joined"] and sorted(told[2:]) == ["member.left", "user.offline"]
    causes = Counter(event["data"]["cause"] for event in receiver.told("user.offline"))
    assert causes["node_lost"] >= USERS and sum(causes.values()) == USERS + 1
    assert types(receiver, "stays") == ["user.online", "member.joined"]
    times = Counter(request.event["id"] for request in receiver.requests)
    assert set(times.values()) <= {1, 2}
    await asyncio.gather(*(wire.close() for wire in lost), stays.close())


async def test_a_node_that_stood_still_sends_nothing_of_what_another_has_sent(
    place: Place, receiver: WebhookReceiver
) -> None:
    holder, other = await place.both()
    ada, bob = await enter(other, "ada"), await enter(holder, "bob")
    for user_id in ("ada", "bob"):
        await receiver.event("member.joined", user_id=user_id, within=TURN + SLACK)
    await pause(0.5)  # what was answered is noted
    holder.send(signal.SIGSTOP)
    await ada.ask("status", status="busy")
    await ada.ask("status", status="dnd")
    await receiver.event("user.status", status="dnd", within=LEASE + TURN + SLACK)
    await receiver.event("user.offline", user_id="bob", within=GRACE + SLACK)
    holder.send(signal.SIGCONT)
    await eventually(
        lambda: types(receiver, "bob").count("member.joined") == 2, within=LEASE + SLACK, what="bob is back"
    )
    await ada.ask("status", status="away")
    await receiver.event("user.status", status="away", within=TURN + SLACK)
    await pause(2 * TURN)
    told = [event["data"]["status"] for event in receiver.told("user.status", user_id="ada")]
    assert told == ["busy", "dnd", "away"]
    told = types(receiver, "bob")
    assert [one for one in told if one.startswith("user.")] == ["user.online", "user.offline", "user.online"]
    assert [one for one in told if one.startswith("m")] == ["member.joined", "member.left", "member.joined"]
    assert len(receiver.requests) == len(receiver.told()) == await kept(other), "nothing came twice"
    await asyncio.gather(ada.close(), bob.close())
