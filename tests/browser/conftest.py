"""A real server as a user starts it, and a real browser."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from hereabouts.testing.issuer import SECRET

from .building import PAGES, build
from .site import Site, site_of
from .tabs import Tabs

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LASTING_SECONDS = 8.0
LASTING = f"lease.visible_seconds = {LASTING_SECONDS}\n"

SIGNED = f'[auth]\nalgorithms = ["HS256"]\nsecret = "{SECRET}"\n'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class DevServer:
    """`hereabouts dev` in the test profile, in a process of its own, that can be killed and started again."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        config = folder / "hereabouts.toml"
        config.write_text(
            f'[server]\ndrain_seconds = 0.3\n[journal]\nurl = "sqlite:///{folder}/journal.db"\n'
            f'[policy.default]\npreset = "test"\n{more}'
        )

    def start(self) -> None:
        command = [sys.executable, "-m", "hereabouts", "dev", "--port", str(self.port)]
        command += ["--config", str(self._folder / "hereabouts.toml")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "NO_COLOR": "1"})
        deadline = time.monotonic() + 20
        while not self._is_ready():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, (self._folder / "log").read_text()

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=1).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(20)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DevServer]:
    running = DevServer(tmp_path)
    running.start()
    yield running
    running.stop(signal.SIGKILL)


@pytest.fixture
def lasting_server(tmp_path: Path) -> Iterator[DevServer]:
    """One whose sessions outlive its restart, also where a program takes seconds to start."""
    running = DevServer(tmp_path, f"{LASTING}{SIGNED}")
    running.start()
    yield running
    running.stop(signal.SIGKILL)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium that keeps pages in the back-forward cache, as people's browsers do."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "no Chromium on this machine: scripts/test installs one"
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=found, args=FLAGS, ignore_default_args=["--disable-back-forward-cache"]
        )
        yield running
        await running.close()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory, pages: Path) -> Iterator[DevServer]:
    """In the test profile, with the demo page as it is built."""
    running = DevServer(tmp_path_factory.mktemp("server"), SIGNED)
    running.start()
    yield running
    running.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def pages() -> Path:
    build()
    return PAGES


@pytest.fixture(scope="module")
def site(shared_server: DevServer, pages: Path) -> Iterator[Site]:
    with site_of(pages, shared_server.url) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def tabs(shared_browser: Browser, shared_server: DevServer, site: Site) -> AsyncIterator[Tabs]:
    made = Tabs(shared_browser, site, shared_server.url)
    yield made
    assert await made.close() == []
