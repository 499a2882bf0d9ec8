"""The server as an operator runs it: in a process of its own that can be stopped, killed and started again."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

from hereabouts.testing.waiting import pause

READY_SECONDS: Final = 20.0
STOP_SECONDS: Final = 20.0

TEST_PROFILE: Final = '[policy.default]\npreset = "test"\n'


class ServerProcess:
    """`hereabouts dev` in `folder`, with this configuration, always on the same port."""

    def __init__(self, folder: Path, config: str = TEST_PROFILE) -> None:
        self.port = free_port()
        self.folder = folder
        self._config = folder / "hereabouts.toml"
        self._config.write_text(config)
        self._log = folder / "log"
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """The WebSocket address."""
        return f"ws://127.0.0.1:{self.port}/v1/ws"

    @property
    def http(self) -> str:
        """Where its HTTP calls are."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that it has logged, over all its starts."""
        return self._log.read_text()

    @property
    def rss_bytes(self) -> int:
        """The memory that it holds now (`/proc/PID/statm`, in pages)."""
        assert self._process is not None
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    @property
    def open_files(self) -> int:
        """How many files and sockets it has open now."""
        assert self._process is not None
        return len(list(Path(f"/proc/{self._process.pid}/fd").iterdir()))

    def limit_file_bytes(self, size: int | None) -> None:
        """Let no file of the server grow beyond `size` bytes, as on a full disk (`RLIMIT_FSIZE`); `None` lifts it."""
        assert self._process is not None
        _, hard = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))

    async def start(self) -> None:
        """Start it, and wait until it is fit for traffic."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEREABOUTS_")}
        command = ("-m", "hereabouts", "dev", "--port", str(self.port), "--config", str(self._config))
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *command, cwd=self.folder, env={**kept, "NO_COLOR": "1"}, stdout=log, stderr=log
            )
        deadline = time.monotonic() + READY_SECONDS
        while not await self.is_ready():
            assert self._process.returncode is None and time.monotonic() < deadline, self.log
            await pause(0.02)

    async def is_ready(self) -> bool:
        """Whether `/readyz` says so."""
        try:
            async with httpx.AsyncClient(trust_env=False) as http:
                return (await http.get(f"{self.http}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    def send(self, number: signal.Signals) -> None:
        """Send the signal and wait for nothing: SIGSTOP lets it stand still, SIGCONT go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def hang_up(self, config: str) -> None:
        """Change the configuration, and tell the process to read it again (SIGHUP)."""
        self._config.write_text(config)
        self.send(signal.SIGHUP)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and wait for the end: the exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        async with asyncio.timeout(STOP_SECONDS):
            return await self._process.wait()


@asynccontextmanager
async def serving(folder: Path, config: str = TEST_PROFILE) -> AsyncIterator[ServerProcess]:
    """A server that is ready; killed at the end if it still runs."""
    server = ServerProcess(folder, config)
    try:
        await server.start()
        yield server
    finally:
        await server.end(signal.SIGKILL)


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
