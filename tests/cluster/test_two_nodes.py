"""Two server processes over one store are one server to who looks."""

from __future__ import annotations

import signal
import time
from typing import Any

import httpx

from hereabouts.testing.process import ServerProcess
from hereabouts.testing.valkey import ValkeyServer
from hereabouts.testing.waiting import pause
from hereabouts.testing.wire import Wire

ROOM = "lobby"

Pair = tuple[ServerProcess, ServerProcess]


async def enter(server: ServerProcess, user_id: str, room: str = ROOM, beats: bool = True) -> Wire:
    """Say hello and join; beats every half second."""
    wire = await Wire.open(server.url)
    await wire.hello(f"dev:{user_id}")
    await wire.join(room)
    if beats:
        wire.beat_every(0.5)
    return wire


async def test_who_joins_on_one_node_is_seen_on_the_other(pair: Pair, store: ValkeyServer) -> None:
    a, b = pair
    ada = await enter(a, "ada", beats=False)
    bob = await enter(b, "bob", beats=False)
    await ada.event(ROOM, "join", "bob")
    await bob.ask("update", room=ROOM, state={"cursor": 3})
    await ada.event(ROOM, "update", "bob")
    await ada.say("typing", room=ROOM, on=True)
    await bob.expect("typing", where=lambda message: message["user_ids"] == ["ada"])
    await bob.ask("status", status="busy")
    await ada.event(ROOM, "update", "bob")
    # Beats on a socket are nothing to the store.
    before = scripts_run(store)
    for _ in range(20):
        await bob.say("beat", visible=True)
        await bob.expect("beat")
    assert scripts_run(store) == before
    # A second tab on the other node: the user leaves with the last one.
    tab = await enter(a, "bob", beats=False)
    await bob.say("bye")
    await ada.no_event(ROOM, "leave", "bob", during=0.5)
    since = time.monotonic()
    await tab.say("bye")
    assert await ada.event(ROOM, "leave", "bob") - since < 1.5


def scripts_run(store: ValkeyServer) -> int:
    """How many steps the store has taken (`INFO commandstats`: what the commit script writes)."""
    with store.client as client:
        return int(client.info("commandstats").get("cmdstat_hincrby", {"calls": 0})["calls"])


async def beat(server: ServerProcess, user_id: str, **body: Any) -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer dev:{user_id}"}) as http:
        answer = await http.post(f"{server.http}/v1/heartbeat", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


async def test_beats_by_http_may_come_to_any_node(pair: Pair) -> None:
    a, b = pair
    viewer = await enter(b, "viewer")
    begun = [await beat(a, user_id, rooms=[ROOM]) for user_id in ("eve", "fay")]
    for user_id, first in zip(("eve", "fay"), begun, strict=True):
        await viewer.event(ROOM, "join", user_id)
        for server in (b, a, b):
            again = await beat(server, user_id, resume=first["resume"], rooms=[ROOM])
            assert (again["session_id"], again["resumed"]) == (first["session_id"], True)
    # A leave token works wherever it is handed in.
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{b.http}/v1/leave", json={"leave_token": begun[0]["leave_token"]})
        assert answer.status_code == 204
    await viewer.event(ROOM, "leave", "eve")
    # What a dead node left is taken up by the node that hears of it.
    await a.end(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        async with httpx.AsyncClient(trust_env=False, headers={"Authorization": "Bearer dev:fay"}) as http:
            answer = await http.post(f"{b.http}/v1/heartbeat", json={"resume": begun[1]["resume"], "rooms": [ROOM]})
        if answer.status_code == 200:
            break
        await pause(0.2)
    assert (answer.json()["session_id"], answer.json()["resumed"]) == (begun[1]["session_id"], True)
    # Longer than the dead node's lease and grace, and shorter than the session's own.
    await viewer.no_event(ROOM, "leave", "fay", during=4)
