"""The server: uvicorn with the WebSocket data plane, and the HTTP calls as an ASGI application."""

from __future__ import annotations

import asyncio
import socket

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hereabouts.errors import ConfigError
from hereabouts.gateway.door import Door
from hereabouts.gateway.websocket import bound_to

BACKLOG = 2_048
"""Connections that wait to be accepted: a whole room may come back at once."""


KEEP_ALIVE_SECONDS = 75
"""An HTTP connection that is idle for so long is closed. A proxy's own idle time must be less."""


class _Http(HttpToolsProtocol):
    """uvicorn's, but that it lets go of its parser, which holds it in a cycle, when it has done its part."""

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        self.parser = None  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.parser = None  # type: ignore[assignment]


class Server:
    """One listening port. Without a `door` it serves HTTP alone."""

    def __init__(self, app: ASGIApp, door: Door | None, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._config = uvicorn.Config(
            app,
            ws=bound_to(door) if door is not None else "none",
            http=_Http,
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=5,
        )
        self._server = uvicorn.Server(self._config)
        self._task: asyncio.Task[None] | None = None
        self._sockets: list[socket.socket] = []

    @property
    def port(self) -> int:
        """The port it listens on; useful where 0 was asked for. Only while it is started."""
        return int(self._sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen. Raises `ConfigError` for an address that cannot be had."""
        self._sockets = [_listening(self._host, self._port)]
        self._config.load()
        self._server.lifespan = self._config.lifespan_class(self._config)
        await self._server.startup(sockets=self._sockets)
        self._task = asyncio.create_task(self._server.main_loop())

    async def stop(self) -> None:
        """Stop listening and close what is left."""
        if self._task is None:
            return
        self._server.should_exit = True
        await self._task
        await self._server.shutdown(sockets=self._sockets)
        self._task = None


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
