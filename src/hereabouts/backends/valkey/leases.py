"""This node's lease in the store, renewed by a thread of its own: a busy event loop must not look like a dead node."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import redis
from redis.exceptions import NoScriptError

from hereabouts.backends.base import Peer, Roll
from hereabouts.backends.valkey.address import Address
from hereabouts.backends.valkey.client import ANSWER_SECONDS, close_blocking, connect_blocking
from hereabouts.backends.valkey.codec import owner_text
from hereabouts.backends.valkey.keys import Keys
from hereabouts.backends.valkey.scripts import RENEW
from hereabouts.engine.records import Owner

RENEWALS: Final = 4
"""How often a lease is renewed within its time. Source: `spec/semantics.md`, section 2."""


class Leases:
    """Renews, and tells the event loop what each renewal found; `None` where the store could not be reached."""

    def __init__(self, address: Address, keys: Keys, owner: Owner, lease_seconds: float) -> None:
        self._address = address
        self._key = keys.nodes
        self._owner = owner
        self._every_seconds = lease_seconds / RENEWALS
        self._client: Any = None
        self._wanted = threading.Event()
        self._is_stopped = False
        self._thread: threading.Thread | None = None
        self._awaited: list[asyncio.Future[Roll | None]] = []
        self._lease_ms = int(lease_seconds * 1000)
        self._last: Roll | None = None
        self._monotonic = time.monotonic
        self.registered = ""
        self.note = ""
        self.listeners: list[Callable[[Roll | None], None]] = []

    def start(self) -> None:
        """Renew from now on."""
        loop = asyncio.get_running_loop()
        self._client = connect_blocking(self._address, min(ANSWER_SECONDS, self._every_seconds))
        self._thread = threading.Thread(target=self._run, args=(loop,), name="node lease", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Renew no more. The lease runs out by itself."""
        self._is_stopped = True
        self._wanted.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            close_blocking(self._client)

    async def renew(self) -> Roll | None:
        """What a renewal finds that begins now."""
        future: asyncio.Future[Roll | None] = asyncio.get_running_loop().create_future()
        self._awaited.append(future)
        self._wanted.set()
        return await future

    def lives(self, owner: Owner) -> bool:
        """See `Peers.lives`."""
        return owner in self.others()

    def others(self) -> tuple[Owner, ...]:
        """See `Peers.others`."""
        last = self._last
        if last is None:
            return ()
        return tuple(peer.owner for peer in last.peers if peer.renewed_at + self._lease_ms > last.at)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._is_stopped:
            awaited, self._awaited = self._awaited, []
            roll = self._attempt()
            try:
                loop.call_soon_threadsafe(self._tell, roll, awaited)
            except RuntimeError:
                return  # the loop is closed: nobody is left to be told
            self._wanted.wait(self._every_seconds)
            self._wanted.clear()

    def _attempt(self) -> Roll | None:
        own = owner_text(self._owner)
        arguments = (1, self._key, own, self.registered, os.urandom(8).hex(), self.note)
        before = self._monotonic()
        try:
            try:
                answer = self._client.execute_command("EVALSHA", RENEW.digest, *arguments)
            except NoScriptError:
                answer = self._client.execute_command("EVAL", RENEW.text, *arguments)
            tick = (before + self._monotonic()) / 2
            return _roll(answer, own, tick, _histories(self._client))
        except Exception:  # the thread must live: a node whose lease nobody renews is dead to the others
            return None

    def _tell(self, roll: Roll | None, awaited: list[asyncio.Future[Roll | None]]) -> None:
        self._last = roll
        try:
            for listener in self.listeners:
                listener(roll)
        finally:
            for future in awaited:
                if not future.done():
                    future.set_result(roll)


def _histories(client: Any) -> str:
    """A name for what the masters hold. A replica that takes over, and a server that starts again, begin a history of
    their own (`master_replid`): what was not passed on or written down before is lost, and nobody says how much."""
    if isinstance(client, redis.RedisCluster):
        told = [client.info("replication", target_nodes=node) for node in client.get_primaries()]
    else:
        told = [client.info("replication")]
    names = sorted({each["master_replid"] for each in told})
    return hashlib.blake2b(" ".join(names).encode(), digest_size=8).hexdigest()


def _roll(answer: list[Any], own: str, tick: float, histories: str) -> Roll:
    at, before, flat = answer
    # What is no text, or no lease, is nobody's of ours, and blinds nobody.
    fields = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in _pairs(flat)}
    generation = f"{fields.pop('@generation')}.{histories}"
    fields.pop(own)
    peers = tuple(peer for name, value in fields.items() if (peer := _peer(name, value)) is not None)
    renewed_at = int(before.partition(b" ")[0]) if before else None
    return Roll(int(at), tick, generation, renewed_at, peers)


def _pairs(flat: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _peer(name: str, value: str) -> Peer | None:
    incarnation, _, node = name.partition(" ")
    renewed_at, registered, note = (*value.split(" ", 2), "", "")[:3]
    try:
        return Peer(Owner(node, int(incarnation)), int(renewed_at), registered, note)
    except ValueError:
        return None
