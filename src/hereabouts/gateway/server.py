"""The server: uvicorn with the WebSocket data plane, and the HTTP calls as an ASGI application."""

from __future__ import annotations

import asyncio
import socket

import uvicorn
from starlette.types import ASGIApp

from hereabouts.gateway.door import Door
from hereabouts.gateway.websocket import bound_to


class Server:
    """One listening port."""

    def __init__(self, app: ASGIApp, door: Door, host: str, port: int, *, is_fast: bool = True) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            ws=bound_to(door),
            http="httptools",
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
        )
        self._server = uvicorn.Server(config)
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._config = config
        self._task: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port it listens on; useful where 0 was asked for."""
        assert self._socket is not None
        return int(self._socket.getsockname()[1])

    async def start(self) -> None:
        """Listen."""
        self._socket = self._config.bind_socket()
        self._task = asyncio.create_task(self._serve())
        while not self._server.started:
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.005)

    async def _serve(self) -> None:
        assert self._socket is not None
        await self._server._serve([self._socket])

    async def stop(self) -> None:
        """Stop listening and close what is left."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
