"""What admins read of who is here: sessions, rooms, processes and numbers."""

from __future__ import annotations

from typing import Any

import httpx

from hereabouts.testing.admins import admin
from hereabouts.testing.arena import Arena


async def beaten(arena: Arena, user_id: str, **body: Any) -> None:
    headers = {"Authorization": f"Bearer dev:{user_id}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", headers=headers, timeout=5) as http:
        assert (await http.post("/v1/heartbeat", json=body)).status_code == 200


async def test_each_user_counts_once_by_status_and_those_not_heard_of_are_stale(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    await arena.enter("ada", "lobby", visible=False)
    await arena.enter("bob", "garden", visible=False)
    cat = await arena.enter("cat", "lobby")
    await cat.ask("status", status="invisible")
    await ada.ask("status", status="dnd")
    await beaten(arena, "kim", rooms=["lobby"])
    arena.node.timers.stop()  # kim, who is silent from now on, is neither gone nor idle before she is counted
    (kim,) = (owned.session for owned in arena.node.registry if owned.session.user_id == "kim")
    kim.last_frame_tick -= kim.policy.stale_after_seconds + 1
    async with admin(arena) as eve:
        stats = await eve.get("/v1/admin/stats")
    assert abs(stats.pop("as_of_at") - arena.node.context.now().at) < 60_000
    by_status = {"online": 1, "idle": 0, "away": 1, "busy": 0, "dnd": 1, "invisible": 1}
    everywhere = {"nodes": 1, "sessions": 5, "users": 4}
    assert (
        stats
        == {
            "total": 4,
            "stale": 1,
            "sessions": 5,
            "connections": 4,
            "rooms": 2,
            "everywhere": everywhere,
        }
        | by_status
    )


async def test_sessions_are_found_by_user_room_and_node_each_with_its_lease(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby", "garden", platform="web")
    await arena.enter("bob", "lobby", visible=False)
    await beaten(arena, "kim", rooms=["garden"], platform="cron")
    node = arena.node.context.owner.node
    async with admin(arena) as eve:
        found = {
            name: sorted(row["user_id"] for row in (await eve.get("/v1/admin/sessions", **chosen))["sessions"])
            for name, chosen in {
                "all": {},
                "user": {"user_id": "ada"},
                "room": {"room": "garden"},
                "node": {"node": node},
                "elsewhere": {"node": "another"},
            }.items()
        }
        assert found == {
            "all": ["ada", "bob", "kim"],
            "user": ["ada"],
            "room": ["ada", "kim"],
            "node": ["ada", "bob", "kim"],
            "elsewhere": [],
        }
        (row,) = (await eve.get("/v1/admin/sessions", user_id="ada"))["sessions"]
        now_at = arena.node.context.now().at
    assert (row["session_id"], row["incarnation"]) == (ada.welcome["session_id"], ada.welcome["incarnation"])
    assert (row["platform"], row["phase"], row["connected"], row["stale"]) == ("web", "live", True, False)
    assert row["rooms"] == ["garden", "lobby"]
    assert row["opened_at"] <= row["last_seen_at"] <= now_at < row["lease_expires_at"] <= now_at + 3_000


async def test_rooms_are_told_with_who_is_in_them_and_how_many_look(arena: Arena) -> None:
    await arena.enter("ada", "doc:a")
    await arena.enter("ada", "doc:a")
    bob = await arena.enter("bob", "doc:b")
    await bob.watch("doc:a")
    await arena.enter("cat", "lobby")
    async with admin(arena) as eve:
        first = await eve.get("/v1/admin/rooms", prefix="doc:", limit=1)
        (second,) = (await eve.get("/v1/admin/rooms", prefix="doc:", cursor=first["next_cursor"]))["rooms"]
    assert first["rooms"] == [{"room": "doc:a", "count": 1, "sessions": 2, "viewers": 3, "mode": "roster"}]
    assert (second["room"], second["count"], second["sessions"], second["viewers"]) == ("doc:b", 1, 1, 1)


async def test_a_process_says_what_it_carries_and_whether_it_stops(arena: Arena) -> None:
    await arena.enter("ada", "lobby")
    async with admin(arena) as eve:
        (node,) = (await eve.get("/v1/admin/nodes"))["nodes"]
        summary = node["summary"]
        assert (node["node"], node["state"]) == (arena.node.context.owner.node, "serving")
        assert (summary["sessions"], summary["users"], summary["connections"], summary["rooms"]) == (1, 1, 1, 1)
        assert node["started_at"] <= node["alive_at"] + 1_000
        assert summary["told_at"] == node["alive_at"]
        arena.node.driver.is_draining = True
        (node,) = (await eve.get("/v1/admin/nodes"))["nodes"]
        assert (node["state"], node["summary"]["draining"]) == ("draining", True)


async def test_the_node_tells_its_checks_what_it_counted_and_that_nobody_is_a_ghost(arena: Arena) -> None:
    await arena.enter("ada", "lobby")
    async with admin(arena) as eve:
        told = await eve.get("/v1/admin/health")
        assert [check["name"] for check in told["checks"]] == ["node", "journal", "store", "keys"]
        assert all(check["is_ok"] for check in told["checks"])
        assert (told["joins"], told["ghosts"], told["journal_lost_rows"]) == (1, 0, 0)
        (owned,) = arena.node.registry
        # What the server never does: a session that it forgot to remove, silent for an hour.
        owned.session.last_frame_tick -= 3_600
        assert (await eve.get("/v1/admin/health"))["ghosts"] == 1
