"""The subscriptions: what the store publishes, heard on one connection to each server that has channels.

They are replaced together when one breaks or falls deaf. A subscription can be connected and deaf: the store forgot
it, or something between swallows what it says. So the node publishes to itself on each, and takes a connection on which
it does not hear itself for a broken one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from hereabouts.backends.valkey.client import ANSWER_SECONDS, FAILURES, place_of, places
from hereabouts.backends.valkey.line import PULSE_SECONDS, Line
from hereabouts.backends.valkey.store import Store
from hereabouts.errors import ConfigError, StoreUnavailable
from hereabouts.tasks import Tasks, end

TRY_SECONDS: Final = 0.2
"""How long to wait before the next attempt to connect."""


class Listening:
    """Hears channels. `heard` is given each message, `told` what other nodes say to this one.

    `broken` is called when some may have been missed: with the channel, or with `None` for any of all.
    """

    def __init__(
        self,
        store: Store,
        canary: str,
        heard: Callable[[str, bytes], None],
        told: Callable[[bytes], None],
        broken: Callable[[str | None], None],
    ) -> None:
        self._store = store
        self._canary = canary
        self._heard = heard
        self._told = told
        self._broken = broken
        self._channels: dict[str, asyncio.Future[None]] = {}
        self.lines: dict[str, Line] = {}
        self._tasks = Tasks()
        self.breaks = 0

    async def open(self) -> None:
        """Connect. Raises `ConfigError` where that fails."""
        self._channels[self._canary] = asyncio.get_running_loop().create_future()
        try:
            await self._connect()
        except FAILURES as error:
            raise ConfigError(
                f"the store took commands, but no subscription: {error or type(error).__name__}"
            ) from None
        self._tasks.do(self._listen())
        self._tasks.do(self._call())

    async def close(self) -> None:
        """Hear no more."""
        await self._tasks.end()
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
        if self._channels.pop(channel, None) is None or not self.lines:
            return
        try:
            await self._line_of(channel).remove(channel)
        except (*FAILURES, RuntimeError, KeyError):
            self._fail()

    # The connections

    async def _connect(self) -> None:
        lines: dict[str, Line] = {}
        try:
            for place in await places(self._store.client):
                line = lines[place] = Line(self._store.client, place, self._canary)
                await line.open()
        except BaseException:
            await _close(lines)
            raise
        self.lines = lines
        for channel, future in self._channels.items():
            if future.done():
                self._channels[channel] = asyncio.get_running_loop().create_future()
        await self._say(self._channels)

    def _line_of(self, channel: str) -> Line:
        return self.lines[place_of(self._store.client, channel)]

    async def _say(self, channels: Iterable[str]) -> None:
        if not self.lines:
            return
        try:
            by_line: dict[Line, list[str]] = {}
            for channel in channels:
                by_line.setdefault(self._line_of(channel), []).append(channel)
            for line, wanted in by_line.items():
                await line.add(wanted)
        except (*FAILURES, RuntimeError, KeyError):
            self._fail()

    def _fail(self) -> None:
        """Let the listening task notice that the connections are of no more use."""
        for line in self.lines.values():
            line.heard_tick = 0.0

    async def _hang_up(self) -> None:
        lines, self.lines = self.lines, {}
        await _close(lines)

    async def _listen(self) -> None:
        while True:
            await self._hear_all()
            self.breaks += 1
            await self._hang_up()
            await self._reconnect()

    async def _reconnect(self) -> None:
        while True:
            try:
                await self._connect()
                break
            except Exception:  # whatever it was, nobody else would try again, and the node would be deaf
                self._store.lost()
                await asyncio.sleep(TRY_SECONDS)
        self._broken(None)

    async def _hear_all(self) -> None:
        """Until one of them fails. A task group would lose a cancellation that comes together with a failure."""
        hearing = [asyncio.create_task(self._hear(line)) for line in self.lines.values()]
        try:
            await asyncio.wait(hearing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(hearing)

    async def _hear(self, line: Line) -> None:
        while True:
            message = await line.hear()
            if message is not None:
                self._take(line, message["type"], message["channel"].decode(), message["data"])

    def _take(self, line: Line, kind: str, channel: str, data: Any) -> None:
        if kind == "smessage":
            if channel == line.pulse:
                line.heard_tick = asyncio.get_running_loop().time()
            elif channel == self._canary:
                self._told(data)
            else:
                self._heard(channel, data)
        elif kind == "ssubscribe":
            confirmed = self._channels.get(channel)
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)
        elif kind == "sunsubscribe":
            if channel == line.pulse:
                self._fail()
            elif channel in self._channels:
                self._tasks.do(self._follow(channel))

    async def _follow(self, channel: str) -> None:
        """A channel that is wanted was ended by the server: its slot is another's now, or it forgot."""
        confirmed = self._channels.get(channel)
        if confirmed is None or not confirmed.done():
            return  # it was let go of, and may be asked for again; that answer comes next
        self._channels[channel] = asyncio.get_running_loop().create_future()
        try:
            await self._store.call("EXISTS", channel)  # is answered with MOVED, from which the client learns
            await self._say([channel])
            await self.add(channel)
            self._broken(channel)
        except StoreUnavailable:
            self._fail()

    async def _call(self) -> None:
        while True:
            for line in tuple(self.lines.values()):
                # Where it fails nothing is heard, which is what counts.
                self._store.asked("SPUBLISH", line.pulse, b"").add_done_callback(asyncio.Future.exception)
            await asyncio.sleep(PULSE_SECONDS)


async def _close(lines: dict[str, Line]) -> None:
    for line in lines.values():
        await line.close()
