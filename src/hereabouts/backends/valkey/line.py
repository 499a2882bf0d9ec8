"""One subscribed connection to one server. It has a pulse: a channel of its own on which the node hears itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from hereabouts.backends.valkey.client import ANSWER_SECONDS, FAILURES, close, connect_server, place_of

PULSE_SECONDS: Final = 1.0
"""How often the node calls itself; after three calls unheard the connection is taken for deaf."""

PULSES_MOST: Final = 200_000
"""Names that are tried for one that falls to a server: enough for one that has a single slot of the 16,384."""

AT_ONCE: Final = 500
"""Channels that are asked for in one command."""


class Line:
    """To the server called `place`. What it raises is in `client.FAILURES`, or a `RuntimeError` of redis-py's."""

    def __init__(self, client: Any, place: str, canary: str) -> None:
        pulses = (f"{canary}:{n}" for n in range(PULSES_MOST))
        pulse = next((name for name in pulses if place_of(client, name) == place), None)
        if pulse is None:  # its slots went elsewhere since the places were read
            raise ConnectionError(f"{place} has no part of the channels any more")
        self.pulse = pulse
        self._client = connect_server(client, place)
        self._pubsub = self._client.pubsub()
        self._is_ours = self._client is not client
        self.heard_tick = asyncio.get_running_loop().time()

    async def open(self) -> None:
        """Connect, and hear the pulse."""
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._pubsub.ssubscribe(self.pulse)

    async def close(self) -> None:
        """Hang up."""
        try:
            await self._pubsub.aclose()
            if self._is_ours:
                await close(self._client)
        except (*FAILURES, RuntimeError):
            pass

    async def add(self, channels: Sequence[str]) -> None:
        """Ask for channels; each is confirmed by a message `ssubscribe`."""
        # A Cluster refuses a command whose channels are of several slots.
        most = 1 if self._is_ours else AT_ONCE
        for start in range(0, len(channels), most):
            await self._pubsub.ssubscribe(*channels[start : start + most])

    async def remove(self, *channels: str) -> None:
        """Ask for these no more, or for none at all."""
        await self._pubsub.sunsubscribe(*channels)

    async def hear(self) -> dict[str, Any] | None:
        """The next message, if one comes in time. Raises `ConnectionError` if the connection is deaf."""
        if asyncio.get_running_loop().time() - self.heard_tick >= 3 * PULSE_SECONDS:
            raise ConnectionError("connected and deaf")
        message: dict[str, Any] | None = await self._pubsub.get_message(timeout=PULSE_SECONDS)
        return message
