"""The Python client through a token's end and a server's restart."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from hereabouts.client import AsyncPresence, Joined, Left, TokenRefused
from hereabouts.client.world import Socket, World, open_socket
from hereabouts.testing.arena import Arena
from hereabouts.testing.issuer import SECRET, Issuer
from hereabouts.testing.waiting import eventually, never

AUTH = {"secret": SECRET, "algorithms": ["HS256"]}
ISSUER = Issuer("HS256", None)


def token(lives_seconds: int) -> str:
    return ISSUER.sign({"sub": "ada", "exp": int(time.time()) + lives_seconds, "rooms": {"*": ["join", "watch"]}})


def is_connected(client: AsyncPresence) -> bool:
    return client.connection == "connected"


async def test_a_token_is_renewed_without_a_bounce() -> None:
    given: list[str] = []
    opened: list[str] = []

    async def connect(url: str) -> Socket:
        opened.append(url)
        return await open_socket(url)

    async def fetch() -> str:
        given.append(token(4))
        return given[-1]

    async with (
        Arena({"auth": AUTH}) as arena,
        AsyncPresence(arena.url, fetch, world=World(connect=connect)) as ada,
        ada.room("r") as room,
    ):
        await never(lambda: not is_connected(ada) or room.is_stale, during=7)
        assert len(given) >= 2
        assert opened == [arena.url]


async def test_a_token_that_runs_out_for_good_ends_the_session() -> None:
    async with Arena({"auth": AUTH}) as arena, AsyncPresence(arena.url, token(2)) as ada, ada.room("r") as room:
        with pytest.raises(TokenRefused):
            async with asyncio.timeout(10):
                async for _ in room.events():
                    pass
        assert not is_connected(ada)


async def test_a_restart_of_the_server_flickers_nothing(tmp_path: Path) -> None:
    settings = {"journal": {"url": f"sqlite:///{tmp_path}/journal.db"}, "server": {"drain_seconds": 0.2}}
    running = first = Arena(settings)

    async def connect(_: str) -> Socket:
        return await open_socket(running.url)

    await first.__aenter__()
    world = World(connect=connect)
    async with (
        AsyncPresence(first.url, "dev:ada", world=world) as ada,
        AsyncPresence(first.url, "dev:bob", world=world) as bob,
        ada.room("r") as room,
        bob.room("r", state={"n": 1}),
    ):
        await eventually(lambda: room.count == 2)
        events, sessions = room.events(), (ada.session_id, bob.session_id)
        await first.serving.drain(asyncio.Event())
        await eventually(lambda: not is_connected(ada) and not is_connected(bob))
        await first.__aexit__(None, None, None)
        async with Arena(settings) as second:
            running = second
            await eventually(lambda: is_connected(ada) and is_connected(bob), within=15)
            assert (ada.session_id, bob.session_id) == sessions
            await never(lambda: room.count != 2, during=1)
            assert [member.state for member in room.members if not member.is_self] == [{"n": 1}]
            await room.leave()
            seen = [event async for event in events]
            assert [event for event in seen if isinstance(event, Joined | Left)] == []
            await ada.close()
            await bob.close()
