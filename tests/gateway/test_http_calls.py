"""The HTTP calls over real sockets, as users and as servers make them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_bytes
from typing import Any

import httpx
import pytest

from hereabouts.auth.api_keys import new_key
from hereabouts.errors import JournalUnavailable
from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually

SECRET = "M8zq1vYx0cRb7uKd3nWf5tLh2pJg9sEa"
KEY_NAMES = {"reader": ["read"], "minter": ["tokens"], "maker": ["tokens", "admin"], "meter": ["metrics"]}
KEYS = {name: new_key(name, scopes, [], token_bytes) for name, scopes in KEY_NAMES.items()}
AUTH: dict[str, Any] = {
    "secret": SECRET,
    "api_keys": [
        {"name": name, "hash": key.line.split('hash = "')[1][:64], "scopes": KEY_NAMES[name]}
        for name, key in KEYS.items()
    ],
}


@asynccontextmanager
async def calling(arena: Arena, credential: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {credential}"} if credential is not None else {}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", headers=headers, timeout=5) as http:
        yield http


@pytest.fixture
async def keyed() -> AsyncIterator[Arena]:
    """A server with API keys, and a secret to mint with."""
    async with Arena({"auth": AUTH}) as arena:
        yield arena


async def minted(arena: Arena, user_id: str, **claims: Any) -> str:
    async with calling(arena, KEYS["minter"].key) as http:
        answer = await http.post("/v1/tokens", json={"user_id": user_id, **claims})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])


# Beats and leaves


async def test_a_beat_begins_a_session_and_the_next_renews_it(arena: Arena) -> None:
    async with calling(arena, "dev:ada") as http:
        first = (await http.post("/v1/heartbeat", json={"rooms": ["lobby"]})).json()
        second = (await http.post("/v1/heartbeat", json={"resume": first["resume"]})).json()
    assert (first["resumed"], second["resumed"]) == (False, True)
    assert first["session_id"] == second["session_id"]
    assert second["lease_expires_at"] >= first["lease_expires_at"]
    assert first["next_beat_seconds"] == 1


async def test_a_beat_is_seen_and_so_is_its_end(arena: Arena) -> None:
    bob = await arena.enter("bob", "lobby")
    async with calling(arena, "dev:ada") as http:
        await http.post("/v1/heartbeat", json={"rooms": ["lobby"]})
    await bob.event("lobby", "join", "ada", within=3)
    await bob.event("lobby", "leave", "ada", within=3 + 2 + 0.5 + 1)


async def test_a_beat_without_a_body_is_a_beat(arena: Arena) -> None:
    async with calling(arena, "dev:ada") as http:
        assert (await http.post("/v1/heartbeat")).status_code == 200


@pytest.mark.parametrize("kind", ["text", "json", "json as text"])
async def test_a_beacon_ends_its_session(arena: Arena, kind: str) -> None:
    bob = await arena.enter("bob", "lobby")
    ada = await arena.enter("ada", "lobby")
    await bob.event("lobby", "join", "ada", within=3)
    token = ada.welcome["leave_token"]
    async with calling(arena) as http:
        if kind == "json":
            answer = await http.post("/v1/leave", json={"leave_token": token})
        else:
            text = token if kind == "text" else f'{{"leave_token": "{token}", "after_seconds": 0}}'
            answer = await http.post("/v1/leave", content=text, headers={"Content-Type": "text/plain;charset=UTF-8"})
        assert (answer.status_code, answer.content) == (204, b"")
    await bob.event("lobby", "leave", "ada", within=5)


async def test_a_wrong_leave_token_is_answered_alike(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    async with calling(arena) as http:
        good = await http.post("/v1/leave", content=ada.welcome["leave_token"], headers={"Content-Type": "text/plain"})
        again = await http.post("/v1/leave", content=ada.welcome["leave_token"], headers={"Content-Type": "text/plain"})
        wrong = await http.post("/v1/leave", content="nobody.at.all", headers={"Content-Type": "text/plain"})
    assert good.status_code == again.status_code == wrong.status_code == 204
    assert good.headers == again.headers == wrong.headers


async def test_beacons_of_an_address_are_held_to_a_rate(arena: Arena) -> None:
    async with calling(arena) as http:
        for _ in range(1000):
            answer = await http.post("/v1/leave", content="x.y", headers={"Content-Type": "text/plain"})
            if answer.status_code == 429:
                break
    assert answer.json()["code"] == "rate_limited"
    assert int(answer.headers["retry-after"]) >= 1


# Users


async def test_users_come_in_the_order_asked(arena: Arena) -> None:
    await arena.enter("ada")
    async with calling(arena, "dev:bob") as http:
        by_get = (await http.get("/v1/users", params={"ids": "zoe,ada,zoe"})).json()
        by_post = (await http.post("/v1/users/query", json={"ids": ["zoe", "ada", "zoe"]})).json()
    assert [user["user_id"] for user in by_get["users"]] == ["zoe", "ada", "zoe"]
    assert [user["status"] for user in by_get["users"]] == ["offline", "online", "offline"]
    assert [user["user_id"] for user in by_post["users"]] == ["zoe", "ada", "zoe"]
    assert by_get["degraded"] is False
    assert "sessions" not in by_get["users"][1]


async def test_a_card_has_the_newest_proof_of_life(arena: Arena) -> None:
    ada = await arena.enter("ada", beats=False)
    async with calling(arena, "dev:bob") as http:
        first = (await http.get("/v1/users/ada")).json()["last_seen_at"]
        await ada.say("beat")
        await ada.expect("beat")
        assert (await http.get("/v1/users/ada")).json()["last_seen_at"] > first


async def test_unknown_and_forbidden_users_look_the_same(keyed: Arena) -> None:
    await keyed.enter("ada")
    token = await minted(keyed, "bob", watch=["carl"])
    async with calling(keyed, token) as http:
        users = (await http.get("/v1/users", params={"ids": "ada,carl"})).json()["users"]
    assert [{**user, "user_id": ""} for user in users] == [
        {"user_id": "", "status": "offline", "last_seen_at": None}
    ] * 2


async def test_an_invisible_user_looks_gone_but_to_itself(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    await ada.ask("status", status="invisible")
    async with calling(arena, "dev:bob") as http:
        before = (await http.get("/v1/users/ada")).json()
        assert before["status"] == "offline"
        assert (await http.get("/v1/users/ada/rooms")).json()["rooms"] == []
        assert (await http.get("/v1/rooms/lobby/count")).json()["count"] == 0
        await ada.say("beat")
        await ada.expect("beat")
        assert (await http.get("/v1/users/ada")).json() == before
    async with calling(arena, "dev:ada") as http:
        own = (await http.get("/v1/users/ada")).json()
        assert (own["declared"], own["self"], own["sessions"]) == ("invisible", True, 1)
        assert (await http.get("/v1/users/ada/rooms")).json()["rooms"] == ["lobby"]


async def test_too_many_users_are_refused(arena: Arena) -> None:
    async with calling(arena, "dev:bob") as http:
        ids = [f"u{n}" for n in range(501)]
        assert (await http.post("/v1/users/query", json={"ids": ids})).status_code == 400
        assert (await http.get("/v1/users", params={"ids": ",".join(ids)})).status_code == 400
        assert len((await http.post("/v1/users/query", json={"ids": ids[:500]})).json()["users"]) == 500


@pytest.mark.parametrize("path", ["/v1/users?ids=a,,b", "/v1/users/%00", "/v1/users/a%20b", "/v1/rooms/%0a/count"])
async def test_a_name_that_nobody_has_is_refused(arena: Arena, path: str) -> None:
    async with calling(arena, "dev:bob") as http:
        assert (await http.get(path)).json()["code"] == "bad_request"


# Rooms


async def test_pages_agree_on_one_position(arena: Arena) -> None:
    users = [f"user{n}" for n in range(7)]
    for user_id in users:
        await arena.enter(user_id, "lobby")
    async with calling(arena, "dev:bob") as http:
        page = (await http.get("/v1/rooms/lobby/members", params={"limit": 3})).json()
        await arena.enter("late", "lobby")
        pages = [page]
        while page["next_cursor"] is not None:
            page = (
                await http.get("/v1/rooms/lobby/members", params={"limit": 3, "cursor": page["next_cursor"]})
            ).json()
            pages.append(page)
        assert [member["user_id"] for page in pages for member in page["members"]] == users
        assert len({(page["epoch"], page["seq"], page["count"]) for page in pages}) == 1
        whole = (await http.get("/v1/rooms/lobby/members")).json()
        assert (whole["count"], whole["next_cursor"]) == (8, None)


async def test_a_page_stands_where_the_stream_stands(arena: Arena) -> None:
    bob = await arena.enter("bob", "lobby")
    await arena.enter("ada", "lobby")
    await bob.event("lobby", "join", "ada", within=3)
    async with calling(arena, "dev:carl") as http:
        page = (await http.get("/v1/rooms/lobby/members")).json()
    assert [page["epoch"], page["seq"]] == list(bob.folds.seen()["lobby"])


async def test_a_cursor_is_for_its_reader_and_its_room(arena: Arena) -> None:
    for user_id in ("a", "b", "c"):
        await arena.enter(user_id, "lobby", "other")
    async with calling(arena, "dev:bob") as bob, calling(arena, "dev:eve") as eve:
        cursor = (await bob.get("/v1/rooms/lobby/members", params={"limit": 1})).json()["next_cursor"]
        assert (await bob.get("/v1/rooms/lobby/members", params={"cursor": cursor})).status_code == 200
        for http, room, text in (
            (eve, "lobby", cursor),
            (bob, "other", cursor),
            (bob, "lobby", cursor + "x"),
            (bob, "lobby", "x"),
        ):
            answer = await http.get(f"/v1/rooms/{room}/members", params={"cursor": text})
            assert (answer.status_code, answer.json()["code"]) == (410, "cursor_gone")


async def test_a_room_is_refused_by_pattern_whether_it_is_or_not(keyed: Arena) -> None:
    await keyed.enter("ada", "secret")
    token = await minted(keyed, "bob", rooms={"open:*": ["watch"]})
    async with calling(keyed, token) as http:
        there, nowhere = await http.get("/v1/rooms/secret/members"), await http.get("/v1/rooms/nowhere/members")
        assert there.status_code == nowhere.status_code == 403
        assert (await http.get("/v1/rooms/open:1/members")).status_code == 200
        assert (await http.get("/v1/users/ada/rooms")).json()["rooms"] == []


async def test_a_view_shows_what_it_may() -> None:
    views = {"admin": "full", "friend": "status", "guest": "existence", "default": "none"}
    async with Arena({"policy": {"default": {"views": views}}}) as arena:
        await arena.enter("ada:admin", "lobby")
        shown = {}
        for role in ("admin", "friend", "guest", "nobody"):
            async with calling(arena, f"dev:bob:{role}") as http:
                page = (await http.get("/v1/rooms/lobby/members")).json()
                count = (await http.get("/v1/rooms/lobby/count")).json()
                rooms = (await http.get("/v1/users/ada/rooms")).json()["rooms"]
                card = (await http.get("/v1/users/ada")).json()
                shown[role] = (
                    sorted(page["members"][0]) if page["members"] else None,
                    page["count"],
                    count["count"],
                    count.get("sessions"),
                    rooms,
                    card["status"],
                )
        assert "state" in (shown["admin"][0] or [])
        assert shown["admin"][1:] == (1, 1, 1, ["lobby"], "online")
        assert shown["friend"] == (["status", "user_id"], 1, 1, None, ["lobby"], "online")
        assert shown["guest"] == (None, 1, 1, None, [], "offline")
        assert shown["nobody"] == (None, 0, 0, None, [], "offline")


async def test_where_nobody_is_shown_one_still_sees_oneself() -> None:
    async with Arena({"policy": {"default": {"views": {"default": "existence"}}}}) as arena:
        async with calling(arena, "dev:ada") as http:
            await http.post("/v1/heartbeat", json={"rooms": ["lobby"]})
            page = (await http.get("/v1/rooms/lobby/members")).json()
        assert [(member["user_id"], member["self"]) for member in page["members"]] == [("ada", True)]
        async with calling(arena, "dev:bob") as http:
            page = (await http.get("/v1/rooms/lobby/members")).json()
        assert (page["members"], page["count"]) == ([], 1)


async def test_a_name_with_a_slash_is_one_name(arena: Arena) -> None:
    await arena.enter("ada", "doc:a/b")
    async with calling(arena, "dev:bob") as http:
        assert (await http.get("/v1/rooms/doc:a%2Fb/count")).json()["count"] == 1
        assert (await http.get("/v1/rooms/doc:a/b/count")).status_code == 404


async def test_what_may_be_stale_says_so_and_since_when(arena: Arena) -> None:
    arena.node.context.degraded_since_at = 1_700_000_000_000
    async with calling(arena, "dev:bob") as http:
        users = (await http.get("/v1/users", params={"ids": "ada"})).json()
        assert (users["degraded"], users["as_of_at"]) == (True, 1_700_000_000_000)
        assert (await http.get("/v1/rooms/lobby/count")).json()["as_of_at"] == 1_700_000_000_000


async def test_who_is_not_here_was_last_seen_when_the_journal_says(tmp_path: Path) -> None:
    async with Arena({"journal": {"url": f"sqlite:///{tmp_path / 'hereabouts.db'}"}}) as arena:
        ada = await arena.enter("ada")
        await ada.say("bye")
        await ada.closed()
        await eventually(lambda: not len(arena.node.people))
        async with calling(arena, "dev:bob") as http:
            card = (await http.get("/v1/users/ada")).json()
        assert card["status"] == "offline"
        assert card["last_seen_at"] > 1_600_000_000_000


async def test_a_journal_that_cannot_be_read_leaves_who_is_here(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreadable(tenant: str, user_ids: list[str]) -> None:
        raise JournalUnavailable("locked")

    await arena.enter("ada")
    monkeypatch.setattr(arena.node.context.journal, "last_seen", unreadable)
    async with calling(arena, "dev:bob") as http:
        answer = (await http.get("/v1/users", params={"ids": "ada,zoe"})).json()
    assert [user["status"] for user in answer["users"]] == ["online", "offline"]
    assert answer["degraded"] is True


async def test_a_read_writes_nothing(arena: Arena) -> None:
    async with calling(arena, "dev:bob") as http:
        for path in (
            "/v1/users?ids=ada,bob",
            "/v1/rooms/lobby/members",
            "/v1/rooms/lobby/count",
            "/v1/users/ada/rooms",
        ):
            assert (await http.get(path)).status_code == 200
    assert not arena.node.relay.rooms
    assert not len(arena.node.people)
    assert not len(arena.node.registry)


# Credentials


async def test_a_server_sees_everything_in_its_tenant(keyed: Arena) -> None:
    await keyed.enter("ada", "lobby")
    key = KEYS["reader"].key
    async with calling(keyed) as http:
        for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
            assert (await http.get("/v1/users/ada", headers=headers)).json()["sessions"] == 1
            assert (await http.get("/v1/rooms/lobby/members", headers=headers)).json()["view"] == "full"
        other = await http.get("/v1/users/ada", headers={"X-API-Key": key, "X-Tenant": "acme"})
        assert other.status_code == 403


async def test_a_minted_token_is_good(keyed: Arena) -> None:
    token = await minted(keyed, "ada", role="friend", rooms={"lobby": ["join"]}, expires_in_seconds=60)
    async with calling(keyed, token) as http:
        assert (await http.post("/v1/heartbeat", json={"rooms": ["lobby"]})).status_code == 200
        assert (await http.post("/v1/heartbeat", json={"rooms": ["other"]})).json()["code"] == "forbidden"


async def test_an_admin_is_minted_by_an_admin_alone(keyed: Arena) -> None:
    for name, status in (("minter", 403), ("maker", 200), ("reader", 403)):
        async with calling(keyed, KEYS[name].key) as http:
            answer = await http.post("/v1/tokens", json={"user_id": "root", "role": "admin"})
            assert answer.status_code == status


@pytest.mark.parametrize("credential", ["nonsense", "dev:", "hk_unknown", "a.b.c"])
async def test_a_bad_credential_is_401(keyed: Arena, credential: str) -> None:
    async with calling(keyed) as http:
        for method, path in (("GET", "/v1/users/ada"), ("POST", "/v1/heartbeat"), ("GET", "/v1/events?rooms=a")):
            answer = await http.request(method, path, headers={"Authorization": f"Bearer {credential}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_each_call_takes_its_own_kind_of_credential(keyed: Arena) -> None:
    async with calling(keyed, KEYS["reader"].key) as http:
        assert (await http.post("/v1/heartbeat")).status_code == 401
    async with calling(keyed, "dev:ada:admin") as http:
        assert (await http.post("/v1/tokens", json={"user_id": "eve"})).status_code == 401
    async with calling(keyed, KEYS["meter"].key) as http:
        assert (await http.get("/v1/users/ada")).status_code == 403


# The old names


async def test_the_old_heartbeat_keeps_one_session(arena: Arena) -> None:
    async with calling(arena, "dev:ada") as http:
        answers = [await http.post("/api/presence/heartbeat", json={"userId": "ada"}) for _ in range(3)]
        assert len({answer.json()["session_id"] for answer in answers}) == 1
        assert answers[0].headers["deprecation"].startswith("@")
        assert "/v1/heartbeat" in answers[0].headers["link"]
    assert len(arena.node.registry) == 1


async def test_the_old_status_says_who_is_there(arena: Arena) -> None:
    await arena.enter("ada")
    async with calling(arena, "dev:bob") as http:
        presence = (await http.get("/api/presence/status", params={"userIds": "ada,zoe"})).json()["presence"]
    assert presence["ada"]["isOnline"] is True
    assert presence["ada"]["lastActiveAt"] > 1_600_000_000_000
    assert presence["zoe"] == {"isOnline": False, "lastActiveAt": None}


async def test_the_old_disconnect_ends_ones_own_sessions_alone(arena: Arena) -> None:
    bob = await arena.enter("bob", "lobby")
    ada = await arena.enter("ada", "lobby")
    await arena.enter("eve", "lobby")
    for user_id in ("ada", "eve"):  # a join and a leave within one window would be nothing to tell
        await bob.event("lobby", "join", user_id)
    async with calling(arena) as http:
        nobody = await http.post("/api/user-disconnect", json={"userId": "bob"})
        assert nobody.status_code == 401
        by_token = await http.post(
            "/api/user-disconnect", json={"leave_token": ada.welcome["leave_token"], "userId": "bob"}
        )
        assert by_token.status_code == 204
        await bob.event("lobby", "leave", "ada", within=5)
        headers = {"Authorization": "Bearer dev:eve"}
        assert (await http.post("/api/user-disconnect", json={"userId": "bob"}, headers=headers)).status_code == 204
        await bob.event("lobby", "leave", "eve", within=5)
        assert (await http.get("/v1/rooms/lobby/count", headers=headers)).json()["count"] == 1


# Health


async def test_a_node_that_drains_is_not_ready_but_alive(arena: Arena) -> None:
    async with calling(arena) as http:
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.text.splitlines()[0]) == (200, "node: ok")
        arena.node.driver.is_draining = True
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.text.splitlines()[0]) == (503, "node: draining")
        assert (await http.get("/healthz")).status_code == 200


async def test_metrics_are_served(arena: Arena) -> None:
    async with calling(arena, "dev:ada") as http:
        await http.post("/v1/heartbeat")
        text = (await http.get("/metrics")).text
    assert "hereabouts_http_beats_total 1.0" in text


async def test_refusals_are_counted(arena: Arena) -> None:
    async with calling(arena) as http:
        await http.post("/v1/heartbeat")
    await eventually(lambda: arena.node.context.telemetry.errors["unauthenticated"] == 1)
