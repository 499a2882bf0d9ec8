"""Clients of redis-py for an address: one that waits without blocking, one for a thread of its own."""

from __future__ import annotations

from typing import Any, Final

import redis
from redis import asyncio as waiting
from redis.asyncio.cluster import ClusterNode as WaitingClusterNode
from redis.asyncio.retry import Retry as WaitingRetry
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import RedisClusterException, RedisError
from redis.retry import Retry

from hereabouts.backends.valkey.address import Address

ANSWER_SECONDS: Final = 2.0
"""How long the store may take for an answer before it counts as out of reach."""

FAILURES: Final = (RedisError, RedisClusterException, OSError, TimeoutError)
"""What a client raises where the store is out of reach or refuses; the errors of a Cluster share no base."""


def connect(address: Address) -> Any:
    """A client for the event loop; it connects when it is first used."""
    # Who asked decides what a failure means: asked again behind its back, a step that was done would be done twice.
    common = _common(address) | {"retry": WaitingRetry(NoBackoff(), 0), "ssl": address.is_tls}
    if address.is_cluster:
        nodes = [WaitingClusterNode(host, port) for host, port in address.hosts]
        return waiting.RedisCluster(startup_nodes=nodes, **common)
    common |= {"db": address.database}
    if address.shape == "sentinel":
        watchers = waiting.Sentinel(list(address.hosts), socket_timeout=ANSWER_SECONDS)
        return watchers.master_for(address.service, **common)
    host, port = address.hosts[0]
    return waiting.Redis(host=host, port=port, **common)


def connect_blocking(address: Address, answer_seconds: float) -> Any:
    """A client for a thread, which gives up after `answer_seconds`."""
    common = _common(address) | {"retry": Retry(NoBackoff(), 0), "ssl": address.is_tls}
    common |= {"socket_timeout": answer_seconds, "socket_connect_timeout": answer_seconds}
    if address.is_cluster:
        nodes = [ClusterNode(host, port) for host, port in address.hosts]
        return redis.RedisCluster(startup_nodes=nodes, **common)
    common |= {"db": address.database}
    if address.shape == "sentinel":
        watchers = redis.Sentinel(list(address.hosts), socket_timeout=answer_seconds)
        return watchers.master_for(address.service, **common)
    host, port = address.hosts[0]
    return redis.Redis(host=host, port=port, **common)


def is_cluster(client: Any) -> bool:
    """Whether it is a client of a Cluster."""
    return isinstance(client, waiting.RedisCluster)


async def places(client: Any) -> tuple[str, ...]:
    """The servers that have a part of the channels, as they are now: the masters of a Cluster, or the one."""
    if not is_cluster(client):
        return ("",)
    await client.nodes_manager.initialize()
    return tuple(node.name for node in client.get_primaries())


def place_of(client: Any, channel: str) -> str:
    """Which of the `places` has the channel, as far as the client knows."""
    return str(client.get_node_from_key(channel).name) if is_cluster(client) else ""


def connect_server(client: Any, place: str) -> Any:
    """A client of one of the `places`; of a single server it is the same."""
    if not is_cluster(client):
        return client
    node = client.get_node(node_name=place)
    pool = waiting.ConnectionPool(connection_class=node.connection_class, **node.connection_kwargs)
    return waiting.Redis.from_pool(pool)


async def close(client: Any) -> None:
    """Close a client, and what it asks for the master, which redis-py leaves open."""
    for watcher in _watchers(client):
        await watcher.aclose()
    await client.aclose()


def close_blocking(client: Any) -> None:
    """The same for a thread's client."""
    for watcher in _watchers(client):
        watcher.close()
    client.close()


def _watchers(client: Any) -> list[Any]:
    found = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    return [] if found is None else list(found.sentinels)


def _common(address: Address) -> dict[str, Any]:
    return {
        "username": address.username,
        "password": address.password,
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": ANSWER_SECONDS,
    }
