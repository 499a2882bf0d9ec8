"""The connection to Valkey or Redis: one address, calls that gather in one turn and go out together, and its health.

Every failure to reach the store becomes `StoreUnavailable`; what the store itself refuses (another type under our
key, no memory, read-only, no rights) becomes one too, with its words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import AskError, NoScriptError, ResponseError, TryAgainError

from hereabouts.backends.valkey.address import Address
from hereabouts.backends.valkey.client import ANSWER_SECONDS, FAILURES, close, connect
from hereabouts.backends.valkey.scripts import ALL, Script, published
from hereabouts.errors import ConfigError, StoreUnavailable
from hereabouts.tasks import end

PROBE_SECONDS: Final = 0.25
"""How often a store that is out of reach is tried again."""

BATCH_MOST: Final = 256
"""Calls that go out together; more wait for the next turn, so that no answer grows long."""

VERSION_LEAST: Final = 7
"""Of Redis, and of what Valkey says it can do like it: the first with sharded channels."""

Argument = str | bytes | int


class Store:
    """Calls are batched: whatever is asked in one turn of the event loop is one round trip."""

    def __init__(self, address: Address, connect: Callable[[Address], Any] = connect) -> None:
        self._address = address
        self._connect = connect
        self.client: Any = None
        self.is_cluster = address.is_cluster
        self.is_healthy = True
        self.calls = 0
        self._waiting: list[tuple[tuple[Argument, ...], asyncio.Future[Any]]] = []
        self._sender: asyncio.Task[None] | None = None
        self._probe: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[bool], None]] = []

    async def open(self) -> None:
        """Connect and load the scripts. Raises `ConfigError` for a store that can never serve, or is not there."""
        self.client = self._connect(self._address)
        try:
            for name, info in (await self.servers()).items():
                check_version(name, info)
            await self._load()
        except ConfigError:
            await self.close()
            raise
        except FAILURES as error:
            await self.close()
            raise ConfigError(f"backend.url {self._address.shown}: {_words(error)}") from None

    async def close(self) -> None:
        """Let go."""
        await end(task for task in (self._sender, self._probe) if task is not None)
        self._sender = self._probe = None
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(StoreUnavailable("the store was closed"))
        self._waiting = []
        client, self.client = self.client, None
        if client is not None:
            await close(client)

    def on_health(self, listener: Callable[[bool], None]) -> None:
        """Call `listener` whenever the store goes out of reach, and when it is back."""
        self._listeners.append(listener)

    async def run(self, script: Script, key: str, *arguments: Argument) -> Any:
        """Run a script on one key. The store may have forgotten it (a restart): then it is told again."""
        try:
            return await self.call("EVALSHA", script.digest, 1, key, *arguments)
        except NoScriptError:
            return await self.call("EVAL", script.text, 1, key, *arguments)

    async def call(self, *command: Argument) -> Any:
        """One command, in the order of asking. Raises `StoreUnavailable`."""
        return await self.asked(*command)

    def asked(self, *command: Argument) -> asyncio.Future[Any]:
        """The same, not waited for yet: calls asked in one turn stay in order and share a round trip."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.client is None:
            future.set_exception(StoreUnavailable("the store is not open"))
            return future
        self._waiting.append((command, future))
        if self._sender is None:
            self._sender = asyncio.get_running_loop().create_task(self._send())
        return future

    async def _send(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH_MOST], self._waiting[BATCH_MOST:]
                self.calls += len(batch)
                await self._exchange(batch)
        except asyncio.CancelledError:
            self._waiting = [*batch, *self._waiting]  # `close` answers them
            raise
        finally:
            self._sender = None

    async def _exchange(self, batch: Sequence[tuple[tuple[Argument, ...], asyncio.Future[Any]]]) -> None:
        try:
            answers = await self._answers([command for command, _ in batch])
        except Exception as error:  # whatever it was, those who wait must hear of it
            answers = [error] * len(batch)
        if any(isinstance(answer, Exception) and not is_of_one_key(answer) for answer in answers):
            self.lost()
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, NoScriptError):
                future.set_exception(answer)
            elif isinstance(answer, BaseException):
                future.set_exception(StoreUnavailable(_words(answer)))
            else:
                future.set_result(answer)

    async def _answers(self, commands: list[tuple[Argument, ...]]) -> list[Any]:
        pipeline = self.client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        async with asyncio.timeout(ANSWER_SECONDS):
            if not self.is_cluster:
                return list(await pipeline.execute(raise_on_error=False))
            answers = await pipeline.execute(raise_on_error=False, allow_redirections=False)
            return [await self._final(*pair) for pair in zip(commands, answers, strict=True)]

    async def _final(self, command: tuple[Argument, ...], answer: Any) -> Any:
        """The answer, from another server of the Cluster where the first one names it."""
        if not isinstance(answer, AskError | TryAgainError):
            return answer
        try:
            final = await self.client.execute_command(*command)
            step = published(command, final) if type(answer) is AskError else None
            if step is not None:
                # A slot moves key by key, and who listens does so where the slot still is.
                await self.client.execute_command("SPUBLISH", command[3], step)
        except FAILURES as error:
            return error
        return final

    # Health

    def lost(self) -> None:
        """The store is out of reach: say so, and try until it is back."""
        if self._probe is None:
            self._probe = asyncio.get_running_loop().create_task(self._until_back())
            self._tell(False)

    async def _until_back(self) -> None:
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._load()
            except Exception:  # whatever it was, nobody else would try again
                continue
            self._probe = None
            self._tell(True)
            return

    def _tell(self, healthy: bool) -> None:
        self.is_healthy = healthy
        for listener in self._listeners:
            listener(healthy)

    async def _load(self) -> None:
        for script in ALL:
            await self.client.script_load(script.text)

    async def servers(self) -> dict[str, dict[str, Any]]:
        """What each master says of itself (`INFO`), by its name."""
        if not self.is_cluster:
            return {self._address.shown: await self.client.info()}
        await self.client.initialize()
        return {node.name: await self.client.info(target_nodes=node) for node in self.client.get_primaries()}


def check_version(name: str, info: Mapping[str, Any]) -> None:
    """Raise `ConfigError` for a server that is too old."""
    version = str(info["redis_version"])
    if int(version.partition(".")[0]) < VERSION_LEAST:
        raise ConfigError(f"{name} is version {version}; Valkey, or Redis {VERSION_LEAST} or newer, is needed")


def is_of_one_key(answer: Exception) -> bool:
    """Whether the refusal says nothing of other keys: another type under this one, a script that is not there.

    No memory, read-only, no rights, a server of a Cluster that is down: each has a class or a word of its own.
    """
    return type(answer) in (NoScriptError, ResponseError) and not str(answer).startswith(("MISCONF", "NOREPLICAS"))


def _words(error: BaseException) -> str:
    if isinstance(error, MasterNotFoundError):  # its own text shows the inside of every connection
        return "no Sentinel named there answers and knows a master of that name"
    return str(error) or type(error).__name__
