"""Event streams over real sockets: what is watched comes, an id continues, a slow reader and a bad token end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_bytes
from typing import Any

import httpx
import pytest

from hereabouts.auth.api_keys import new_key
from hereabouts.auth.config import AuthConfig
from hereabouts.auth.minting import TokenRequest, minter
from hereabouts.fanout.outbox import Packet
from hereabouts.gateway import sse
from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually

SECRET = "M8zq1vYx0cRb7uKd3nWf5tLh2pJg9sEa"


class Events:
    """A reader of one stream: pairs of id and message."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.lines = response.aiter_lines()

    async def next(self, within: float = 3.0) -> tuple[str, dict[str, Any]]:
        """The next message."""
        position = ""
        async with asyncio.timeout(within):
            async for line in self.lines:
                if line.startswith("id: "):
                    position = line[4:]
                elif line.startswith("data: "):
                    return position, json.loads(line[6:])
        raise AssertionError("the stream ended")

    async def until(self, kind: str, within: float = 3.0) -> tuple[str, dict[str, Any]]:
        """The next message of this type."""
        async with asyncio.timeout(within):
            while True:
                position, message = await self.next(within)
                if message["type"] == kind:
                    return position, message

    async def end(self, within: float = 5.0) -> list[dict[str, Any]]:
        """Everything to the end of the stream."""
        messages = []
        async with asyncio.timeout(within):
            async for line in self.lines:
                if line.startswith("data: "):
                    messages.append(json.loads(line[6:]))
        return messages


@asynccontextmanager
async def stream(arena: Arena, token: str, query: str, **headers: str) -> AsyncIterator[Events]:
    headers = {"Authorization": f"Bearer {token}", **{name.replace("_", "-"): text for name, text in headers.items()}}
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", timeout=5) as http,
        http.stream("GET", f"/v1/events?{query}", headers=headers) as response,
    ):
        yield Events(response)


async def test_a_room_comes_whole_and_then_what_changes(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    async with stream(arena, "dev:bob", "rooms=lobby") as events:
        assert events.response.headers["content-type"].startswith("text/event-stream")
        _, snapshot = await events.next()
        assert snapshot["type"] == "snapshot"
        assert [member["user_id"] for member in snapshot["members"]] == ["ada"]
        await ada.say("bye")
        _, delta = await events.until("delta")
        assert [(event["event"], event["user_id"]) for event in delta["events"]] == [("leave", "ada")]


async def test_a_stream_continues_where_its_id_says(arena: Arena) -> None:
    await arena.enter("ada", "lobby")
    async with stream(arena, "dev:eve", "rooms=lobby") as keeper:
        await keeper.next()
        async with stream(arena, "dev:bob", "rooms=lobby") as events:
            position, snapshot = await events.next()
        await arena.enter("carl", "lobby")
        await keeper.until("delta")
        async with stream(arena, "dev:bob", "rooms=lobby", last_event_id=position) as events:
            _, delta = await events.next()
            assert delta["type"] == "delta"
            assert (delta["epoch"], delta["since"]) == (snapshot["epoch"], snapshot["seq"])
            assert [event["member"]["user_id"] for event in delta["events"]] == ["carl"]


async def test_an_id_that_means_nothing_gets_a_snapshot(arena: Arena) -> None:
    async with stream(arena, "dev:bob", "rooms=lobby", last_event_id="e:1,::,x:-1") as events:
        assert (await events.next())[1]["type"] == "snapshot"


async def test_users_come_and_change(arena: Arena) -> None:
    async with stream(arena, "dev:bob", "users=ada") as events:
        _, users = await events.next()
        assert users["users"][0]["status"] == "offline"
        await arena.enter("ada")
        _, users = await events.until("users")
        assert users["users"][0]["status"] == "online"


async def test_counts_are_counts(arena: Arena) -> None:
    await arena.enter("ada", "lobby")
    async with stream(arena, "dev:bob", "rooms=lobby&mode=count") as events:
        _, count = await events.next()
        assert (count["type"], count["count"]) == ("count", 1)


async def test_state_with_line_ends_is_still_one_event(arena: Arena) -> None:
    ada = await arena.connect()
    await ada.hello("dev:ada")
    await ada.socket.send('{"type":"join","id":1,"room":"lobby","state":{"a":{"b":\n\n1,\r"c":2}}}')
    await ada.expect("snapshot")
    async with stream(arena, "dev:bob", "rooms=lobby") as events:
        _, snapshot = await events.next()
        assert snapshot["members"][0]["state"] == {"a": {"b": 1, "c": 2}}


@pytest.mark.parametrize(
    "query", ["", "rooms=", "mode=count", "rooms=a&mode=sideways", "rooms=a,,b", "rooms=a&rooms=b"]
)
async def test_a_query_that_says_nothing_is_refused(arena: Arena, query: str) -> None:
    async with stream(arena, "dev:bob", query) as events:
        assert events.response.status_code == 400
        assert json.loads(await events.response.aread())["code"] == "bad_request"


async def test_a_reader_that_leaves_is_forgotten(arena: Arena) -> None:
    async with stream(arena, "dev:bob", "rooms=lobby&users=ada") as events:
        await events.next()
        assert len(arena.node.relay.rooms) == 1
    await eventually(lambda: not arena.node.driver.links and not arena.node.relay.rooms and not len(arena.node.people))


async def test_the_streams_of_a_user_are_limited() -> None:
    async with Arena({"limits": {"sessions_per_user": 2}}) as arena:
        async with stream(arena, "dev:bob", "rooms=a") as first, stream(arena, "dev:bob", "rooms=a") as second:
            await first.next()
            await second.next()
            async with stream(arena, "dev:bob", "rooms=a") as third:
                assert third.response.status_code == 429
        async with asyncio.timeout(3):
            while True:
                async with stream(arena, "dev:bob", "rooms=a") as again:
                    if again.response.status_code == 200:
                        break


async def test_a_drain_ends_streams_and_says_when_to_come_back(arena: Arena) -> None:
    async with stream(arena, "dev:bob", "rooms=lobby") as events:
        await events.next()
        await arena.serving.leaving.drain(0.1)
        messages = await events.end()
        assert messages[-1]["type"] == "reconnect"


async def test_a_token_that_runs_out_ends_its_stream() -> None:
    async with Arena({"auth": {"secret": SECRET}}) as arena:
        minting = minter(AuthConfig(algorithms=("HS256",), secret=SECRET), arena.node.clock.wall)
        assert minting is not None
        token = minting.mint(TokenRequest(user_id="bob", rooms={"*": ("watch",)}, expires_in_seconds=1)).token
        async with stream(arena, token, "rooms=lobby") as events:
            messages = await events.end()
        assert [message["type"] for message in messages] == ["snapshot", "error"]
        assert messages[-1]["code"] == "token_expired"


async def test_a_reader_that_does_not_read_is_let_go(arena: Arena) -> None:
    ada = await arena.connect()
    await ada.hello("dev:ada")
    reader, writer = await asyncio.open_connection("127.0.0.1", arena.port, limit=1024)
    writer.write(b"GET /v1/events?rooms=lobby HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer dev:bob\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    [link] = [link for link in arena.node.driver.links if link.owned is None]
    packet = Packet(b'"' + b"x" * 60_000 + b'"')
    while not link.is_closed:
        link.connection.send(packet)
        await asyncio.sleep(0)
    assert arena.node.context.telemetry.slow_readers == 1
    writer.close()
    await eventually(lambda: not arena.node.relay.rooms)


async def test_a_quiet_stream_says_so(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.05)
    async with stream(arena, "dev:bob", "rooms=lobby") as events:
        await events.next()
        async with asyncio.timeout(3):
            comments = 0
            async for line in events.lines:
                comments += line == ":"
                if comments == 2:
                    break


async def test_a_head_of_a_stream_ends(arena: Arena) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", timeout=5) as http:
        answer = await http.head("/v1/events?rooms=lobby", headers={"Authorization": "Bearer dev:bob"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert not arena.node.driver.links


async def test_a_server_is_shown_everything() -> None:
    key = new_key("reader", ["read"], [], token_bytes)
    entry = {"name": "reader", "hash": key.line.split('hash = "')[1][:64], "scopes": ["read"]}
    views = {"views": {"admin": "full", "default": "existence"}}
    async with Arena({"auth": {"secret": SECRET, "api_keys": [entry]}, "policy": {"default": views}}) as arena:
        await arena.enter("ada:admin", "lobby")
        async with stream(arena, key.key, "rooms=lobby&users=ada") as events:
            _, snapshot = await events.until("snapshot")
            assert (snapshot["view"], snapshot["members"][0]["user_id"]) == ("full", "ada")
            _, users = await events.until("users")
            assert users["users"][0]["sessions"] == 1
        async with stream(arena, "dev:bob", "rooms=lobby&users=ada") as events:
            _, snapshot = await events.until("snapshot")
            assert (snapshot["view"], snapshot["members"]) == ("existence", [])
            _, users = await events.until("users")
            assert users["users"] == [{"user_id": "ada", "status": "offline"}]
