"""What an admin or the host does at one node is done at all of them: two servers in this process over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from hereabouts.protocol import codes
from hereabouts.testing.admins import admin
from hereabouts.testing.arena import Arena
from hereabouts.testing.valkey import ValkeyServer
from hereabouts.testing.waiting import until
from hereabouts.testing.wire import Refused

ROOM = "lobby"

Arenas = tuple[Arena, Arena]


@pytest.fixture
async def both(store: ValkeyServer, tmp_path: Path) -> AsyncIterator[Arenas]:
    """Two servers, each with a journal of its own."""
    async with AsyncExitStack() as stack:
        a, b = [
            await stack.enter_async_context(
                Arena(
                    {
                        "server": {"node": name},
                        "backend": {"url": store.url},
                        "journal": {"url": f"sqlite:///{tmp_path / name}.db"},
                    }
                )
            )
            for name in "ab"
        ]
        await until(lambda: bool(a.node.switchboard.others() and b.node.switchboard.others()))
        yield a, b


async def refused(arena: Arena, user_id: str, room: str = ROOM) -> str:
    wire = await arena.enter(user_id)
    with pytest.raises(Refused) as refusal:
        await wire.join(room)
    return refusal.value.code


async def test_clearing_and_kicking_reach_every_node(both: Arenas) -> None:
    a, b = both
    here, there = await a.enter("ada", ROOM), await b.enter("ada", ROOM, "hall")
    bob = await b.enter("bob", ROOM)
    async with admin(a) as eve:
        asked: dict[str, Any] = {"room": ROOM, "user_id": "ada", "reason": "noise"}
        dry = await eve.post("/v1/admin/kick", **asked, dry_run=True)
        assert (dry["sessions"], dry["users"], dry["silent"]) == (2, ["ada"], [])
        done = await eve.post("/v1/admin/kick", **asked, mode="cooldown", cooldown_seconds=60)
        assert (done["sessions"], done["users"], done["silent"]) == (2, ["ada"], [])
        for wire in (here, there):
            assert (await wire.expect("left"))["room"] == ROOM
        await bob.event(ROOM, "leave", "ada")
        # The cooldown is everywhere, and ends everywhere.
        assert await refused(b, "ada") == "forbidden"
        ended = await eve.delete("/v1/admin/cooldowns", kind="member", id=f"{ROOM}\nada")
        assert ended["ended"]
        await there.join(ROOM)
        # A user of another node, all of whose sessions end; and a room in which only another node has members.
        assert (await eve.post("/v1/admin/clear", what="user", id="ada", reason="gone"))["sessions"] == 2
        for wire in (here, there):
            assert await wire.closed() == codes.CLEARED.number
        assert (await eve.post("/v1/admin/clear", what="room", id=ROOM, reason="over"))["users"] == ["bob"]
        assert (await bob.expect("left"))["reason"] == "over"


async def test_what_is_revoked_at_one_node_is_good_at_none(both: Arenas) -> None:
    a, b = both
    wire = await b.enter("ada", ROOM)
    async with admin(a) as eve:
        done = await eve.post("/v1/admin/revoke", user_id="ada", reason="stolen")
        assert (done["sessions"], done["users"]) == (1, ["ada"])
        assert await wire.closed() == codes.REVOKED.number
        swept = await eve.post("/v1/admin/sweep", dry_run=True)
        assert swept["sessions"] == 0
        await b.enter("bob")
        assert (await eve.post("/v1/admin/sweep"))["sessions"] == 1


async def test_relations_set_at_one_node_hold_for_those_who_look_at_another(both: Arenas) -> None:
    a, b = both
    async with admin(a) as eve, admin(b) as eve_there:
        await eve.put("/v1/relations/ada/bob")
        assert (await eve_there.get("/v1/relations/ada"))["watched"] == ["bob"]
        await eve.delete("/v1/relations/ada/bob")
        assert (await eve_there.get("/v1/relations/ada"))["watched"] == []
