"""The real engines that these tests share, and two servers over them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from hereabouts.testing.arena import Arena
from hereabouts.testing.engines import TEMPLATE, migrated
from hereabouts.testing.postgres import PostgresServer
from hereabouts.testing.process import TEST_PROFILE, ServerProcess, serving
from hereabouts.testing.valkey import ValkeyServer, valkey
from hereabouts.testing.waiting import eventually
from hereabouts.testing.webhook_receiver import WebhookReceiver

Pair = tuple[ServerProcess, ServerProcess]
NUMBERS = count(1)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One Valkey for all tests; each begins by emptying it."""
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def store(engine: ValkeyServer) -> ValkeyServer:
    """The shared Valkey, empty."""
    engine.flush()
    return engine


@pytest.fixture(scope="session")
def records() -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests."""
    with migrated() as server:
        yield server


@pytest.fixture
def database(records: PostgresServer) -> Iterator[str]:
    """The address of a database of its own with all tables."""
    name = f"test_{next(NUMBERS)}"
    records.copy(TEMPLATE, name)
    yield records.url(name)
    records.drop(name)


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    """Where events go."""
    async with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def opened() -> Callable[..., AbstractAsyncContextManager[Pair]]:
    """How to open two servers over a store: `async with opened(folder, store) as (a, b)`; `policy` is more of it."""
    return two_nodes


@pytest.fixture
async def pair(store: ValkeyServer, tmp_path: Path) -> AsyncIterator[Pair]:
    """Two servers of the test profile that keep what is live in the shared Valkey."""
    async with two_nodes(tmp_path, store) as both:
        yield both


@asynccontextmanager
async def two_nodes(folder: Path, store: ValkeyServer, policy: str = "") -> AsyncIterator[Pair]:
    """Two servers of the test profile, `a` and `b`, each with a folder of its own."""
    async with AsyncExitStack() as stack:
        a, b = await asyncio.gather(
            *(stack.enter_async_context(node(folder / name, store.url, policy)) for name in "ab")
        )
        yield a, b


def node(folder: Path, url: str, policy: str) -> AbstractAsyncContextManager[ServerProcess]:
    """A server over a store, called like its folder."""
    folder.mkdir()
    config = f'{TEST_PROFILE}{policy}\n[server]\nnode = "{folder.name}"\ndrain_seconds = 0\n[backend]\nurl = "{url}"\n'
    return serving(folder, config)


@pytest.fixture
async def both(store: ValkeyServer, tmp_path: Path) -> AsyncIterator[tuple[Arena, Arena]]:
    """Two servers in this process over the shared Valkey, each with a journal of its own."""
    async with AsyncExitStack() as stack:
        a, b = [
            await stack.enter_async_context(
                Arena(
                    {
                        "server": {"node": name},
                        "backend": {"url": store.url},
                        "journal": {"url": f"sqlite:///{tmp_path / name}.db"},
                    }
                )
            )
            for name in "ab"
        ]
        await eventually(lambda: bool(a.node.switchboard.others() and b.node.switchboard.others()))
        yield a, b
