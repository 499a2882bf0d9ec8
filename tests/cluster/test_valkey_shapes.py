"""The same over a Cluster, and over a master that Sentinel replaces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest
from redis.crc import key_slot

from hereabouts.backends.base import Backend
from hereabouts.backends.valkey.backend import ValkeyBackend
from hereabouts.engine.records import Owner, Put
from hereabouts.errors import StoreUnavailable
from hereabouts.testing.backend_contract import ELSEWHERE, HERE, ROOM, BackendContract, record
from hereabouts.testing.mirror import follow
from hereabouts.testing.valkey import ValkeyCluster, valkey_cluster, valkey_sentinel
from hereabouts.testing.waiting import eventually, pause


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    """A Cluster of three."""
    with valkey_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


class TestValkeyCluster(BackendContract):
    prefixes = count()

    @pytest.fixture(autouse=True)
    def _engine(self, cluster: ValkeyCluster) -> None:
        self._url = cluster.url

    def backend(self) -> Backend:
        return ValkeyBackend(self._url, HERE, prefix=f"t{next(self.prefixes)}")

    def test_any_history(self) -> None:
        """What is decided is decided by the same scripts, which a single server has shown at length."""


@asynccontextmanager
async def opened(cluster: ValkeyCluster, owner: Owner) -> AsyncIterator[ValkeyBackend]:
    backend = ValkeyBackend(cluster.url, owner, prefix="moves")
    await backend.open()
    try:
        yield backend
    finally:
        await backend.close()


async def test_a_slot_moves_under_a_room_that_is_followed(cluster: ValkeyCluster) -> None:
    async with opened(cluster, HERE) as hearing, opened(cluster, ELSEWHERE) as speaking:
        await _move(cluster, hearing, speaking)


async def _move(cluster: ValkeyCluster, hearing: ValkeyBackend, speaking: ValkeyBackend) -> None:
    mirror = await follow(hearing, ROOM)

    async def shows(n: int) -> None:
        done = await speaking.commit(ROOM, Put(record("s1", owner=ELSEWHERE, seen_at=n)))
        await eventually(lambda: mirror.position == done.position)

    key = hearing.keys.feed(ROOM)
    slot, at = key_slot(key.encode()), cluster.master_of(key)
    source, target = cluster.masters[at], cluster.masters[at - 1]
    here, there = source.order("CLUSTER", "MYID"), target.order("CLUSTER", "MYID")
    await shows(1)
    target.order("CLUSTER", "SETSLOT", slot, "IMPORTING", here)
    source.order("CLUSTER", "SETSLOT", slot, "MIGRATING", there)
    await shows(2)
    while keys := source.order("CLUSTER", "GETKEYSINSLOT", slot, 100):
        source.order("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
    await shows(3)  # the source answers with ASK
    for server in (target, source):
        server.order("CLUSTER", "SETSLOT", slot, "NODE", there)
    await shows(4)  # it answers with MOVED, and has ended the subscription
    await shows(5)
    assert hearing.readings()["store_breaks_total"] == 0


async def test_a_node_goes_on_with_the_master_that_sentinel_names(tmp_path: Path) -> None:
    with valkey_sentinel(tmp_path) as (url, master, replica):
        backend = ValkeyBackend(url, Owner("n1", 1))
        await backend.open()
        await backend.commit(ROOM, Put(record("s1")))
        mirror = await follow(backend, ROOM)
        await eventually(lambda: replica.holds(backend.keys.feed(ROOM)))
        master.stop()
        for _ in range(400):
            try:
                done = await backend.commit(ROOM, Put(record("s2")))
                break
            except StoreUnavailable:
                await pause(0.1)
        await eventually(lambda: mirror.position == done.position, within=10)
        assert {session_id for _, session_id in mirror.picture} == {"s1", "s2"}
        await backend.close()
