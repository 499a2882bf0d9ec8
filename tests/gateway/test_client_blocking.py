"""The blocking client and the HTTP calls, with the real server."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncIterator

import pytest

from hereabouts.client import (
    AsyncHeartbeats,
    AsyncPresence,
    AsyncPresenceServer,
    Closed,
    Heartbeats,
    Joined,
    Left,
    Presence,
    PresenceServer,
    Refused,
)
from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually

KEY = "hk_" + "k" * 43
ADMIN_KEY = "hk_" + "a" * 43


@pytest.fixture
async def server() -> AsyncIterator[Arena]:
    scopes = ["read", "write", "tokens"]
    keys = [
        {"name": name, "hash": hashlib.sha256(key.encode()).hexdigest(), "scopes": granted}
        for name, key, granted in (("app", KEY, scopes), ("ops", ADMIN_KEY, ["admin"]))
    ]
    async with Arena({"auth": {"api_keys": keys, "secret": "s" * 40, "algorithms": ["HS256"]}}) as arena:
        yield arena


def base(arena: Arena) -> str:
    return f"http://127.0.0.1:{arena.port}"


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "hereabouts"]


async def test_the_same_names_without_a_loop(arena: Arena) -> None:
    def program() -> None:
        tokens = iter(["dev:ada"])
        with Presence(base(arena), lambda: next(tokens)) as ada, ada.room("r", state={"n": 1}) as room:
            assert ada.connection == "connected"
            assert room.self is not None and room.self.state == {"n": 1}
            events = room.events(timeout_seconds=10)
            with Presence(base(arena), "dev:bob") as bob, bob.room("r") as other:
                bob.set_visible(True)
                bob.set_active()
                joined = next(event for event in events if isinstance(event, Joined))
                assert joined.member.user_id == "bob"
                other.update(n=2)
                other.set_typing(True)
                bob.set_status("busy")
                assert other.count == 2
                with ada.users.watch(["bob"]) as watch:
                    assert [user.user_id for user in watch.users] == ["bob"]
                assert [user.status for user in ada.users.get(["bob", "nobody"])] == ["busy", "offline"]
                with ada.watch(rooms=["r"], mode="roster") as watch:
                    assert watch.count("r") == 2
            left = next(event for event in events if isinstance(event, Left))
            assert left.user_id == "bob"
            began = time.monotonic()
            with pytest.raises(TimeoutError):
                list(room.events(timeout_seconds=0.2))
            assert time.monotonic() - began >= 0.2
        with pytest.raises(Closed):
            ada.set_status("busy")

    await asyncio.to_thread(program)
    assert threads() == []


async def test_a_client_that_cannot_open_leaves_no_thread() -> None:
    def program() -> None:
        with pytest.raises(TimeoutError), Presence("http://127.0.0.1:9", "dev:ada", timeout_seconds=0.3):
            pass

    await asyncio.to_thread(program)
    assert threads() == []


async def test_the_server_side_client_reads_and_mints(server: Arena) -> None:
    url = base(server)
    async with AsyncPresenceServer(url, KEY) as calls:
        minted = await calls.mint_token("ada", name="Ada", rooms={"doc:*": ["join", "watch"]}, expires_in_seconds=60)
        assert minted.expires_at is not None
        async with AsyncPresence(url, minted.token) as ada, ada.room("doc:a/b", state={"n": 1}):
            assert [user.status for user in await calls.users(["ada", "bob"])] == ["online", "offline"]
            assert (await calls.user("ada")).status == "online"
            assert (await calls.count("doc:a/b")).count == 1
            (member,) = await calls.members("doc:a/b")
            assert (member.name, member.state) == ("Ada", {"n": 1})
            with pytest.raises(Refused) as caught:
                async with ada.room("other"):
                    pass
            assert caught.value.code == "forbidden"
    async with AsyncPresenceServer(url, "hk_wrong") as calls:
        with pytest.raises(Refused) as caught:
            await calls.user("ada")
        assert caught.value.code == "unauthenticated"


async def test_only_an_admin_s_key_sweeps(server: Arena) -> None:
    url = base(server)
    async with AsyncPresenceServer(url, ADMIN_KEY) as calls, AsyncPresence(url, "dev:ada"):
        swept = await calls.sweep(dry_run=True)
        assert (swept.dry_run, swept.sessions, swept.removed, swept.ghosts) == (True, 1, {}, 0)
        assert not (await calls.sweep(reason="moved house")).dry_run
    async with AsyncPresenceServer(url, KEY) as calls:
        with pytest.raises(Refused, match="forbidden"):
            await calls.sweep()


async def test_a_roster_is_read_over_its_pages(server: Arena) -> None:
    url = base(server)
    async with (
        AsyncPresence(url, "dev:ada") as ada,
        AsyncPresence(url, "dev:bob") as bob,
        ada.room("doc:1"),
        bob.room("doc:1"),
        AsyncPresenceServer(url, KEY) as calls,
    ):
        page = await calls.page("doc:1", limit=1)
        assert page.next_cursor is not None
        rest = await calls.page("doc:1", limit=1, cursor=page.next_cursor)
        assert {member.user_id for member in page.members + rest.members} == {"ada", "bob"}
        assert (page.epoch, page.seq) == (rest.epoch, rest.seq)


async def test_a_session_that_lives_by_http(server: Arena) -> None:
    url = base(server)
    async with AsyncPresence(url, "dev:ada") as ada, ada.watch(rooms=["r"]) as watch:
        async with AsyncHeartbeats(url, "dev:bob", platform="cron") as beats:
            first = await beats.beat(rooms=["r"])
            await eventually(lambda: watch.count("r") == 1)
            again = await beats.beat(rooms=["r"])
            assert (again.session_id, again.resumed) == (first.session_id, True)
        await eventually(lambda: watch.count("r") == 0)


async def test_the_blocking_forms_of_the_calls(server: Arena) -> None:
    def program() -> None:
        with PresenceServer(base(server), KEY) as calls, Heartbeats(base(server), "dev:bob") as beats:
            beats.beat(rooms=["r"])
            assert [member.user_id for member in calls.members("r")] == ["bob"]
            beats.leave()
            assert calls.count("r").count == 0

    await asyncio.to_thread(program)
    assert threads() == []


async def test_without_a_server_a_call_says_so() -> None:
    async with AsyncPresenceServer("http://127.0.0.1:9", "hk_any") as calls:
        with pytest.raises(ConnectionError, match="GET /v1/users/ada"):
            await calls.user("ada")
