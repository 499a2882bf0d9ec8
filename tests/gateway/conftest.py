"""A server in this process, on a free port, with the clocks of the test profile; and clients of it.

async def test_something(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")

Each test runs twice, over memory and SQLite and over Valkey and PostgreSQL, unless `one_engine.toml` says why not.
Those of `two_nodes.toml` run a third time, over two servers that are asked in turn.
"""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hereabouts.testing.arena import Arena
from hereabouts.testing.engines import SharedEngine, migrated
from hereabouts.testing.postgres import PostgresServer
from hereabouts.testing.valkey import ValkeyServer, valkey

ENGINES = ("memory+sqlite", "valkey+postgres")
TWO_NODES = "valkey+postgres+two-nodes"


def listed(page: str) -> tuple[set[str], set[str]]:
    """What a page says that runs, and what it leaves out for any reason: files and single tests."""
    reasons = tomllib.loads((Path(__file__).parent / page).read_text("utf-8"))
    runs = reasons.pop("runs", {"names": []})["names"]
    return set(runs), {name for reason in reasons.values() for name in reason["names"]}


_, ON_ONE = listed("one_engine.toml")
ON_TWO_NODES, NOT_ON_TWO_NODES = listed("two_nodes.toml")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let a test run over each engine that it says something about."""
    file = Path(metafunc.definition.fspath).name
    names = {file, f"{file}::{metafunc.function.__name__}"}
    if not ON_ONE & names:
        more = (TWO_NODES,) if ON_TWO_NODES & names and not NOT_ON_TWO_NODES & names else ()
        metafunc.parametrize("engine", (*ENGINES, *more), indirect=True)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One Valkey for all tests."""
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def records() -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests."""
    with migrated() as server:
        yield server


@pytest.fixture(autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where the arenas of a test keep things."""
    if getattr(request, "param", ENGINES[0]) == ENGINES[0]:
        yield
        return
    nodes = ("a", "b") if request.param == TWO_NODES else ("",)
    shared = SharedEngine(request.getfixturevalue("store"), request.getfixturevalue("records"), nodes)
    monkeypatch.setattr(Arena, "engine", shared)
    yield
    shared.forget()


@pytest.fixture
async def arena() -> AsyncIterator[Arena]:
    """The server with its defaults, and its clients. At the end every frame of every client has kept the rules."""
    async with Arena() as arena:
        yield arena
