"""Questions from one node to another, over the channel on which each node hears itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from hereabouts.backends.valkey.keys import Keys
from hereabouts.backends.valkey.store import Store
from hereabouts.engine.records import Owner
from hereabouts.errors import StoreUnavailable
from hereabouts.tasks import Tasks

ASK_SECONDS: Final = 1.0
"""How long a node may take for its answer."""


class _Said(Struct, frozen=True, array_like=True):
    kind: Literal["asked", "answered"]
    number: int
    by: Owner
    payload: Raw


_said = msgspec.json.Decoder(_Said)


class Asking:
    """Asks other nodes, and answers them. Payloads are JSON."""

    def __init__(self, store: Store, keys: Keys, owner: Owner) -> None:
        self._store = store
        self._keys = keys
        self._owner = owner
        self._number = 0
        self._awaited: dict[int, asyncio.Future[bytes]] = {}
        self._tasks = Tasks()
        self.answer: Callable[[bytes], Awaitable[bytes]] | None = None

    async def ask(self, owner: Owner, question: bytes) -> bytes | None:
        """See `Peers.ask`."""
        self._number += 1
        number = self._number
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._awaited[number] = future
        try:
            async with asyncio.timeout(ASK_SECONDS):
                if not await self._say(owner, "asked", number, question):
                    return None  # nobody is there to hear it
                return await future
        except TimeoutError:
            return None
        finally:
            del self._awaited[number]

    async def close(self) -> None:
        """Answer nobody any more."""
        await self._tasks.end()

    def heard(self, message: bytes) -> None:
        """A word of another node came."""
        try:
            said = _said.decode(message)
        except ValueError:
            return  # no node said it, or one of a version that speaks otherwise: it is not answered in time
        if said.kind == "answered":
            future = self._awaited.get(said.number)
            if future is not None and not future.done():
                future.set_result(bytes(said.payload))
        elif self.answer is not None:
            self._tasks.do(self._reply(said))

    async def _reply(self, said: _Said) -> None:
        assert self.answer is not None
        try:
            await self._say(said.by, "answered", said.number, await self.answer(bytes(said.payload)))
        except StoreUnavailable:
            pass  # who asked does not wait for long

    async def _say(self, to: Owner, kind: Literal["asked", "answered"], number: int, payload: bytes) -> bool:
        said = _Said(kind, number, self._owner, Raw(payload))
        return bool(await self._store.call("SPUBLISH", self._keys.canary(to), msgspec.json.encode(said)))
