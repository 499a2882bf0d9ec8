"""A person's rights over real sockets: everything is told, everything is gone, and nothing old comes back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_bytes
from typing import Any

import httpx
import pytest

from hereabouts.auth.api_keys import new_key
from hereabouts.testing.arena import Arena
from hereabouts.testing.issuer import SECRET, Issuer
from hereabouts.testing.waiting import pause
from hereabouts.testing.wire import Refused

KEY = new_key("officer", ["admin", "read", "write"], [], token_bytes)
AUTH: dict[str, Any] = {
    "secret": SECRET,
    "api_keys": [{"name": "officer", "hash": KEY.line.split('hash = "')[1][:64], "scopes": ["admin", "read", "write"]}],
}


@asynccontextmanager
async def calling(arena: Arena, credential: str = KEY.key) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {credential}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", headers=headers, timeout=5) as http:
        yield http


@pytest.fixture
async def arena(tmp_path: Path) -> AsyncIterator[Arena]:
    async with Arena({"auth": AUTH, "journal": {"url": f"sqlite:///{tmp_path}/journal.db"}}) as arena:
        yield arena


def token(user_id: str, **claims: Any) -> str:
    now = int(time.time())
    told = {"sub": user_id, "iat": now, "exp": now + 600, "rooms": {"*": ["join"]}, "watch": ["*"]}
    return Issuer("HS256", kid=None).sign(told | claims)


async def test_a_user_is_told_everything_that_is_kept(arena: Arena) -> None:
    ada = await arena.connect()
    await ada.hello(token("ada", name="Ada L", info={"team": "x"}), platform="web")
    await ada.join("lobby", state={"cursor": 7})
    await ada.ask("status", status="busy", text="deep work")
    async with calling(arena) as officer:
        await officer.put("/v1/relations/mum/ada")
        told = (await officer.get("/v1/users/ada/export")).json()
        nobody = (await officer.get("/v1/users/nobody/export")).json()
    (session,) = told["sessions"]
    assert (session["name"], session["info"], session["platform"]) == ("Ada L", {"team": "x"}, "web")
    assert session["rooms"]["lobby"]["state"] == {"cursor": 7}
    assert told["stored"].keys() == {"sessions", "transitions", "last_seen", "declared", "relations"}
    assert told["stored"]["declared"][0]["text"] == "deep work"
    assert (nobody["sessions"], nobody["stored"]) == ([], {})


async def test_an_erased_user_is_gone_at_once_and_leaves_no_trace(arena: Arena, tmp_path: Path) -> None:
    user_id = "ada-5c1d"
    ada, bob = await arena.connect(), await arena.enter("bob", "lobby")
    await ada.hello(token(user_id, name="Ada L"))
    await ada.join("lobby")
    await ada.ask("occupy", resource="desk:7")
    await bob.event("lobby", "join", user_id)
    await bob.ask("watch", occupancy=["desk"])
    await bob.ask("watch", users=[user_id])
    await ada.ask("status", status="dnd", text="a secret of hers")
    async with calling(arena) as officer, calling(arena, token(user_id)) as own:
        async with own.stream("GET", "/v1/events?users=bob") as stream:
            await officer.put(f"/v1/relations/mum/{user_id}")
            answer = (await officer.delete(f"/v1/users/{user_id}")).json()
            assert answer["erased"]["live"] == 1
            assert [line async for line in stream.aiter_lines()], "the stream ended"
        ended = await ada.expect("ended")
        assert (ended["code"], await ada.closed()) == ("cleared", 4003)
        await bob.event("lobby", "leave", user_id, within=1)
        await bob.expect("occupancy", where=lambda message: "released" in str(message.get("events")))
        assert (await officer.get("/v1/occupancy/desk")).json()["held"] == []
        gone = {"user_id": user_id, "status": "offline", "last_seen_at": None}
        await bob.expect("users", where=lambda message: message["users"] == [gone])
        assert (await officer.get(f"/v1/users/{user_id}/export")).json()["stored"].keys() == {"revocations"}
        history = await arena.node.holdings.kept.history("default", "desk")
        assert [row.user_id[:7] for row in history] == ["erased:"] * 2
        assert (await officer.get(f"/v1/users/{user_id}")).json()["last_seen_at"] is None
        assert (await officer.delete(f"/v1/users/{user_id}")).json()["erased"] == {}
    acts = await arena.node.context.journal.audit.find("default")  # type: ignore[union-attr]
    assert [entry.act.actor for entry in acts] == ["key:officer"] * 2
    assert user_id not in json.dumps([entry.act.target for entry in acts])
    await arena.node.context.journal.flush()
    assert b"a secret of hers" not in kept_in(tmp_path)


def kept_in(folder: Path) -> bytes:
    """Every byte of the journal's files."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_nothing_old_brings_an_erased_user_back_and_a_new_login_does(arena: Arena) -> None:
    old = token("ada", iat=int(time.time()) - 5)
    ada = await arena.connect()
    welcome = await ada.hello(old)
    async with calling(arena) as officer, calling(arena, old) as own:
        beat = (await own.post("/v1/heartbeat", json={})).json()
        assert (await officer.delete("/v1/users/ada")).json()["erased"]["live"] == 2
        late = await own.post("/v1/heartbeat", json={"resume": beat["resume"]})
        assert (late.status_code, late.json()["code"]) == (401, "unauthenticated")
        again = await arena.connect()
        with pytest.raises(Refused, match="revoked"):
            await again.hello(old, resume=welcome["resume"])
        await pause(0.3)
        assert (await officer.get("/v1/users/ada")).json()["status"] == "offline"
        assert (await officer.get("/v1/users/ada/export")).json()["stored"].keys() == {"revocations"}
    fresh = await arena.connect()
    back = await fresh.hello(token("ada", iat=int(time.time()) + 2), resume=welcome["resume"])
    assert back["resumed"] is False
    async with calling(arena) as officer:
        assert (await officer.get("/v1/users/ada")).json()["status"] == "online"


async def test_beats_that_race_with_the_erasure_leave_nothing(arena: Arena) -> None:
    old = token("ada", iat=int(time.time()) - 5)
    async with calling(arena) as officer, calling(arena, old) as own:
        beats = [asyncio.create_task(own.post("/v1/heartbeat", json={"rooms": ["lobby"]})) for _ in range(20)]
        await officer.delete("/v1/users/ada")
        answers = [await beat for beat in beats]
        assert {answer.status_code for answer in answers} <= {200, 401, 410}
        card = (await officer.get("/v1/users/ada")).json()
        assert (card["status"], card["sessions"]) == ("offline", 0)
        assert (await officer.get("/v1/rooms/lobby/count")).json()["count"] == 0
        assert (await officer.get("/v1/users/ada/export")).json()["stored"].keys() == {"revocations"}
    assert arena.node.context.telemetry.faults == 0


async def test_only_admins_export_and_erase(arena: Arena) -> None:
    async with calling(arena, token("ada")) as own, calling(arena, token("root", role="admin")) as admin:
        for method, path in (("GET", "/v1/users/ada/export"), ("DELETE", "/v1/users/ada")):
            assert (await own.request(method, path)).status_code == 403
            assert (await admin.request(method, path)).status_code == 200
        assert (await admin.get("/v1/users/ada/should_notify")).status_code == 401


async def test_a_push_is_held_back_only_while_somebody_certainly_looks(arena: Arena) -> None:
    async with calling(arena) as host:

        async def verdict() -> tuple[bool, str]:
            answer = (await host.get("/v1/users/ada/should_notify")).json()
            return answer["notify"], answer["reason"]

        assert await verdict() == (True, "offline")
        ada = await arena.enter("ada")
        assert await verdict() == (False, "here")
        await ada.ask("status", status="dnd")
        assert await verdict() == (False, "dnd")
        await ada.ask("status", status="invisible")
        assert await verdict() == (True, "offline")
        await ada.ask("status", status="available")
        arena.serving.leaving.degrade("test")
        assert await verdict() == (True, "degraded")
        arena.serving.leaving.restore("test")
        await ada.say("beat", visible=False)
        await ada.expect("beat")
        await pause(0.1)
        assert await verdict() == (True, "away")
        silent = await arena.enter("ada", beats=False)
        assert await verdict() == (False, "here")
        await pause(1.7)
        assert await verdict() == (True, "doubtful")
        await silent.close()
