"""Hereabouts inside somebody's ASGI application: `app.mount("/presence", hereabouts.asgi("hereabouts.toml"))`.

The same calls and the same behaviour as `hereabouts serve`; WebSockets go through the host server, which costs more a
frame. The host runs as one process: two workers would be two nodes that do not know of each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.types import Receive, Scope, Send

from hereabouts.errors import ConfigError
from hereabouts.gateway.asgi import AsgiDoor
from hereabouts.serving import Serving
from hereabouts.settings import Settings, load


class Mounted:
    """An ASGI application. It opens with the host's `lifespan`, else with the first request."""

    def __init__(self, settings: Settings, *, is_dev: bool = False) -> None:
        self.service = Serving(settings, is_dev=is_dev)
        self._door = AsgiDoor(self.service.door)
        self._opening = asyncio.Lock()
        self._is_open = False

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:
        """Opens, and at the end drains, hands over and closes. For `FastAPI(lifespan=presence.lifespan)`."""
        await self._open()
        try:
            yield
        finally:
            self._is_open = False
            await self.service.drain(asyncio.Event())
            await self.service.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, connection or lifespan of the host."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        await self._open()
        app = self._door if scope["type"] == "websocket" else self.service.app
        await app(scope, receive, send)

    async def _open(self) -> None:
        if self._is_open:
            return
        async with self._opening:
            if not self._is_open:
                await self.service.open()
                self._is_open = True

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._open()
        except ConfigError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._is_open = False
        await self.service.drain(asyncio.Event())
        await self.service.close()
        await send({"type": "lifespan.shutdown.complete"})


def asgi(config: str | Path | Settings | None = None, *, is_dev: bool = False) -> Mounted:
    """Hereabouts as an ASGI application. `config` is the path of a TOML file, or settings that were loaded.

    Raises `ConfigError` for settings that cannot be served. `is_dev` takes `dev:` tokens from whoever comes from
    this machine.
    """
    settings = config if isinstance(config, Settings) else load(Path(config) if config is not None else None)
    return Mounted(settings, is_dev=is_dev)
