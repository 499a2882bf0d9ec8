"""The processes that are measured: a real server on a free port, and the floor."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from bench.cpu import cpu_seconds, resident_bytes
from bench.load import HOST

READY_SECONDS = 20.0
STOP_SECONDS = 15.0

OPEN = "[limits]\nunauthenticated_per_address = 100000\nupdates_per_second = 100000\nframes_per_second = 100000\n"
"""All load comes from one address, and from few users at a high rate: the limits on both stand aside."""

QUIET = """[policy.default]
beat.visible_seconds = 300
beat.hidden_seconds = 600
lease.visible_seconds = 1200
lease.hidden_seconds = 2400
idle_after_seconds = "off"
"""
"""Clocks so long that nothing happens by itself while something else is measured."""


class Process(NamedTuple):
    """A running process that listens on a port of this machine."""

    pid: int
    port: int
    journal: Path | None = None

    def cpu_seconds(self) -> float:
        """The CPU time it has used."""
        return cpu_seconds(self.pid)

    def resident_bytes(self) -> int:
        """The memory it has in RAM."""
        return resident_bytes(self.pid)


@asynccontextmanager
async def running_server(
    config: str = OPEN + QUIET,
    has_journal: bool = False,
    *,
    journal_url: str = "none",
    store_url: str = "memory://",
    node: str = "bench",
) -> AsyncIterator[Process]:
    """`hereabouts dev` with this configuration, ready for traffic. A journal is one in SQLite, or that of the URL."""
    with tempfile.TemporaryDirectory(prefix="hereabouts-bench-") as folder:
        journal = Path(folder) / "bench.db" if has_journal else None
        url = journal_url if journal is None else f"sqlite:///{journal}"
        server = f'[server]\nnode = "{node}"\ndrain_seconds = 0\n[backend]\nurl = "{store_url}"\n'
        path = Path(folder) / "bench.toml"
        path.write_text(f'{config}\n[journal]\nurl = "{url}"\n{server}')
        port = _free_port()
        arguments = ("-m", "hereabouts", "dev", "--port", str(port), "--config", str(path))
        async with _running(arguments, port, Path(folder) / "log") as process:
            yield process._replace(journal=journal)


@asynccontextmanager
async def running_floor() -> AsyncIterator[Process]:
    """The floor."""
    with tempfile.TemporaryDirectory(prefix="hereabouts-bench-") as folder:
        port = _free_port()
        async with _running(("-m", "bench.floor", str(port)), port, Path(folder) / "log") as process:
            yield process


@asynccontextmanager
async def _running(arguments: tuple[str, ...], port: int, log: Path) -> AsyncIterator[Process]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=output, stderr=output)
    try:
        await _listening(process, port, log)
        yield Process(process.pid, port)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _listening(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    deadline = asyncio.get_running_loop().time() + READY_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        if process.returncode is not None:
            break
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
    raise RuntimeError(f"process {process.pid} does not listen on {HOST}:{port}; its log:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text()[-4000:]


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as taken:
        return int(taken.getsockname()[1])


def machine() -> str:
    """What the figures were measured on: the Python, and the number of CPUs."""
    return f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs"
