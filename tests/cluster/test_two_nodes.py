"""Two server processes over one store are one server to who looks."""

from __future__ import annotations

import time

from hereabouts.testing.process import ServerProcess
from hereabouts.testing.valkey import ValkeyServer
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
