"""A store that answers and refuses: views say that they may be stale, nobody is gone, and it is over when it is over.

And one whose clock is not the nodes' own: only the store's counts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from hereabouts.backends.valkey.backend import ValkeyBackend
from hereabouts.engine.records import Owner
from hereabouts.errors import ConfigError
from hereabouts.runtime.clock import Clock
from hereabouts.testing.arena import Arena
from hereabouts.testing.valkey import ValkeyServer, valkey
from hereabouts.testing.waiting import eventually, pause
from hereabouts.testing.wire import Refused

ROOM = "lobby"

COMMANDS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "full": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "a replica": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "too few replicas": (
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "0"),
    ),
    "no rights": (("ACL", "SETUSER", "default", "-evalsha", "-eval"), ("ACL", "SETUSER", "default", "+@all")),
}


@pytest.mark.parametrize("what", COMMANDS)
async def test_a_store_that_takes_no_writes_loses_nobody(tmp_path: Path, what: str) -> None:
    harm, mend = COMMANDS[what]
    with valkey(tmp_path) as engine:
        async with Arena({"backend": {"url": engine.url}}) as arena:
            viewer, ada = await arena.enter("viewer", ROOM), await arena.enter("ada", ROOM)
            await viewer.event(ROOM, "join", "ada")
            engine.order(*harm)
            await viewer.expect("degraded", within=10)
            with pytest.raises(Refused) as refusal:
                await ada.join("hall")
            assert refusal.value.code == "degraded"
            assert await members(arena) in ([503], [200, "ada", "viewer"])
            engine.order(*mend)
            await viewer.expect("restored", within=15)
            await ada.ask("update", room=ROOM, state={"n": 1})
            await viewer.event(ROOM, "update", "ada")
            assert [event for event in viewer.folds.told(ROOM) if event[0] == "leave"] == []
            assert await members(arena) == [200, "ada", "viewer"]


async def test_a_room_whose_key_is_another_programs_is_refused_and_the_others_go_on(store: ValkeyServer) -> None:
    store.order("SET", "hb:{room:default:theirs}", "1")
    async with node("a", store) as arena:
        viewer, ada = await arena.enter("viewer", ROOM), await arena.enter("ada", ROOM)
        with pytest.raises(Refused) as refusal:
            await ada.join("theirs")
        assert refusal.value.code == "degraded"
        assert await members(arena, "theirs") == [503]
        await viewer.never("degraded", during=1)
        await ada.ask("update", room=ROOM, state={"n": 1})
        await viewer.event(ROOM, "update", "ada")


async def test_a_store_that_holds_something_else_where_the_leases_are_ends_the_start(store: ValkeyServer) -> None:
    store.order("SET", "hb:nodes", "theirs")
    arena = node("a", store)
    with pytest.raises(ConfigError, match="lease"):
        await arena.serving.open()
    await arena.serving.close()


async def test_what_is_no_lease_among_the_leases_blinds_nobody(store: ValkeyServer) -> None:
    async with Arena({"backend": {"url": store.url}}) as arena:
        for field, value in (("anything", "at all"), (b"\xff", b"\xfe"), ("1 node", ""), ("x node", "1 2 3")):
            store.order("HSET", "hb:nodes", field, value)
        peers = arena.node.context.backend.peers
        assert peers is not None
        assert await peers.renew() is not None
        assert peers.others() == ()
        await arena.enter("ada", ROOM)
        assert not arena.node.context.is_degraded


async def test_a_name_that_a_living_node_has_ends_the_start_and_is_free_again_at_once(store: ValkeyServer) -> None:
    async with node("a", store) as first:
        viewer = await first.enter("viewer", ROOM)
        second = node("a", store)
        with pytest.raises(ConfigError, match="give each node a name of its own"):
            await second.serving.open()
        await second.serving.close()
        assert store.client.hlen("hb:nodes") == 2, "the lease of the first, and the life of the store"
        await viewer.never("degraded", during=0.5)
    began = time.monotonic()
    async with node("a", store):
        assert time.monotonic() - began < 1, "it waited for the answer of a process that is gone"


async def test_a_port_where_something_else_answers_ends_the_start() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        for shape in ("valkey", "valkey+cluster"):
            backend = ValkeyBackend(f"{shape}://127.0.0.1:{port}", Owner("a", 1))
            with pytest.raises(ConfigError, match=r"backend\.url"):
                await backend.open()


async def members(arena: Arena, room: str = ROOM) -> list[Any]:
    """The status of the list, and who is in it."""
    headers = {"Authorization": "Bearer dev:viewer"}
    async with httpx.AsyncClient(trust_env=False, headers=headers, timeout=5) as http:
        answer = await http.get(f"http://127.0.0.1:{arena.port}/v1/rooms/{room}/members")
    if answer.status_code != 200:
        return [answer.status_code]
    return [200, *sorted(member["user_id"] for member in answer.json()["members"])]


async def test_subscriptions_that_are_killed_again_and_again_lose_nothing(store: ValkeyServer) -> None:
    async with node("a", store) as a, node("b", store) as b:
        here, there = await a.enter("here", ROOM), await b.enter("there", ROOM)
        stays: set[str] = {"here", "there"}
        for number in range(24):
            if number % 6 == 3:
                store.cut_subscriptions()
            wire = await (a, b)[number % 2].enter(f"u{number}", ROOM)
            if number % 3:
                await wire.say("bye")
            else:
                stays.add(f"u{number}")
            await pause(0.2)
        for viewer in (here, there):
            await eventually(partial(shows, viewer.folds.names, sorted(stays)), within=15)


async def test_a_node_whose_subscription_is_deaf_shows_what_it_missed(store: ValkeyServer) -> None:
    async with node("a", store) as a, node("b", store) as b:
        here, goes = await a.enter("here", ROOM), await b.enter("goes", ROOM)
        await here.event(ROOM, "join", "goes")
        # The store forgets what the connection wants to hear, and the connection stays.
        backend = a.node.context.backend
        assert isinstance(backend, ValkeyBackend)
        await backend.listening.lines[""].remove()
        await goes.say("bye")
        await b.enter("comes", ROOM)
        await here.event(ROOM, "leave", "goes", within=10)
        await here.event(ROOM, "join", "comes")
        assert shows(here.folds.names, ["comes", "here"])


def shows(names: Callable[[str], list[str]], wanted: list[str]) -> bool:
    return sorted(names(ROOM)) == wanted


async def test_nodes_whose_clocks_are_hours_apart_tell_the_same(
    store: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = node("a", store, monkeypatch, ahead_seconds=-3600)
    fast = node("b", store, monkeypatch, ahead_seconds=3600)
    async with late as a, fast as b:
        here, there = await a.enter("here", ROOM), await b.enter("there", ROOM)
        await here.event(ROOM, "join", "there")
        for wire in (here, there):
            assert abs(wire.welcome["server_time_at"] / 1000 - time.time()) < 5
        # Each judges the other's lease by the store's clock: nobody is taken for dead, and a dead one is.
        await asyncio.gather(*(wire.never("degraded", during=5) for wire in (here, there)))
        assert [event for event in here.folds.told(ROOM) if event[0] == "leave"] == []
        await there.say("bye")
        await here.event(ROOM, "leave", "there")


def node(
    name: str, store: ValkeyServer, monkeypatch: pytest.MonkeyPatch | None = None, *, ahead_seconds: float = 0.0
) -> Arena:
    """A server whose host's clock is wrong by so much."""
    if monkeypatch is not None:
        clock = partial(Clock, wall=lambda: time.time() + ahead_seconds)
        monkeypatch.setattr("hereabouts.serving.Clock", clock)
    return Arena({"server": {"node": name}, "backend": {"url": store.url}})
