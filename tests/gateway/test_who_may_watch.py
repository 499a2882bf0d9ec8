"""Relations over real sockets: set and taken away by the host, by API or by its resolver, and what viewers see then."""

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
from hereabouts.engine.policy import PRESETS
from hereabouts.errors import JournalUnavailable
from hereabouts.testing.arena import Arena
from hereabouts.testing.issuer import SECRET, Issuer
from hereabouts.testing.wire import Message, Wire

KEY = new_key("host", ["read", "write"], [], token_bytes)
AUTH: dict[str, Any] = {
    "secret": SECRET,
    "api_keys": [{"name": "host", "hash": KEY.line.split('hash = "')[1][:64], "scopes": ["read", "write"]}],
}
GONE: Message = {"user_id": "kid", "status": "offline", "last_seen_at": None}


@asynccontextmanager
async def host_of(arena: Arena, credential: str = KEY.key) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {credential}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", headers=headers, timeout=5) as http:
        yield http


@pytest.fixture
async def arena(tmp_path: Path) -> AsyncIterator[Arena]:
    async with Arena({"auth": AUTH, "journal": {"url": f"sqlite:///{tmp_path}/journal.db"}}) as arena:
        yield arena


def token(user_id: str, *watch: str, **claims: Any) -> str:
    now = int(time.time())
    told = {"sub": user_id, "iat": now, "exp": now + 600, "rooms": {"*": ["join"]}, "watch": watch} | claims
    return Issuer("HS256", kid=None).sign(told)


async def come(arena: Arena, user_id: str, *watch: str, **claims: Any) -> Wire:
    wire = await arena.connect()
    await wire.hello(token(user_id, *watch, **claims))
    wire.beat_every(0.5)
    return wire


async def card(wire: Wire, user_id: str = "kid", status: str | None = None) -> Message:
    """The newest card that came, waiting for one of this status."""

    def fits(message: Message) -> bool:
        return any(c["user_id"] == user_id and status in (None, c["status"]) for c in message["users"])

    found = await wire.expect("users", where=fits)
    return next(c for c in found["users"] if c["user_id"] == user_id)


async def test_nobody_is_seen_until_an_edge_says_so_and_a_moment_after_it_is_taken_away(arena: Arena) -> None:
    mum, kid = await come(arena, "mum"), await come(arena, "kid")
    await mum.ask("watch", users=["kid"])
    assert await card(mum) == GONE
    async with host_of(arena) as host:
        assert (await host.put("/v1/relations/mum/kid")).status_code == 204
        assert (await card(mum, status="online"))["last_seen_at"] is not None
        assert (await host.get("/v1/relations/mum")).json() == {"watcher": "mum", "watched": ["kid"]}
        started = time.monotonic()
        assert (await host.delete("/v1/relations/mum/kid")).status_code == 204
        assert await card(mum, status="offline") == GONE
        assert time.monotonic() - started < 1
    await kid.ask("status", status="busy", text="nobody's business")
    await mum.never("users", during=0.4)


async def test_an_edge_is_taken_from_an_event_stream_too(arena: Arena) -> None:
    kid = await come(arena, "kid")
    async with host_of(arena) as host, host_of(arena, token("mum")) as mum:
        await host.put("/v1/relations/mum/kid")
        async with mum.stream("GET", "/v1/events?users=kid") as stream:
            lines = stream.aiter_lines()
            assert (await told(lines))["status"] == "online"
            await host.delete("/v1/relations/mum/kid")
            assert await told(lines) == GONE
            await kid.ask("status", status="busy")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.4):
                    await told(lines)
        assert (await mum.get("/v1/users/kid")).json() == GONE
        assert (await mum.get("/v1/users/kid/rooms")).json()["rooms"] == []


async def told(lines: AsyncIterator[str]) -> Message:
    async for line in lines:
        if line.startswith("data: ") and (message := json.loads(line[6:]))["type"] == "users":
            return dict(message["users"][0])
    raise AssertionError("the stream ended")


async def test_an_edge_is_one_way_and_of_one_watcher(arena: Arena) -> None:
    mum, kid, dad = await come(arena, "mum"), await come(arena, "kid"), await come(arena, "dad")
    async with host_of(arena) as host:
        await host.put("/v1/relations/mum/kid")
        await kid.ask("watch", users=["mum"])
        await dad.ask("watch", users=["kid"])
        assert (await card(kid, "mum"))["status"] == "offline"
        assert await card(dad) == GONE
        for watcher, status in (("mum", "online"), ("dad", "offline")):
            async with host_of(arena, token(watcher)) as own:
                assert (await own.get("/v1/users/kid")).json()["status"] == status
                old = (await own.get("/api/presence/status?userIds=kid")).json()
                assert old["presence"]["kid"]["isOnline"] is (status == "online")
    await mum.close()


async def test_a_token_that_names_fewer_takes_the_others_away(arena: Arena) -> None:
    """What was watched before a refresh went on being told after it."""
    mum, kid = await come(arena, "mum", "kid"), await come(arena, "kid")
    await mum.ask("watch", users=["kid"])
    assert (await card(mum))["status"] == "online"
    await mum.ask("refresh", token=token("mum"))
    assert await card(mum) == GONE
    await kid.ask("status", status="busy")
    await mum.never("users", during=0.4)


async def test_related_is_who_the_token_names_or_an_edge_and_not_whom_anybody_may_see(tmp_path: Path) -> None:
    settings = {
        "auth": AUTH | {"default_watch": ["*"]},
        "journal": {"url": f"sqlite:///{tmp_path}/journal.db"},
        "policy": {"default": {"views_users": {"@related": "full", "default": "status"}}},
    }
    async with Arena(settings) as arena, host_of(arena) as host:
        await come(arena, "kid")
        named = token("mum", "kid")
        stranger = Issuer("HS256", kid=None).sign({"sub": "eve", "exp": int(time.time()) + 600})
        for credential, sessions in ((stranger, None), (named, 1)):
            async with host_of(arena, credential) as own:
                assert (await own.get("/v1/users/kid")).json().get("sessions") == sessions
        await host.put("/v1/relations/eve/kid")
        async with host_of(arena, stranger) as own:
            assert (await own.get("/v1/users/kid")).json()["sessions"] == 1


async def test_without_a_journal_no_edge_can_be_set() -> None:
    async with Arena({"auth": AUTH}) as arena, host_of(arena) as host:
        answer = await host.put("/v1/relations/mum/kid")
        assert (answer.status_code, answer.json()["code"]) == (400, "unsupported")


async def test_relations_that_cannot_be_read_are_none(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    await come(arena, "kid")
    async with host_of(arena) as host, host_of(arena, token("mum")) as mum:
        await host.put("/v1/relations/mum/kid")

        async def fails(tenant: str, watcher: str) -> frozenset[str]:
            raise JournalUnavailable("the disk is gone")

        monkeypatch.setattr(arena.node.context.journal.relations, "watched_by", fails)
        answer = (await mum.get("/v1/users?ids=kid")).json()
    assert (answer["degraded"], answer["users"]) == (True, [GONE])


class HostResolver:
    """A resolver on this machine that says what it is told to."""

    def __init__(self) -> None:
        self.watched: list[str] = []
        self.is_down = False

    async def __aenter__(self) -> HostResolver:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/watched"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        body = json.dumps({"watched": self.watched}).encode()
        status = b"503 No" if self.is_down else b"200 OK"
        writer.write(b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
        await writer.drain()
        writer.close()


async def test_the_resolver_is_asked_again_for_those_who_look() -> None:
    async with HostResolver() as resolver:
        resolver.watched = ["kid"]
        auth = AUTH | {"resolver_url": resolver.url, "resolver_cache_seconds": 0.3}
        async with Arena({"auth": auth}) as arena:
            mum, kid = await come(arena, "mum"), await come(arena, "kid")
            await mum.ask("watch", users=["kid"])
            assert (await card(mum))["status"] == "online"
            resolver.watched = []
            assert await card(mum, status="offline") == GONE
            resolver.watched = ["kid"]
            await card(mum, status="online")
            resolver.is_down = True
            assert await card(mum, status="offline") == GONE
            await kid.ask("status", status="busy")
            await mum.never("users", during=0.4)
            assert arena.node.readings()["resolver_answers_total"]["down"] > 0  # type: ignore[index]


async def test_a_path_names_every_method_that_it_takes(arena: Arena) -> None:
    async with host_of(arena) as host:
        answer = await host.post("/v1/relations/mum/kid")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, PUT")


async def test_in_a_chat_a_card_is_for_whom_the_host_relates(tmp_path: Path) -> None:
    """Being in one room gives no card: the room itself says who is there."""
    views = PRESETS["chat"]["views"]
    async with Arena({"auth": AUTH, "policy": {"default": {"views": views}}}) as arena:
        kid = await come(arena, "kid")
        await kid.join("chat:1")
        friend, stranger = await come(arena, "friend", "kid"), await come(arena, "stranger")
        for wire in (friend, stranger):
            await wire.join("chat:1")
            await wire.ask("watch", users=["kid"])
        assert (await card(friend))["status"] == "online"
        assert (await card(stranger))["status"] == "offline"
