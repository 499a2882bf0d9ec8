"""Two programs that want one port."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette

from hereabouts.errors import ConfigError
from hereabouts.gateway.server import Server
from hereabouts.testing.process import free_port


async def test_of_two_that_took_a_port_at_once_the_second_is_told() -> None:
    port = free_port()
    first, second = (Server(Starlette(), None, "127.0.0.1", port) for _ in range(2))
    for server in (first, second):
        server.bind()
    await first.start()
    try:
        with pytest.raises(ConfigError, match="stop what has this port"):
            await second.start()
    finally:
        await first.stop()
