"""A server in this process, on a free port, with the clocks of the test profile; and clients of it.

async def test_something(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hereabouts.testing.arena import Arena


@pytest.fixture
async def arena() -> AsyncIterator[Arena]:
    """The server with its defaults, and its clients. At the end every frame of every client has kept the rules."""
    async with Arena() as arena:
        yield arena
