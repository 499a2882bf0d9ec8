"""What the store should be, and whether it is: for `hereabouts doctor`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any, Final

from hereabouts.backends.valkey.store import Store

PINGS: Final = 20
"""Round trips, of which the middle one counts."""

ROUND_TRIP_MOST_MS: Final = 20.0
"""A join waits for one round trip. Within one data centre it takes about a millisecond."""

MEMORY_MOST: Final = 0.8
"""The share of `maxmemory` beyond which there is little left until writes are refused."""

Info = Mapping[str, Any]


async def examine(store: Store) -> list[tuple[bool, str]]:
    """Whether each thing may stay as it is, and what to change if not. Raises what the client raises."""
    found = [await _round_trip(store)]
    for name, info in (await store.servers()).items():
        found.extend(judge(name, info))
    if store.is_cluster:
        found.append(cluster(await store.client.execute_command("CLUSTER INFO")))
    return found


async def _round_trip(store: Store) -> tuple[bool, str]:
    took_ms = []
    for _ in range(PINGS):
        begun = time.monotonic()
        await store.call("EXISTS", "hereabouts:doctor")
        took_ms.append((time.monotonic() - begun) * 1000)
    middle = median(took_ms)
    text = f"a round trip takes {middle:.1f} ms"
    return middle <= ROUND_TRIP_MOST_MS, text + (
        "" if middle <= ROUND_TRIP_MOST_MS else "; bring it nearer to the nodes"
    )


def judge(name: str, info: Info) -> Iterator[tuple[bool, str]]:
    """What is to be said of one master, from its `INFO`."""
    kind = f"{info.get('server_name', 'redis').capitalize()} {info.get('valkey_version') or info['redis_version']}"
    replicas = int(info["connected_slaves"])
    yield (
        True,
        f"{name} is {kind} with {replicas} replicas"
        + ("" if replicas else ": while it is away views are degraded; a replica would take over"),
    )
    policy = info["maxmemory_policy"]
    if policy != "noeviction":
        yield False, f"{name} drops keys when it is full ({policy}): set maxmemory-policy to noeviction"
    used, most = int(info["used_memory"]), int(info["maxmemory"])
    if most and used > most * MEMORY_MOST:
        yield False, f"{name} uses {used / most:.0%} of its maxmemory: writes are refused when it is full; raise it"
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        yield False, f"{name} could not save to its disk, and may refuse writes: mend the disk, or turn saving off"
    if info.get("loading") or info["role"] != "master":
        yield False, f"{name} is {'loading' if info.get('loading') else 'a replica'}: it takes no writes now"
    if not int(info.get("aof_enabled", 0)):
        yield True, f"{name} writes no append-only file: after a restart the nodes register again, which is enough"


def cluster(info: Info) -> tuple[bool, str]:
    """What is to be said of a Cluster, from its `CLUSTER INFO`."""
    is_ok = info["cluster_state"] == "ok" and int(info["cluster_slots_ok"]) == int(info["cluster_slots_assigned"])
    text = f"the Cluster of {info['cluster_size']} masters is {info['cluster_state']}"
    return is_ok, text if is_ok else f"{text}: {info['cluster_slots_ok']} of 16384 slots are served; see CLUSTER SHARDS"
