"""What an admin or the host does at one node is done at all of them: two servers in this process over a real store."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from hereabouts.protocol import codes
from hereabouts.runtime.reading import Reading
from hereabouts.runtime.switchboard import Answered
from hereabouts.testing.admins import admin
from hereabouts.testing.arena import Arena
from hereabouts.testing.valkey import ValkeyServer
from hereabouts.testing.waiting import eventually, pause
from hereabouts.testing.wire import Refused

ROOM = "lobby"

Arenas = tuple[Arena, Arena]


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
        assert (await eve.post("/v1/admin/clear", what="user", id="ada", reason="gone"))["users"] == ["ada"]
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


async def test_relations_set_at_one_node_hold_at_another(both: Arenas) -> None:
    a, b = both
    for may_watch, watched in ((True, {"bob"}), (False, set())):
        await a.node.acts.relate("default", "ada", "bob", may_watch=may_watch)
        assert await b.node.relations.watched_by("default", "ada") == watched


async def test_a_policy_set_at_one_node_is_in_force_at_all_of_them(both: Arenas) -> None:
    a, b = both
    wire = await b.enter("ada", ROOM)
    async with admin(a) as eve, admin(b) as eve_there:
        overlay = {"default": {"idle_after_seconds": 4}}
        await eve.put("/v1/admin/policy", policy=overlay, reason="sooner")
        assert (await wire.expect("policy"))["policy"]["idle_after_seconds"] == 4
        assert (await eve_there.get("/v1/admin/policy"))["overlay"] == overlay
        await eve_there.delete("/v1/admin/policy", reason="as it was")
        assert (await eve.get("/v1/admin/policy"))["overlay"] is None


async def test_the_owner_says_whether_somebody_looks_and_how_a_session_is(both: Arenas) -> None:
    a, b = both
    wire = await b.enter("ada", ROOM)
    reading = Reading(
        a.node.context, a.node.relay, a.node.people, a.node.registry, a.node.relations, a.node.switchboard
    )
    assert await reading.should_notify("default", "ada") == (False, "here")
    async with admin(a) as eve:
        explained = await eve.get("/v1/users/ada/explain")
        assert [row["session"]["session_id"] for row in explained["sessions"]] == [wire.welcome["session_id"]]
        assert explained["unknown"] == []
        exported = await eve.get("/v1/users/ada/export")
        assert [session["rooms"].keys() for session in exported["sessions"]] == [{ROOM}]
        # A node that does not answer makes nobody certain.
        b.node.switchboard.answer_raw("signs", silent)
        b.node.switchboard.answer_raw("explain", silent)
        assert await reading.should_notify("default", "ada") == (True, "doubtful")
        assert (await eve.get("/v1/users/ada/explain"))["unknown"] == ["b"]


async def silent(question: bytes) -> Answered:
    await pause(0.5)
    return Answered()


async def test_an_erased_user_is_forgotten_everywhere(both: Arenas, store: ValkeyServer) -> None:
    a, b = both
    wire = await b.enter("ada", ROOM)
    async with admin(a) as eve:
        erased = (await eve.delete("/v1/users/ada"))["erased"]
        assert erased["live"] == 1
        assert await wire.closed() == codes.CLEARED.number
        assert (await eve.get("/v1/users/ada/explain"))["sessions"] == []
    # Nor does the store keep what another node would need to go on with the session, under whatever token.
    await eventually(lambda: not store.holds(f"hb:session:{wire.welcome['session_id']}"))


async def test_two_versions_can_talk(both: Arenas) -> None:
    a, b = both
    (owner,) = a.node.switchboard.others()
    known = await a.node.switchboard.ask(owner, Later("default", False, ["what the next version adds"]))
    assert known is not None and known.code is None
    unknown = await a.node.switchboard.ask(owner, Unheard())
    assert unknown is not None and unknown.code == "unsupported"
    assert b.node.context.telemetry.faults == 0


class Later(Struct, tag="sweep"):
    tenant: str
    is_dry: bool
    added: list[str]


class Unheard(Struct, tag="unheard_of"):
    pass


async def test_a_node_that_was_cut_off_is_told_when_it_is_back(both: Arenas) -> None:
    a, b = both
    wire = await b.enter("ada", ROOM)
    asked, there = b.node.switchboard._asked, b.node.context.backend.peers
    assert there is not None
    there.on_asked(never_answers)
    async with admin(a) as eve:
        done = await eve.post("/v1/admin/revoke", user_id="ada", reason="stolen")
        assert (done["sessions"], done["silent"]) == (0, ["b"])
    there.on_asked(asked)
    assert await wire.closed() == codes.REVOKED.number


async def never_answers(question: bytes) -> bytes:
    await pause(3)
    return b"{}"
