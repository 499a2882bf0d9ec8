"""Two server processes over one store are one server to who looks."""

from __future__ import annotations

import asyncio
import time

from hereabouts.testing.process import ServerProcess
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


async def test_who_joins_on_one_node_is_seen_on_the_other(pair: Pair) -> None:
    a, b = pair
    ada = await enter(a, "ada")
    bob = await enter(b, "bob")
    await ada.event(ROOM, "join", "bob")
    await bob.ask("update", room=ROOM, state={"cursor": 3})
    await ada.event(ROOM, "update", "bob")
    await ada.say("typing", room=ROOM, on=True)
    await bob.expect("typing", where=lambda message: message["user_ids"] == ["ada"])
    await bob.say("bye")
    await ada.event(ROOM, "leave", "bob")


async def test_a_user_with_a_tab_on_each_node_leaves_once(pair: Pair) -> None:
    a, b = pair
    ada = await enter(a, "ada")
    tabs = [await enter(server, "bob") for server in (a, b)]
    await ada.event(ROOM, "join", "bob")
    await tabs[0].say("bye")
    await ada.no_event(ROOM, "leave", "bob", during=0.5)
    since = time.monotonic()
    await tabs[1].say("bye")
    assert await ada.event(ROOM, "leave", "bob") - since < 1.5
    await asyncio.gather(*(tab.closed() for tab in tabs))
