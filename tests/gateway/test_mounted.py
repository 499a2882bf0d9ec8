"""Inside a FastAPI application it is the same presence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from hereabouts.mounting import asgi
from hereabouts.protocol.codes import SUBPROTOCOL
from hereabouts.settings import load


class Host:
    """A FastAPI application with Hereabouts at `/presence`, served by a plain uvicorn."""

    def __init__(self) -> None:
        flags: dict[str, Any] = {
            "journal": {"url": "none"},
            "server": {"drain_seconds": 0.2},
            "policy": {"default": {"preset": "test"}},
        }
        self.presence = asgi(load(None, flags, {}), is_dev=True)
        app = FastAPI(lifespan=self.presence.lifespan)
        app.mount("/presence", self.presence)
        app.add_api_route("/", lambda: {"own": True})
        self._server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws_ping_interval=None))
        self.port = 0

    async def start(self) -> None:
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup()
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.should_exit = True
        await self._server.shutdown()


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    host = Host()
    await host.start()
    yield host
    await host.stop()


async def enter(host: Host, user: str) -> ClientConnection:
    socket = await connect(f"ws://127.0.0.1:{host.port}/presence/v1/ws", subprotocols=[SUBPROTOCOL])  # type: ignore[list-item]
    await tell(socket, type="hello", v=1, token=f"dev:{user}")
    await expect(socket, "welcome")
    return socket


async def tell(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def expect(socket: ClientConnection, kind: str, within_seconds: float = 5) -> dict[str, Any]:
    async with asyncio.timeout(within_seconds):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            if message["type"] == kind:
                return message


async def test_two_clients_see_each_other_come_and_go(host: Host) -> None:
    ada, bob = await enter(host, "ada"), await enter(host, "bob")
    await tell(ada, type="join", id=1, room="doc:1")
    await expect(ada, "snapshot")
    await tell(bob, type="join", id=1, room="doc:1")
    delta = await expect(ada, "delta")
    assert [(change["event"], change["member"]["user_id"]) for change in delta["events"]] == [("join", "bob")]
    await tell(bob, type="bye")
    gone = await expect(ada, "delta")
    assert [(change["event"], change["cause"]) for change in gone["events"]] == [("leave", "leave")]
    await ada.close()


async def test_the_calls_and_the_applications_own_page_are_both_there(host: Host) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{host.port}") as http:
        assert (await http.get("/presence/readyz")).status_code == 200
        assert (await http.get("/presence/healthz")).status_code == 200
        assert (await http.get("/")).json() == {"own": True}


async def test_no_other_path_and_no_foreign_page_gets_a_connection(host: Host) -> None:
    for path, headers in [("/presence/ws", {}), ("/presence/v1/ws", {"Origin": "https://evil.example"})]:
        with pytest.raises(InvalidStatus) as caught:
            await connect(
                f"ws://127.0.0.1:{host.port}{path}",
                subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
                additional_headers=headers,
            )
        assert caught.value.response.status_code in (403, 404)


async def test_a_stopping_host_asks_its_clients_to_move(host: Host) -> None:
    ada = await enter(host, "ada")
    await host.presence.service.drain(asyncio.Event())
    await expect(ada, "reconnect")
    with pytest.raises(ConnectionClosed) as caught:
        await ada.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 4200
