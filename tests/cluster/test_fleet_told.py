"""Each node knows what the others told of themselves: two servers in this process over a real store."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from rich.console import Console

from hereabouts.remote import Remote
from hereabouts.testing.admins import admin
from hereabouts.testing.arena import Arena
from hereabouts.testing.issuer import SECRET, Issuer
from hereabouts.testing.valkey import ValkeyServer
from hereabouts.testing.waiting import eventually
from hereabouts.top import drawn
from hereabouts.version import __version__

Arenas = tuple[Arena, Arena]


@pytest.fixture
async def both(store: ValkeyServer) -> AsyncIterator[Arenas]:
    """Two servers that know each other."""
    async with AsyncExitStack() as stack:
        a, b = [
            await stack.enter_async_context(Arena({"server": {"node": name}, "backend": {"url": store.url}}))
            for name in "ab"
        ]
        await eventually(lambda: told(a, "b") and told(b, "a"))
        yield a, b


def told(arena: Arena, node: str) -> Any:
    """The row of another node, once it has told anything."""
    return next((row for row in arena.node.fleet.rows() if row.node == node and row.summary), None)


async def test_every_node_tells_of_all_of_them(both: Arenas) -> None:
    a, b = both
    await a.enter("ada", "lobby")
    await b.enter("ada", "lobby")
    await b.enter("bob", "hall")
    await eventually(lambda: told(a, "b").summary.connections == 2)
    async with admin(a) as eve:
        rows = (await eve.get("/v1/admin/nodes"))["nodes"]
        stats = await eve.get("/v1/admin/stats")
    assert [(row["node"], row["state"]) for row in rows] == [("a", "serving"), ("b", "serving")]
    there = rows[1]["summary"]
    assert (there["sessions"], there["users"], there["rooms"]) == (2, 2, 2)
    assert (there["version"], there["cpus"] >= 0) == (__version__, True)
    assert rows[1]["alive_at"] - rows[1]["summary"]["told_at"] < 4_000
    # The present fields stay of the node; a user at two nodes is counted at both.
    assert (stats["total"], stats["sessions"]) == (1, 1)
    assert stats["everywhere"] == {"nodes": 2, "sessions": 3, "users": 3}


async def test_the_sessions_of_a_user_and_of_a_room_are_told_alike_by_every_node(both: Arenas) -> None:
    a, b = both
    here = await a.enter("ada", "lobby", platform="web")
    there = await b.enter("ada", "lobby", "hall", platform="phone", visible=False)
    bob = await b.enter("bob", "lobby")
    cat = await b.enter("cat", "cellar")
    await cat.ask("status", status="invisible")
    async with admin(a) as eve, admin(b) as eve_there:
        for chosen, wires in (
            ({"user_id": "ada"}, {here, there}),
            ({"room": "lobby"}, {here, there, bob}),
            ({"user_id": "ada", "room": "hall"}, {there}),
            ({"room": "lobby", "node": "b"}, {there, bob}),
            ({"user_id": "cat"}, {cat}),
        ):
            ids = sorted(wire.welcome["session_id"] for wire in wires)
            for side in (eve, eve_there):
                answer = await side.get("/v1/admin/sessions", **chosen)
                assert ([row["session_id"] for row in answer["sessions"]], answer["node"]) == (ids, None), chosen
        first = await eve.get("/v1/admin/sessions", room="lobby", limit=2)
        rest = await eve.get("/v1/admin/sessions", room="lobby", limit=2, cursor=first["next_cursor"])
        assert len({row["session_id"] for row in first["sessions"] + rest["sessions"]}) == 3
        assert (await eve.get("/v1/admin/sessions"))["node"] == "a"
        (hidden,) = (await eve.get("/v1/admin/sessions", user_id="cat"))["sessions"]
        assert (hidden["invisible"], hidden["rooms"]) == (True, ["cellar"])
        # A row of another node is what the owner says, but for what only the owner knows.
        (afar,) = (await eve.get("/v1/admin/sessions", user_id="ada", node="b"))["sessions"]
        (owned,) = (await eve_there.get("/v1/admin/sessions", user_id="ada", node="b"))["sessions"]
    unknown = ("phase", "connected", "stale", "lease_expires_at")
    assert [afar.pop(name) for name in unknown] == [None] * 4
    assert all(owned.pop(name) is not None for name in unknown)
    assert afar.pop("last_seen_at") <= owned.pop("last_seen_at")
    assert afar == owned


async def test_every_node_says_in_which_rooms_a_user_is_and_nobody_else_s_of_who_hides(both: Arenas) -> None:
    a, b = both
    await a.enter("ada", "lobby")
    ada = await b.enter("ada", "hall", "cellar")

    async def rooms(arena: Arena, user_id: str) -> list[str]:
        headers = {"Authorization": f"Bearer dev:{user_id}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", headers=headers, timeout=5) as http:
            answer = (await http.get("/v1/users/ada/rooms")).raise_for_status()
            return [*answer.json()["rooms"]]

    async def come_to(expected: list[str]) -> None:
        async with asyncio.timeout(5):
            while [await rooms(arena, "bob") for arena in both] != [expected, expected]:
                pass  # each round is two calls

    await come_to(["cellar", "hall", "lobby"])
    await ada.ask("status", status="invisible")
    await come_to([])
    assert [await rooms(arena, "ada") for arena in both] == [["cellar", "hall", "lobby"]] * 2


async def test_a_member_may_read_its_room_at_every_node(store: ValkeyServer) -> None:
    now = int(time.time())
    token = Issuer("HS256", kid=None).sign({"sub": "ada", "iat": now, "exp": now + 600, "rooms": {"*": ["join"]}})
    async with AsyncExitStack() as stack:
        a, b = [
            await stack.enter_async_context(
                Arena({"auth": {"secret": SECRET}, "server": {"node": name}, "backend": {"url": store.url}})
            )
            for name in "ab"
        ]
        wire = await a.connect()
        await wire.hello(token)
        await wire.join("lobby")
        for arena in (a, b):
            url, headers = f"http://127.0.0.1:{arena.port}/v1/rooms", {"Authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(headers=headers, timeout=5) as http:
                members = (await http.get(f"{url}/lobby/members")).raise_for_status().json()["members"]
                assert [member["user_id"] for member in members] == ["ada"]
                assert (await http.get(f"{url}/hall/members")).status_code == 403


async def test_a_room_is_counted_over_all_nodes(both: Arenas) -> None:
    a, b = both
    ada = await a.enter("ada", "lobby")
    hidden = await a.enter("ada", "lobby")
    await hidden.ask("status", status="invisible")
    await a.enter("cat", "lobby")
    bob = await b.enter("bob", "lobby")
    await b.enter("bob", "lobby")
    await ada.event("lobby", "join", "bob")
    async with admin(a) as eve:
        room: dict[str, Any] = {}
        async with asyncio.timeout(5):
            while room.get("sessions") != 5:
                (room,) = (await eve.get("/v1/admin/rooms", prefix="lobby"))["rooms"]
    assert (room["count"], room["viewers"]) == (3, 3)
    await bob.close()


async def test_top_shows_all_nodes(both: Arenas) -> None:
    a, b = both
    await b.enter("bob", "hall")
    await eventually(lambda: told(a, "b").summary.connections == 1)
    async with Remote(f"http://127.0.0.1:{a.port}", "dev:eve:admin") as remote:
        look = await remote.look(sessions=5, rooms=5)
    screen = Console(width=200, file=io.StringIO(), record=True)
    screen.print(drawn(look))
    lines = [line.replace("│", " ").split() for line in screen.export_text().splitlines()]
    assert ["a", "serving", "0", "0", "0"] in [line[:5] for line in lines]
    assert ["b", "serving", "1", "1", "1"] in [line[:5] for line in lines]
    assert ["2", "nodes,", "this", "tenant", "1", "1"] in lines


async def test_a_node_that_drains_is_seen_to_do_so_and_counted_by_state(both: Arenas) -> None:
    a, b = both
    b.node.driver.is_draining = True
    await eventually(lambda: told(a, "b").state == "draining")
    assert a.node.readings()["nodes"] == {"serving": 1, "draining": 1, "degraded": 0, "stalled": 0, "dead": 0}


async def test_a_dead_node_is_told_until_it_is_taken_away(both: Arenas, store: ValkeyServer) -> None:
    a, _ = both
    with store.client as client:
        seconds, _ = client.time()
        # A node of a version that tells nothing, dead for a minute, and one that lives.
        client.hset("hb:nodes", "5 old", f"{(seconds - 60) * 1000} generation")
        client.hset("hb:nodes", "6 young", f"{(seconds + 60) * 1000} ")
    await eventually(lambda: {"old", "young"} <= {row.node for row in a.node.fleet.rows()})
    states = {row.node: (row.state, row.summary is None) for row in a.node.fleet.rows()}
    assert states["old"] == ("dead", True)
    assert states["young"] == ("serving", True)
    assert a.node.fleet.everywhere("default").nodes == 2
    await eventually(lambda: "old" not in {row.node for row in a.node.fleet.rows()}, within=15)
