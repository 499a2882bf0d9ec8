"""A node starts again while its sessions go on, or end, at another one: what it handed over is then not its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from hereabouts.engine.records import FeedKey
from hereabouts.runtime import burying
from hereabouts.testing.arena import Arena
from hereabouts.testing.engines import TEMPLATE, migrated
from hereabouts.testing.valkey import ValkeyServer
from hereabouts.testing.waiting import eventually, pause

ROOM = "lobby"
ADA = FeedKey("default", "user", "ada")


@pytest.fixture
def node(store: ValkeyServer, tmp_path: Path) -> Callable[[str], Arena]:
    """A server over the store, with a journal that the next one of this name finds."""

    def opened(name: str) -> Arena:
        journal = {"url": f"sqlite:///{tmp_path / name}.db"}
        return Arena({"server": {"node": name}, "backend": {"url": store.url}, "journal": journal})

    return opened


@pytest.fixture
def records() -> Iterator[str]:
    """The address of a journal in PostgreSQL."""
    with migrated() as server:
        server.copy(TEMPLATE, "moved")
        yield server.url("moved")


async def test_who_went_while_its_node_started_again_does_not_come_back_with_it(node: Callable[[str], Arena]) -> None:
    async with AsyncExitStack() as stack:
        b = await stack.enter_async_context(node("b"))
        viewer = await b.enter("viewer", ROOM)
        async with node("a") as a:
            ada = await a.enter("ada", ROOM)
            await viewer.event(ROOM, "join", "ada")
        again = await b.come_back(ada, "ada")
        assert again.welcome["resumed"]
        await again.say("bye")
        await viewer.event(ROOM, "leave", "ada")
        next_a = await stack.enter_async_context(node("a"))
        await viewer.no_event(ROOM, "join", "ada", during=1)
        assert (await b.node.context.backend.snapshot(ADA)).records == ()
        assert not next_a.node.registry.of_user("default", "ada")


async def test_who_goes_on_at_another_node_is_not_taken_back(node: Callable[[str], Arena]) -> None:
    async with AsyncExitStack() as stack:
        b = await stack.enter_async_context(node("b"))
        viewer = await b.enter("viewer", ROOM)
        async with node("a") as a:
            ada = await a.enter("ada", ROOM, "hall")
            await viewer.event(ROOM, "join", "ada")
        again = await b.come_back(ada, "ada")
        await again.ask("leave", room=ROOM)
        await viewer.event(ROOM, "leave", "ada")
        next_a = await stack.enter_async_context(node("a"))
        assert not next_a.node.context.is_degraded
        await viewer.no_event(ROOM, "join", "ada", during=1)
        assert not next_a.node.registry.of_user("default", "ada")
        (session,) = b.node.registry.of_user("default", "ada")
        assert list(session.session.rooms) == ["hall"]


async def test_a_session_that_moved_before_is_no_loss_of_the_node_that_starts_again(
    store: ValkeyServer, records: str
) -> None:
    common = {"backend": {"url": store.url}, "journal": {"url": records}}
    async with AsyncExitStack() as stack:
        b = await stack.enter_async_context(Arena({"server": {"node": "b"}, **common}))
        async with Arena({"server": {"node": "a"}, **common}) as a:
            ada = await a.enter("ada", ROOM)
            await a.node.context.journal.flush()
            await b.come_back(ada, "ada")
            await eventually(lambda: not a.node.registry.of_user("default", "ada"))
            await b.node.context.journal.flush()
        a = await stack.enter_async_context(Arena({"server": {"node": "a"}, **common}))
        assert [row.after for row in await a.node.context.journal.transitions("default", "ada")] == ["online"]
        assert not a.node.context.is_degraded


async def test_who_was_at_a_node_that_never_starts_again_is_gone_in_the_record_too(
    store: ValkeyServer, records: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(burying, "ALIVE_SECONDS", 0.1)
    common = {"backend": {"url": store.url}, "journal": {"url": records}}
    async with Arena({"server": {"node": "b"}, **common}) as b:
        viewer = await b.enter("viewer", ROOM)
        async with Arena({"server": {"node": "pod-7f3a"}, **common}) as pod:
            await pod.enter("ada", ROOM)
        journal = b.node.context.journal
        await viewer.event(ROOM, "leave", "ada", within=15)
        deadline = time.monotonic() + 5
        while len(rows := await journal.transitions("default", "ada")) < 2 and time.monotonic() < deadline:
            await pause(0.05)
        assert [(row.after, row.cause) for row in rows] == [("offline", "node_lost"), ("online", None)]


async def test_a_session_that_moved_before_is_closed_in_a_journal_that_is_not_shared(
    node: Callable[[str], Arena],
) -> None:
    async with AsyncExitStack() as stack:
        b = await stack.enter_async_context(node("b"))
        async with node("a") as a:
            ada = await a.enter("ada", ROOM)
            await b.come_back(ada, "ada")
            await eventually(lambda: not a.node.registry.of_user("default", "ada"))
        next_a = await stack.enter_async_context(node("a"))
        assert not next_a.node.context.is_degraded
