"""The console's server side: who may sign in, what a session may do, and what every answer carries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from hereabouts.auth.api_keys import new_key
from hereabouts.gateway.console import LOGINS_AT_ONCE
from hereabouts.gateway.console.files import console_files
from hereabouts.gateway.console.sessions import LIFE_SECONDS, SESSIONS_MOST, Sessions
from hereabouts.gateway.server import Server
from hereabouts.runtime.callers import ANYBODY
from hereabouts.testing.arena import Arena

OPERATOR = new_key("ops", ["admin", "read"], ["default"], lambda size: b"o" * size)
READER = new_key("eyes", ["admin:read"], ["default"], lambda size: b"r" * size)
PLAIN = new_key("plain", ["read"], ["default"], lambda size: b"p" * size)


def entry(name: str, key: str, *scopes: str) -> dict[str, Any]:
    from hashlib import sha256

    return {"name": name, "hash": sha256(key.encode()).hexdigest(), "scopes": scopes}


KEYS = [
    entry("ops", OPERATOR.key, "admin", "read"),
    entry("eyes", READER.key, "admin:read"),
    entry("plain", PLAIN.key, "read"),
]


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[tuple[Arena, httpx.AsyncClient]]:
    async with Arena({"auth": {"api_keys": KEYS}, **settings}) as arena:
        url = f"http://127.0.0.1:{arena.port}"
        async with httpx.AsyncClient(base_url=url, timeout=5) as http:
            yield arena, http


async def sign_in(http: httpx.AsyncClient, key: str) -> httpx.Response:
    return await http.post("/console/session", json={"key": key})


async def test_a_key_signs_in_and_its_session_reads_and_acts_under_its_name(tmp_path: Path) -> None:
    async with served(journal={"url": f"sqlite:///{tmp_path}/journal.db"}) as (arena, http):
        await arena.enter("ada", "lobby")
        answer = await sign_in(http, OPERATOR.key)
        told = answer.json()
        assert (told["name"], told["may_act"], told["tenant"]) == ("key:ops", True, "default")
        cookie = answer.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/console", "max-age=28800"))
        assert OPERATOR.key not in answer.text + cookie
        read = await http.get("/console/api/v1/admin/sessions")
        assert [row["user_id"] for row in read.json()["sessions"]] == ["ada"]
        body = {"what": "user", "id": "ada", "reason": "test"}
        acted = await http.post("/console/api/v1/admin/clear", json=body, headers={"X-CSRF-Token": told["csrf"]})
        assert acted.json()["sessions"] == 1
        audit = (await http.get("/console/api/v1/admin/audit")).json()["entries"]
        assert [(row["actor"], row["action"]) for row in audit] == [("key:ops", "clear"), ("key:ops", "sign_in")]


async def test_what_acts_needs_the_token_of_the_session() -> None:
    async with served() as (_, http):
        await sign_in(http, OPERATOR.key)
        for headers in ({}, {"X-CSRF-Token": "another"}):
            refused = await http.post("/console/api/v1/admin/sweep", json={}, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert (await http.delete("/console/session")).status_code == 403


async def test_a_key_that_only_reads_is_refused_by_the_server_when_it_acts() -> None:
    async with served() as (_, http):
        told = (await sign_in(http, READER.key)).json()
        assert told["may_act"] is False
        assert (await http.get("/console/api/v1/admin/stats")).status_code == 200
        assert (await http.get("/console/api/v1/users/ada")).status_code == 403
        acted = await http.post("/console/api/v1/admin/sweep", json={}, headers={"X-CSRF-Token": told["csrf"]})
        assert acted.status_code == 403


@pytest.mark.parametrize("key", [PLAIN.key, "hk_unknown", "dev:bob", "", "nonsense"])
async def test_who_is_no_admin_does_not_come_in(key: str) -> None:
    async with served() as (_, http):
        refused = await sign_in(http, key)
        assert refused.status_code in (401, 403), refused.text
        assert "set-cookie" not in refused.headers
        assert (await http.get("/console/session")).status_code == 401
        assert (await http.get("/console/api/v1/admin/stats")).status_code == 401


async def test_a_login_is_json_and_not_long() -> None:
    async with served() as (_, http):
        assert (await http.post("/console/session", content=b"key=hk_1")).json()["code"] == "unsupported"
        assert (await http.post("/console/session", json={"no": 1})).status_code == 400
        assert (await sign_in(http, "hk_" + "x" * 5_000)).status_code == 413


async def test_guessing_is_slow() -> None:
    async with served() as (_, http):
        found = [(await sign_in(http, "hk_guess")).status_code for _ in range(LOGINS_AT_ONCE + 1)]
        assert found == [401] * LOGINS_AT_ONCE + [429]


async def test_signing_out_and_signing_in_anew_end_the_session() -> None:
    async with served() as (_, http):
        first = await sign_in(http, OPERATOR.key)
        old = dict(first.cookies)
        second = await sign_in(http, OPERATOR.key)
        assert dict(second.cookies) != old and second.json()["csrf"] != first.json()["csrf"]
        current = dict(http.cookies)
        http.cookies.clear()
        answer = await http.get("/console/session", headers={"Cookie": "; ".join(f"{k}={v}" for k, v in old.items())})
        assert answer.status_code == 401
        http.cookies.update(current)
        gone = await http.delete("/console/session", headers={"X-CSRF-Token": second.json()["csrf"]})
        assert gone.status_code == 204
        http.cookies.update(current)
        assert (await http.get("/console/session")).status_code == 401


async def test_every_answer_has_a_strict_policy_and_no_key_of_the_api_opens_the_console() -> None:
    async with served() as (_, http):
        paths = ["/console/", "/console/session", "/console/nothing.js", "/console/api/v1/admin/stats"]
        for path in paths:
            answer = await http.get(path, headers={"Authorization": f"Bearer {OPERATOR.key}"})
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
            assert "unsafe" not in policy
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert (await http.get("/console/api/v1/admin/stats")).status_code == 401
        assert (await http.get("/console")).headers["location"].endswith("/console/")


async def test_names_with_a_slash_reach_their_call() -> None:
    async with served() as (arena, http):
        await arena.enter("ada", "doc:a/b")
        await sign_in(http, OPERATOR.key)
        answer = await http.get("/console/api/v1/rooms/doc%3Aa%2Fb/count")
        assert (answer.json()["room"], answer.json()["count"]) == ("doc:a/b", 1)


@pytest.mark.parametrize(
    ("place", "public", "internal"), [("internal", 404, 200), ("public", 200, 404), ("off", 404, 404)]
)
async def test_the_console_is_where_the_settings_say(place: str, public: int, internal: int) -> None:
    from hereabouts.serving import Serving
    from hereabouts.settings import load

    auth = {"secret": "an-hour-of-quiet-0123456789-abcdef", "api_keys": KEYS}
    flags = {"journal": {"url": "none"}, "server": {"console": place}, "auth": auth}
    serving = Serving(load(None, flags, environment={}))
    await serving.open()
    try:
        for app, wanted in ((serving.app, public), (serving.internal_app, internal)):
            server = Server(app, None, "127.0.0.1", 0)
            await server.start()
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http:
                answer = await http.get("/console/session")
                assert answer.status_code == (401 if wanted == 200 else 404)
            await server.stop()
    finally:
        await serving.close()


def test_a_session_ends_and_there_are_not_too_many() -> None:
    now = 0.0
    sessions = Sessions(lambda: now)
    first, _ = sessions.open(ANYBODY)
    for _ in range(SESSIONS_MOST):
        last, _ = sessions.open(ANYBODY)
    assert len(sessions) == SESSIONS_MOST
    with pytest.raises(Exception, match="sign in"):
        sessions.find(first)
    sessions.find(last)
    now = LIFE_SECONDS
    with pytest.raises(Exception, match="sign in"):
        sessions.find(last)
    sessions.open(ANYBODY)
    assert len(sessions) == 1


def test_a_console_that_is_not_built_says_which_command_builds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hereabouts.gateway.console.files.FOLDER", "no_such_folder")
    (page,) = console_files().values()
    assert page.status_code == 503
    assert "scripts/build" in bytes(page.body).decode()
