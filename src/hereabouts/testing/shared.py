"""A live store that several simulated nodes share: the Valkey backend as it is, over a toy Valkey and a bad network.

Between the two stands a `Line` a node, which can be slow, cut, deaf or lossy. The thread that renews a lease is a task.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from random import Random
from typing import Any

from redis.exceptions import ConnectionError as Broken

from hereabouts.backends.valkey.backend import ValkeyBackend
from hereabouts.backends.valkey.leases import Leases
from hereabouts.engine.records import Owner
from hereabouts.testing.toy_valkey import Argument, ToyValkey
from hereabouts.testing.virtual_time import Gate


class Line:
    """How one node process reaches the store, and its two threads: `turns` of the event loop, `renewals` of the lease.

    `loss` is the share of published steps that never come, which only a connection that breaks afterwards may have.
    While it `reorders`, published steps overtake each other; while it is `deaf`, none comes, and nobody says so.
    """

    def __init__(self, engine: ToyValkey, random: Random, delay_seconds: float = 0.0) -> None:
        self.engine = engine
        self.random = random
        self.delay_seconds = delay_seconds
        self.turns = Gate()
        self.renewals = Gate()
        self.network = copy_context()  # what is under way arrives, whatever befalls who sent it
        self.is_cut = False
        self.is_silent = False
        self.is_deaf = False
        self.reorders = False
        self.loss = 0.0
        self.subscriptions: list[Subscription] = []

    def delay(self) -> float:
        """How long the next word takes, in seconds."""
        return self.random.uniform(0.0, self.delay_seconds) if self.delay_seconds else 0.0

    async def passes(self) -> None:
        """A word goes from one end to the other. Raises where it does not arrive, or says nothing for ever."""
        await asyncio.sleep(self.delay())
        await self.stands()

    async def stands(self) -> None:
        """Raises where the line is cut, or says nothing for ever."""
        if self.is_cut:
            await asyncio.sleep(3600 if self.is_silent else 0)
            raise Broken("the line is cut")

    def cut(self, is_silent: bool = False) -> None:
        """Nothing comes through from now on; a `silent` cut shows only by answers that do not come."""
        self.is_cut, self.is_silent = True, is_silent
        if not is_silent:
            self.hang_up()

    def mend(self) -> None:
        """Everything comes through again; subscriptions have to be made anew, for what was said is lost."""
        self.is_cut = self.is_silent = self.is_deaf = self.reorders = False
        self.loss = 0.0
        self.hang_up()

    def hang_up(self) -> None:
        """Every subscription breaks."""
        for subscription in tuple(self.subscriptions):
            subscription.hang_up()


class Subscription:
    """As redis-py's `PubSub`; also a `Listener` of the toy."""

    def __init__(self, line: Line) -> None:
        self.channels: set[bytes] = set()
        self._line = line
        self._arriving: list[dict[str, Any] | None] = []
        self._arrived: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._last_tick = 0.0
        line.subscriptions.append(self)
        line.engine.listeners.append(self)

    async def ssubscribe(self, *channels: str) -> None:
        """Hear channels; each is confirmed among the messages. The first one is the connection's beginning."""
        line = self._line
        await asyncio.sleep(line.delay())
        if line.is_silent and self.channels:
            return  # it was written, and is lost
        await line.stands()
        self.channels.update(channel.encode() for channel in channels)
        for channel in channels:
            self._send({"type": "ssubscribe", "channel": channel.encode(), "data": 1})

    async def sunsubscribe(self, channel: str) -> None:
        """Hear it no more."""
        self.channels.discard(channel.encode())

    def deliver(self, channel: bytes, data: bytes) -> None:
        """See `Listener.deliver`."""
        line = self._line
        if not (line.is_cut or line.is_deaf) and line.random.random() >= line.loss:
            self._send({"type": "smessage", "channel": channel, "data": data})

    def _send(self, message: dict[str, Any] | None) -> None:
        loop = asyncio.get_running_loop()
        self._last_tick = max(self._last_tick, loop.time() + self._line.delay())
        self._arriving.append(message)
        loop.call_at(self._last_tick, self._arrive, context=self._line.network)

    def _arrive(self) -> None:
        first = self._line.random.randrange(len(self._arriving)) if self._line.reorders else 0
        self._arrived.put_nowait(self._arriving.pop(first))

    async def get_message(self, timeout: float) -> dict[str, Any] | None:
        """The next message, or none in time. Raises when the connection is gone."""
        try:
            async with asyncio.timeout(timeout):
                message = await self._arrived.get()
        except TimeoutError:
            return None
        if message is None:
            raise Broken("the connection is gone")
        return message

    def hang_up(self) -> None:
        """The connection ends."""
        if self in self._line.subscriptions:
            self._line.subscriptions.remove(self)
            self._line.engine.listeners.remove(self)
            self._send(None)

    async def aclose(self) -> None:
        """Let go."""
        self.hang_up()


class Pipeline:
    """As redis-py's: commands that go out together."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._commands: list[tuple[Any, ...]] = []

    def execute_command(self, *command: Argument) -> None:
        """Add one."""
        self._commands.append(command)

    async def execute(self, raise_on_error: bool) -> list[Any]:
        """Send them. Where the line is cut meanwhile, they may have been done all the same."""
        await self._line.passes()
        answers = [self._line.engine.execute(*command) for command in self._commands]
        await self._line.passes()
        return answers


class Client:
    """As redis-py's client."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def pipeline(self, transaction: bool) -> Pipeline:
        """Commands that go out together."""
        return Pipeline(self._line)

    def pubsub(self) -> Subscription:
        """A connection that hears."""
        return Subscription(self._line)

    async def script_load(self, script: str) -> None:
        """The toy knows its scripts."""
        await self._line.passes()

    async def info(self) -> dict[str, str]:
        """What the store says of itself."""
        return self._line.engine.info()

    async def aclose(self) -> None:
        """Let go."""


class BlockingClient:
    """What renews the lease. Its answer is there at once, for a task cannot wait as a thread does."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def execute_command(self, *command: Any) -> Any:
        """Do a command. Raises where the line is cut."""
        if self._line.is_cut:
            raise Broken("the line is cut")
        return self._line.engine.execute(*command)

    def info(self, section: str) -> dict[str, str]:
        """What the store says of itself."""
        return self._line.engine.info()


class TaskLeases(Leases):
    """`Leases` with a task in the place of the thread; it has turns of its own, as the thread has."""

    line: Line

    def start(self) -> None:
        """See `Leases.start`."""
        self._client = BlockingClient(self.line)
        self._monotonic = asyncio.get_running_loop().time
        self._wanted: Any = asyncio.Event()
        self._task = self.line.renewals.start(self._renewing())

    async def stop(self) -> None:
        """See `Leases.stop`."""
        self._task.cancel()

    async def _renewing(self) -> None:
        while True:
            awaited, self._awaited = self._awaited, []
            await asyncio.sleep(self.line.delay())
            roll = self._attempt()
            await asyncio.sleep(self.line.delay())
            self.line.turns.run(self._tell, roll, awaited)
            try:
                async with asyncio.timeout(self._every_seconds):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()


class SharedBackend(ValkeyBackend):
    """One node's handle on the store."""

    def __init__(self, line: Line, owner: Owner, lease_seconds: float = 15) -> None:
        super().__init__(
            "valkey://toy", owner, lease_seconds=lease_seconds, connect=lambda _: Client(line), leases=TaskLeases
        )
        assert isinstance(self._leases, TaskLeases)
        self._leases.line = line
