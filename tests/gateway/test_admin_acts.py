"""What admins do: sweep, clear, kick, revoke, cooldowns; and that each of it is noted."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_bytes
from typing import Any

import httpx
import pytest

from hereabouts.auth.api_keys import new_key
from hereabouts.engine.records import FeedKey, Membership, Put
from hereabouts.errors import JournalUnavailable
from hereabouts.journal.cooldowns import Cooldown
from hereabouts.testing.admins import admin
from hereabouts.testing.arena import Arena
from hereabouts.testing.issuer import Issuer
from hereabouts.testing.waiting import pause
from hereabouts.testing.wire import Refused

SECRET = "M8zq1vYx0cRb7uKd3nWf5tLh2pJg9sEa"
KEY_NAMES = {"watcher": ["admin:read"], "ops": ["admin"], "reader": ["read"], "minter": ["tokens"], "writer": ["write"]}
KEYS = {name: new_key(name, scopes, [], token_bytes) for name, scopes in KEY_NAMES.items()}
AUTH: dict[str, Any] = {
    "secret": SECRET,
    "api_keys": [
        {"name": name, "hash": key.line.split('hash = "')[1][:64], "scopes": KEY_NAMES[name]}
        for name, key in KEYS.items()
    ],
}


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Arena]:
    """A server with a journal, API keys and a secret."""
    async with Arena({"auth": AUTH, "journal": {"url": f"sqlite:///{tmp_path / 'journal.db'}"}}) as arena:
        yield arena


def a_token(user_id: str, **claims: Any) -> str:
    now = int(time.time())
    return Issuer("HS256", None, secret=SECRET).sign({"sub": user_id, "iat": now, "exp": now + 600, **claims})


async def minted(arena: Arena, user_id: str, **claims: Any) -> str:
    async with admin(arena, KEYS["minter"].key) as server:
        return str((await server.post("/v1/tokens", user_id=user_id, **claims))["token"])


async def beaten(arena: Arena, credential: str, **body: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {credential}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", headers=headers, timeout=5) as http:
        return await http.post("/v1/heartbeat", json=body)


# Who may


async def test_scopes_decide_who_reads_and_who_acts(kept: Arena) -> None:
    for credential, reads, acts in (
        (KEYS["watcher"].key, 200, 403),
        (KEYS["ops"].key, 200, 200),
        (KEYS["reader"].key, 403, 403),
        ("dev:eve:admin", 200, 200),
        ("dev:ada", 403, 403),
        ("dev:ada:boss", 403, 403),
        ("nonsense", 401, 401),
    ):
        async with admin(kept, credential) as caller:
            assert (await caller.http.get("/v1/admin/stats")).status_code == reads, credential
            assert (await caller.http.post("/v1/admin/sweep", json={})).status_code == acts, credential


# Clear


async def test_a_cleared_session_is_told_and_gone_at_once(kept: Arena) -> None:
    bob = await kept.enter("bob", "lobby")
    ada = await kept.enter("ada", "lobby")
    await bob.event("lobby", "join", "ada")
    async with admin(kept) as eve:
        told = await eve.post("/v1/admin/clear", what="session", id=ada.welcome["session_id"], reason="a ghost")
    assert (told["sessions"], told["users"], told["audited"]) == (1, ["ada"], True)
    assert (await ada.expect("ended"))["code"] == "cleared"
    assert await ada.closed() == 4003
    await bob.event("lobby", "leave", "ada", within=1)


async def test_a_cleared_ghost_that_goes_on_beating_never_comes_back(kept: Arena) -> None:
    bob = await kept.enter("bob", "lobby")
    ghost = (await beaten(kept, "dev:ada", rooms=["lobby"])).json()
    await bob.event("lobby", "join", "ada")
    async with admin(kept) as eve:
        await eve.post("/v1/admin/clear", what="session", id=ghost["session_id"], reason="a ghost")
    await bob.event("lobby", "leave", "ada", within=1)
    again = await beaten(kept, "dev:ada", rooms=["lobby"], resume=ghost["resume"])
    assert (again.status_code, again.json()["code"]) == (410, "session_expired")
    socket = await kept.connect()
    with pytest.raises(Refused, match="session_expired"):
        await socket.hello("dev:ada", resume=ghost["resume"])
    assert await socket.closed() == 4003
    await bob.no_event("lobby", "join", "ada", during=0.5)
    assert (await beaten(kept, "dev:ada", rooms=["lobby"])).status_code == 200
    await bob.event("lobby", "join", "ada", within=1)


async def test_a_cleared_user_comes_back_by_a_fresh_login_alone(kept: Arena) -> None:
    old = await minted(kept, "ada")
    ada = await kept.connect()
    await ada.hello(old)
    async with admin(kept, KEYS["ops"].key) as ops:
        told = await ops.post("/v1/admin/clear", what="user", id="ada", reason="left the firm")
    assert told["sessions"] == 1
    assert await ada.closed(within=1) == 4003
    assert (await beaten(kept, old)).status_code == 401

    # A token's `iat` is in whole seconds: one of the same second may be an older one.
    async with asyncio.timeout(5):
        while (await beaten(kept, await minted(kept, "ada"))).status_code != 200:
            await pause(0.1)


async def test_a_cooldown_keeps_a_user_out_until_it_ends(kept: Arena) -> None:
    ada = await kept.enter("ada", "lobby")
    async with admin(kept) as eve:
        told = await eve.post(
            "/v1/admin/clear", what="user", id="ada", reason="noise", mode="cooldown", cooldown_seconds=1
        )
        assert await ada.closed(within=1) == 4003
        refused = (await beaten(kept, "dev:ada")).json()
        assert (refused["code"], refused["limit"]) == ("forbidden", "cooldown")
        assert 0 < refused["retry_after_seconds"] <= 1
        (standing,) = [one for one in (await eve.get("/v1/admin/cooldowns"))["cooldowns"] if one["kind"] == "user"]
        assert (standing["id"], standing["until_at"], standing["reason"]) == ("ada", told["until_at"], "noise")

    async with asyncio.timeout(5):
        while (await beaten(kept, "dev:ada")).status_code != 200:
            await pause(0.1)


async def test_a_cooldown_is_ended_before_its_time(kept: Arena) -> None:
    async with admin(kept) as eve:
        await eve.post("/v1/admin/clear", what="user", id="ada", reason="noise", mode="cooldown")
        assert (await beaten(kept, "dev:ada")).status_code == 403
        assert (await eve.delete("/v1/admin/cooldowns", kind="user", id="ada"))["ended"]
        assert not (await eve.delete("/v1/admin/cooldowns", kind="user", id="ada"))["ended"]
        assert (await beaten(kept, "dev:ada")).status_code == 200


async def test_a_cooldown_outlives_the_process(tmp_path: Path) -> None:
    settings = {"journal": {"url": f"sqlite:///{tmp_path / 'journal.db'}"}}
    async with Arena(settings) as arena, admin(arena) as eve:
        await eve.post("/v1/admin/clear", what="user", id="ada", reason="noise", mode="cooldown")
    async with Arena(settings) as arena:
        assert (await beaten(arena, "dev:ada")).status_code == 403


async def test_a_cleared_room_is_empty_and_its_sessions_go_on(kept: Arena) -> None:
    ada = await kept.enter("ada", "lobby", "attic")
    bob = await kept.enter("bob", "lobby")
    ivy = await kept.enter("ivy")
    await ivy.watch("lobby")
    async with admin(kept) as eve:
        told = await eve.post(
            "/v1/admin/clear", what="room", id="lobby", reason="over", mode="cooldown", cooldown_seconds=60
        )
    assert (told["sessions"], told["users"]) == (2, ["ada", "bob"])
    for wire in (ada, bob):
        left = await wire.expect("left")
        assert (left["room"], left["cause"], left["reason"]) == ("lobby", "cleared", "over")
    for user in ("ada", "bob"):
        await ivy.event("lobby", "leave", user, within=1)
    with pytest.raises(Refused, match="forbidden") as caught:
        await ada.join("lobby")
    assert caught.value.error["limit"] == "cooldown"
    await ada.ask("update", room="attic", state={"here": 1})
    with pytest.raises(Refused, match="not_joined"):
        await ada.ask("update", room="lobby", state={"here": 1})


async def test_a_dry_run_changes_nothing(kept: Arena) -> None:
    ada = await kept.enter("ada", "lobby")
    async with admin(kept) as eve:
        for what, id in (("session", ada.welcome["session_id"]), ("user", "ada"), ("room", "lobby")):
            told = await eve.post("/v1/admin/clear", what=what, id=id, reason="to see", dry_run=True)
            assert (told["dry_run"], told["sessions"], told["users"]) == (True, 1, ["ada"])
        await eve.post("/v1/admin/kick", room="lobby", user_id="ada", reason="to see", dry_run=True)
        await eve.post("/v1/admin/revoke", user_id="ada", reason="to see", dry_run=True)
        assert (await eve.get("/v1/admin/audit"))["entries"] == []
    await ada.never("ended", "left", during=0.3)
    assert (await beaten(kept, "dev:ada")).status_code == 200


async def test_a_clear_that_could_not_be_meant_is_refused(kept: Arena) -> None:
    async with admin(kept) as eve:
        for body, text in (
            ({"what": "user", "id": "ada"}, "reason"),
            ({"what": "user", "id": "", "reason": "x"}, "id of a user"),
            ({"what": "world", "id": "ada", "reason": "x"}, "world"),
            ({"what": "user", "id": "ada", "reason": "x", "cooldown_seconds": 5}, "cooldown_seconds goes with"),
        ):
            problem = await eve.refused("POST", "/v1/admin/clear", **body)
            assert problem["code"] == "bad_request" and text in problem["detail"], problem


async def test_another_tenant_s_are_out_of_reach(kept: Arena) -> None:
    ada = await kept.connect()
    await ada.hello(a_token("ada", tenant="acme"))
    async with admin(kept) as eve:
        for what, id in (("session", ada.welcome["session_id"]), ("user", "ada")):
            assert (await eve.post("/v1/admin/clear", what=what, id=id, reason="mine?"))["sessions"] == 0
        await eve.post("/v1/admin/revoke", user_id="ada", reason="mine?")
        assert (await eve.get("/v1/admin/stats"))["total"] == 0
        assert (await eve.get("/v1/admin/sessions"))["sessions"] == []
    async with admin(kept, a_token("boss", tenant="acme", role="admin")) as boss:
        assert (await boss.get("/v1/admin/stats"))["total"] == 1
        assert (await boss.get("/v1/admin/audit"))["entries"] == []
    await ada.never("ended", during=0.3)


# Kick


async def test_a_kicked_user_leaves_one_room_and_stays_in_the_others(kept: Arena) -> None:
    bob = await kept.enter("bob", "lobby")
    tabs = [await kept.enter("ada", "lobby", "attic"), await kept.enter("ada", "lobby")]
    await bob.event("lobby", "join", "ada")
    async with admin(kept) as eve:
        told = await eve.post(
            "/v1/admin/kick", room="lobby", user_id="ada", reason="rude", mode="cooldown", cooldown_seconds=60
        )
    assert told["sessions"] == 2
    for tab in tabs:
        assert (await tab.expect("left"))["reason"] == "rude"
    await bob.event("lobby", "leave", "ada", within=1)
    with pytest.raises(Refused, match="forbidden"):
        await tabs[0].join("lobby")
    await tabs[0].join("cellar")
    await bob.ask("update", room="lobby", state={"still": "here"})


async def test_a_kicked_session_without_a_socket_is_not_brought_back_by_its_next_beat(kept: Arena) -> None:
    bob = await kept.enter("bob", "lobby")
    ada = (await beaten(kept, "dev:ada", rooms=["lobby"])).json()
    await bob.event("lobby", "join", "ada")
    async with admin(kept) as eve:
        await eve.post("/v1/admin/kick", room="lobby", user_id="ada", reason="rude")
    await bob.event("lobby", "leave", "ada", within=1)
    told = (await beaten(kept, "dev:ada", rooms=["lobby"], resume=ada["resume"])).json()
    assert told["taken_out"] == ["lobby"]
    await bob.no_event("lobby", "join", "ada", during=0.3)
    assert "taken_out" not in (await beaten(kept, "dev:ada", rooms=[], resume=ada["resume"])).json()
    await beaten(kept, "dev:ada", rooms=["lobby"], resume=ada["resume"])
    await bob.event("lobby", "join", "ada", within=1)


# Revoke


async def test_a_revoked_user_is_gone_within_a_second(kept: Arena) -> None:
    token = await minted(kept, "ada")
    ada = await kept.connect()
    await ada.hello(token)
    bob = await kept.enter("bob", "lobby")
    await ada.join("lobby")
    await bob.event("lobby", "join", "ada")
    async with admin(kept) as eve:
        await eve.post("/v1/admin/revoke", user_id="ada", reason="stolen laptop")
    assert await ada.closed(within=1) == 4002
    await bob.event("lobby", "leave", "ada", within=1)
    assert (await beaten(kept, token)).status_code == 401


async def test_a_revoked_token_ends_what_lives_by_it_alone(kept: Arena) -> None:
    one, other = a_token("ada", jti="one"), a_token("ada", jti="other")
    first, second = await kept.connect(), await kept.connect()
    await first.hello(one)
    await second.hello(other)
    second.beat_every(0.5)
    async with admin(kept) as eve:
        told = await eve.post("/v1/admin/revoke", token_id="one", reason="leaked")
        assert (told["sessions"], told["users"]) == (1, ["ada"])
        problem = await eve.refused("POST", "/v1/admin/revoke", reason="nobody")
        assert "one of them" in problem["detail"]
    assert await first.closed(within=1) == 4002
    await second.join("lobby")


async def test_where_a_cooldown_cannot_be_written_everybody_is_out_all_the_same_and_it_is_noted(kept: Arena) -> None:
    cooldowns = kept.node.context.journal.cooldowns

    async def full_disk(cooldown: Cooldown) -> None:
        cooldowns.keep(cooldown)
        raise JournalUnavailable("the disk is full")

    cooldowns.add = full_disk  # type: ignore[method-assign]
    ada, bob = await kept.enter("ada", "lobby", "hall"), await kept.enter("bob", "lobby", "hall")
    how: dict[str, str] = {"mode": "cooldown", "reason": "abuse"}
    async with admin(kept) as eve:
        assert (await eve.refused("POST", "/v1/admin/clear", what="room", id="lobby", **how))["code"] == "degraded"
        assert (await eve.refused("POST", "/v1/admin/kick", room="hall", user_id="bob", **how))["code"] == "degraded"
        for wire, room in ((ada, "lobby"), (bob, "lobby"), (bob, "hall")):
            assert (await wire.expect("left"))["room"] == room
        entries = (await eve.get("/v1/admin/audit"))["entries"]
        assert [(e["action"], e["target"], e["details"]) for e in entries] == [
            ("kick", "room:hall", {"written": False}),
            ("clear", "room:lobby", {"written": False}),
        ]


# Sweep


async def test_a_sweep_says_what_is_due_by_cause(kept: Arena) -> None:
    node = kept.node
    for user in ("ada", "bob", "ivy"):
        await beaten(kept, f"dev:{user}")
    # The timer does it all the time by itself: hold it, and let two of them have been silent.
    node.timers.stop()
    silent = {"ada": 4, "bob": 100}
    for owned in node.registry:
        owned.session.last_frame_tick -= silent.get(owned.session.user_id, 0)
    async with admin(kept) as eve:
        dry = await eve.post("/v1/admin/sweep", dry_run=True)
        assert (dry["sessions"], dry["lost"], dry["removed"]) == (3, 1, {"lease_expired": 1})
        assert phases(kept) == {"ada": "live", "bob": "live", "ivy": "live"}
        assert await eve.post("/v1/admin/sweep", reason="by hand") == {**dry, "dry_run": False, "audited": True}
        assert phases(kept) == {"ada": "lost", "ivy": "live"}
        (entry,) = (await eve.get("/v1/admin/audit", action="sweep"))["entries"]
        assert (entry["details"]["removed"], entry["reason"]) == ({"lease_expired": 1}, "by hand")


def phases(arena: Arena) -> dict[str, str]:
    return {owned.session.user_id: owned.session.phase for owned in arena.node.registry}


async def test_a_sweep_lays_the_ghosts_of_an_earlier_life_of_the_node(kept: Arena) -> None:
    bob = await kept.enter("bob", "lobby")
    node = kept.node
    owner = node.context.owner
    ghost = Membership("gone", "ada", 1, owner._replace(incarnation=owner.incarnation - 1), joined_at=1)
    feed = FeedKey("default", "room", "lobby")
    await node.context.backend.commit(feed, Put(ghost))
    await bob.event("lobby", "join", "ada")
    async with admin(kept) as eve:
        assert (await eve.post("/v1/admin/sweep", dry_run=True))["ghosts"] == 1
        assert (await eve.post("/v1/admin/sweep"))["ghosts"] == 1
        assert (await eve.post("/v1/admin/sweep"))["ghosts"] == 0
    await bob.event("lobby", "leave", "ada", within=1)


# The audit


async def test_who_did_what_to_whom_why_from_where_and_when(kept: Arena) -> None:
    await kept.enter("ada", "lobby")
    async with admin(kept, KEYS["ops"].key) as ops:
        await ops.post("/v1/admin/clear", what="user", id="ada", reason="a ghost")
    async with admin(kept) as eve:
        await eve.post("/v1/admin/kick", room="lobby", user_id="bob", reason="rude")
        entries = (await eve.get("/v1/admin/audit"))["entries"]
        assert [entry["action"] for entry in entries] == ["kick", "clear"]
        clear = entries[1]
        assert (clear["actor"], clear["target"], clear["user_id"]) == ("key:ops", "user:ada", "ada")
        assert (clear["reason"], clear["origin"]) == ("a ghost", "127.0.0.1")
        assert clear["details"] == {"sessions": 1, "users": ["ada"]}
        assert abs(clear["at"] - kept.node.context.now().at) < 60_000
        assert [e["actor"] for e in (await eve.get("/v1/admin/audit", actor="user:eve"))["entries"]] == ["user:eve"]
        first = await eve.get("/v1/admin/audit", limit=1)
        second = await eve.get("/v1/admin/audit", limit=1, cursor=first["next_cursor"])
        assert [page["entries"][0]["action"] for page in (first, second)] == ["kick", "clear"]


@pytest.mark.parametrize("query", [f"cursor={10**23}", f"since_at={-(10**23)}", f"until_at={2**63}"])
async def test_a_number_that_no_act_has_is_malformed(kept: Arena, query: str) -> None:
    async with admin(kept) as eve:
        assert (await eve.refused("GET", f"/v1/admin/audit?{query}"))["code"] == "bad_request"
        if "cursor" not in query:
            assert (await eve.refused("GET", f"/v1/admin/audit/export?{query}"))["code"] == "bad_request"


async def test_the_audit_is_exported_and_no_cell_is_a_formula(kept: Arena) -> None:
    reasons = ['=HYPERLINK("http://evil")', "+1", "-1", "@SUM(A1)", 'plain, with "quotes"\nand lines']
    async with admin(kept) as eve:
        for reason in reasons:
            await eve.post("/v1/admin/kick", room="lobby", user_id="bob", reason=reason)
        lines = (await eve.http.get("/v1/admin/audit/export")).text.splitlines()
        assert [json.loads(line)["reason"] for line in lines] == reasons[::-1]
        answer = await eve.http.get("/v1/admin/audit/export", params={"format": "csv", "action": "kick"})
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        assert [row["reason"] for row in rows] == [*(f"'{reason}" for reason in reasons[:4]), reasons[4]][::-1]


async def test_what_cannot_be_noted_is_done_nevertheless(kept: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await kept.enter("ada", "lobby")

    async def full(acts: object) -> None:
        raise JournalUnavailable("the disk is full")

    monkeypatch.setattr(kept.node.context.journal.audit, "note", full)
    async with admin(kept) as eve:
        told = await eve.post("/v1/admin/kick", room="lobby", user_id="ada", reason="rude")
        assert (told["sessions"], told["audited"]) == (1, False)
    await ada.expect("left")


async def test_without_a_journal_admins_act_and_nothing_is_kept(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    async with admin(arena) as eve:
        assert not (await eve.post("/v1/admin/clear", what="user", id="ada", reason="a ghost"))["audited"]
        assert (await eve.refused("GET", "/v1/admin/audit"))["code"] == "unsupported"
        assert (await eve.refused("GET", "/v1/admin/audit/export"))["code"] == "unsupported"
    assert await ada.closed() == 4003


# Holdings


async def test_a_cleared_holding_is_free_and_cools_down(kept: Arena) -> None:
    ada, bob = await kept.enter("ada"), await kept.enter("bob")
    await ada.ask("occupy", resource="account:12")
    async with admin(kept) as eve:
        ask = {"what": "holding", "id": "account:12", "reason": "left for lunch"}
        dry = await eve.post("/v1/admin/clear", **ask, dry_run=True)
        assert (dry["users"], dry["audited"]) == (["ada"], False)
        told = await eve.post("/v1/admin/clear", **ask, mode="cooldown", cooldown_seconds=60)
        assert (told["users"], told["audited"]) == (["ada"], True)
        with pytest.raises(Refused, match="forbidden") as caught:
            await bob.ask("occupy", resource="account:12")
        assert caught.value.error["limit"] == "cooldown"
        assert (await eve.delete("/v1/admin/cooldowns", kind="holding", id="account:12"))["ended"]
        await bob.ask("occupy", resource="account:12")
        assert (await eve.http.delete("/admin/presence/12")).status_code == 204
        entries = (await eve.get("/v1/admin/audit", action="clear"))["entries"]
        assert [(entry["target"], entry["user_id"]) for entry in entries] == [
            ("holding:account:12", "bob"),
            ("holding:account:12", "ada"),
        ]


async def test_a_take_over_by_a_key_is_noted_as_the_keys_also_among_several_holders(kept: Arena) -> None:
    async with admin(kept, KEYS["ops"].key) as ops, admin(kept, KEYS["writer"].key) as host:
        policy = {"kinds": {"desk": {"occupancy": {"capacity": 2}}}}
        await ops.http.put("/v1/admin/policy", json={"policy": policy, "reason": "two at a desk"})
        for user_id, how in (("ada", "reject"), ("bob", "reject"), ("cy", "take_over")):
            held = await host.http.put("/v1/occupancy/desk/1", json={"user_id": user_id, "on_conflict": how})
            assert held.status_code == 200, held.text
        (entry,) = (await ops.get("/v1/admin/audit", action="take_over"))["entries"]
        assert (entry["actor"], entry["target"], entry["user_id"]) == ("key:writer", "holding:desk:1", "ada")


async def test_a_take_over_is_noted(kept: Arena) -> None:
    ada = await kept.enter("ada")
    await ada.ask("occupy", resource="account:12")
    boss = await kept.connect()
    await boss.hello("dev:boss:admin")
    await boss.ask("occupy", resource="account:12", on_conflict="take_over")
    async with admin(kept) as eve:
        (entry,) = (await eve.get("/v1/admin/audit", action="take_over"))["entries"]
        assert (entry["actor"], entry["target"], entry["user_id"]) == ("user:boss", "holding:account:12", "ada")
