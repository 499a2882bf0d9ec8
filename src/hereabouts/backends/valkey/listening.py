"""The subscription: what the store publishes, heard on one connection that is replaced when it breaks or falls deaf.

A subscription can be connected and deaf: the store forgot it, or something between swallows what it says. So the node
publishes to itself, and takes a connection on which it does not hear itself for a broken one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from hereabouts.backends.valkey.client import ANSWER_SECONDS, FAILURES
from hereabouts.backends.valkey.store import Store
from hereabouts.errors import ConfigError, StoreUnavailable

CANARY_SECONDS: Final = 1.0
"""How often the node calls itself; after three calls unheard the connection is taken for deaf."""

TRY_SECONDS: Final = 0.2
"""How long to wait before the next attempt to connect."""


class Listening:
    """Hears channels. `heard` is given each message, `told` what other nodes say to this one.

    `broken` is called when some may have been missed.
    """

    def __init__(
        self,
        store: Store,
        canary: str,
        heard: Callable[[str, bytes], None],
        told: Callable[[bytes], None],
        broken: Callable[[], None],
    ) -> None:
        self._store = store
        self._canary = canary
        self._heard = heard
        self._told = told
        self._broken = broken
        self._channels: dict[str, asyncio.Future[None]] = {}
        self.line: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self._heard_tick = 0.0
        self.breaks = 0

    async def open(self) -> None:
        """Connect. Raises `ConfigError` where that fails."""
        try:
            await self._connect()
        except FAILURES as error:
            raise ConfigError(
                f"the store took commands, but no subscription: {error or type(error).__name__}"
            ) from None
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._call())]

    async def close(self) -> None:
        """Hear no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._hang_up()

    async def add(self, channel: str) -> None:
        """Hear this channel from now on. Raises `StoreUnavailable`; then it is heard when the store is back."""
        confirmed = self._channels.get(channel)
        if confirmed is None:
            confirmed = self._channels[channel] = asyncio.get_running_loop().create_future()
            await self._say([channel])
        done, _ = await asyncio.wait([confirmed], timeout=ANSWER_SECONDS)
        if not done:
            raise StoreUnavailable("the store did not confirm a subscription in time")

    async def remove(self, channel: str) -> None:
        """Hear it no more."""
        if self._channels.pop(channel, None) is None or self.line is None:
            return
        try:
            await (self.line.sunsubscribe if self._store.is_sharded else self.line.unsubscribe)(channel)
        except (*FAILURES, RuntimeError):
            self._fail()

    # The connection

    async def _connect(self) -> None:
        line = self._store.client.pubsub()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await (line.ssubscribe if self._store.is_sharded else line.subscribe)(self._canary)
        except BaseException:
            await line.aclose()
            raise
        self.line = line
        self._heard_tick = asyncio.get_running_loop().time()
        for channel, future in self._channels.items():
            if future.done():
                self._channels[channel] = asyncio.get_running_loop().create_future()
        await self._say(list(self._channels))

    async def _say(self, channels: Iterable[str]) -> None:
        wanted = list(channels)
        line = self.line
        if not wanted or line is None:
            return
        try:
            for start in range(0, len(wanted), 500):
                some = wanted[start : start + 500]
                await (line.ssubscribe if self._store.is_sharded else line.subscribe)(*some)
        except (*FAILURES, RuntimeError):
            self._fail()

    def _fail(self) -> None:
        """Let the listening task notice that the connection is of no more use."""
        self._heard_tick = 0.0

    async def _hang_up(self) -> None:
        line, self.line = self.line, None
        if line is not None:
            try:
                await line.aclose()
            except (*FAILURES, RuntimeError):
                pass

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except (*FAILURES, RuntimeError, AttributeError):
                pass
            self.breaks += 1
            await self._hang_up()
            await self._reconnect()

    async def _reconnect(self) -> None:
        while True:
            try:
                await self._connect()
                break
            except FAILURES:
                self._store.lost()
                await asyncio.sleep(TRY_SECONDS)
        self._broken()

    async def _hear(self) -> None:
        line = self.line
        while asyncio.get_running_loop().time() - self._heard_tick < 3 * CANARY_SECONDS:
            message = await line.get_message(timeout=CANARY_SECONDS)
            if message is not None:
                self._take(message["type"], message["channel"].decode(), message["data"])

    def _take(self, kind: str, channel: str, data: Any) -> None:
        if kind in ("message", "smessage"):
            if channel == self._canary:
                self._heard_tick = asyncio.get_running_loop().time()
                if data:
                    self._told(data)
            else:
                self._heard(channel, data)
        elif kind in ("subscribe", "ssubscribe"):
            confirmed = self._channels.get(channel)
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)

    async def _call(self) -> None:
        publish = "SPUBLISH" if self._store.is_sharded else "PUBLISH"
        while True:
            try:
                await self._store.call(publish, self._canary, b"")
            except StoreUnavailable:
                pass
            await asyncio.sleep(CANARY_SECONDS)
