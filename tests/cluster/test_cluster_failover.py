"""A master of the Cluster dies under two nodes, and its replica had heard nothing of it: nobody is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from hereabouts.testing.arena import Arena
from hereabouts.testing.valkey import ValkeyCluster, valkey_cluster
from hereabouts.testing.waiting import eventually
from hereabouts.testing.wire import Wire

ROOMS = [f"room{n}" for n in range(6)]
"""Two on each master."""

Arenas = tuple[Arena, Arena]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ValkeyCluster]:
    """Three masters, each with a replica."""
    with valkey_cluster(tmp_path, has_replicas=True) as cluster:
        yield cluster


@pytest.fixture
async def arenas(cluster: ValkeyCluster) -> AsyncIterator[Arenas]:
    """Two servers that know each other."""
    async with AsyncExitStack() as stack:
        nodes = [Arena({"server": {"node": name}, "backend": {"url": cluster.url}}) for name in "ab"]
        a, b = [await stack.enter_async_context(node) for node in nodes]
        await eventually(lambda: bool(a.node.switchboard.others() and b.node.switchboard.others()))
        yield a, b


def gone(viewer: Wire) -> list[str]:
    """Who has left in the viewer's eyes, in whichever room."""
    return [who for room in ROOMS for kind, who in viewer.folds.told(room) if kind == "leave"]


def shows(viewer: Wire, room: str, wanted: list[str]) -> bool:
    """Whether the viewer sees just these."""
    return sorted(viewer.folds.names(room)) == wanted


async def crowd(arenas: Arenas) -> tuple[list[Wire], list[Wire]]:
    """A viewer on each node who is in all rooms, and a user in each room on either node."""
    viewers = [await arena.enter(f"viewer-{n}", *ROOMS) for n, arena in enumerate(arenas)]
    users = [await arenas[n % 2].enter(f"user-{n}", room) for n, room in enumerate(ROOMS)]
    for viewer in viewers:
        for n, room in enumerate(ROOMS):
            await eventually(partial(shows, viewer, room, [f"user-{n}", "viewer-0", "viewer-1"]))
    return viewers, users


@pytest.mark.parametrize("which", [0, 2])
async def test_a_replica_that_had_heard_nothing_takes_over_and_nobody_leaves(
    cluster: ValkeyCluster, arenas: Arenas, which: int
) -> None:
    viewers, users = await crowd(arenas)
    # What a master took and did not pass on before it died is lost; here that is everything.
    cluster.replicas[which].order("CONFIG", "SET", "replica-read-only", "no")
    cluster.replicas[which].flush()
    noted = [await places(arena) for arena in arenas]
    cluster.masters[which].stop()
    await asyncio.gather(*(viewer.expect("degraded", within=10) for viewer in viewers))
    await asyncio.gather(*(viewer.expect("restored", within=30) for viewer in viewers))
    await all_goes_on(viewers, users)
    # What tells others where a dead node's records stand is there again too.
    assert [await places(arena) for arena in arenas] == noted


async def places(arena: Arena) -> int:
    """How many records the store has noted as those of the node's users; its own probe comes and goes."""
    peers = arena.node.context.backend.peers
    assert peers is not None
    noted = await peers.places(arena.node.context.owner)
    return sum(place.feed.tenant == "default" for place in noted)


async def all_goes_on(viewers: list[Wire], users: list[Wire]) -> None:
    """What each user does is seen by everybody, and nobody was seen to leave."""
    for n, room in enumerate(ROOMS):
        await users[n].ask("update", room=room, state={"n": n})
    for viewer in viewers:
        for n, room in enumerate(ROOMS):
            await viewer.event(room, "update", f"user-{n}", within=10)
            assert shows(viewer, room, [f"user-{n}", "viewer-0", "viewer-1"])
        assert gone(viewer) == []
