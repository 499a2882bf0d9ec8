"""The server: uvicorn with the WebSocket data plane, and the HTTP calls as an ASGI application."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Final

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
            backlog=BACKLOG,
        )
        self._server = uvicorn.Server(self._config)
        self._task: asyncio.Task[None] | None = None
        self._sockets: list[socket.socket] = []

    @property
    def port(self) -> int:
        """The port it is bound to; useful where 0 was asked for. Only after `bind` or `start`."""
        return int(self._sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Where it is found, as `port` knows it."""
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self.port}"

    def bind(self) -> None:
        """Take the address; nobody can connect yet. Raises `ConfigError` for one that cannot be had.

        Who does this before anything is opened takes no session from the process that has the address already.
        """
        self._sockets = [bound(self._host, self._port)]

    async def start(self) -> None:
        """Listen, at the address that was bound, or else binds it. Raises `ConfigError` as `bind` does."""
        if not self._sockets:
            self.bind()
        self._config.load()
        self._server.lifespan = self._config.lifespan_class(self._config)
        try:
            await self._server.startup(sockets=self._sockets)
        except OSError as error:  # another program that was bound as well listened first
            self._sockets[0].close()
            raise _refused(self._host, self._port, error) from None
        self._task = asyncio.create_task(self._server.main_loop())

    async def stop(self) -> None:
        """Stop listening and close what is left."""
        if self._task is None:
            return
        self._server.should_exit = True
        await self._task
        await self._server.shutdown(sockets=self._sockets)
        self._task = None


def bound(host: str, port: int) -> socket.socket:
    """A socket at an address, which does not listen yet. Raises `ConfigError` with what would be right."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        taken = socket.socket(family, socket.SOCK_STREAM)
        try:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            taken.bind(address)
        except OSError:
            taken.close()
            raise
    except OSError as error:
        raise _refused(host, port, error) from None
    return taken


def _refused(host: str, port: int, error: OSError) -> ConfigError:
    text = f"cannot listen on {host}:{port}: {error.strerror or error}"
    return ConfigError(f"{text}{_REMEDIES.get(error.errno or 0, '')}")


_REMEDIES: Final = {
    errno.EADDRINUSE: "; stop what has this port, or take another: --port, server.port or server.internal_port",
    errno.EACCES: "; ports below 1024 need a right: take a port above, with a proxy in front",
    errno.EADDRNOTAVAIL: "; take an address of this machine, 127.0.0.1 for itself alone or 0.0.0.0 for all",
}
