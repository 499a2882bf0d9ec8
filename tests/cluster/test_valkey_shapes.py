"""The same over a Cluster, and over a master that Sentinel replaces."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from hereabouts.backends.base import Backend
from hereabouts.backends.valkey.backend import ValkeyBackend
from hereabouts.engine.records import Owner, Put
from hereabouts.errors import StoreUnavailable
from hereabouts.testing.backend_contract import HERE, ROOM, BackendContract, record
from hereabouts.testing.mirror import follow
from hereabouts.testing.valkey import valkey_cluster, valkey_sentinel
from hereabouts.testing.waiting import eventually, pause


@pytest.fixture(scope="module")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Cluster of three."""
    with valkey_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster.url


class TestValkeyCluster(BackendContract):
    prefixes = count()

    @pytest.fixture(autouse=True)
    def _engine(self, cluster_url: str) -> None:
        self._url = cluster_url

    def backend(self) -> Backend:
        return ValkeyBackend(self._url, HERE, prefix=f"t{next(self.prefixes)}")

    def test_any_history(self) -> None:
        """What is decided is decided by the same scripts, which a single server has shown at length."""


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
