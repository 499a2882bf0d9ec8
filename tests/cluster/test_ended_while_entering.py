"""Who is ended while their hello is being decided does not come in: two servers in this process over a real store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hereabouts.engine.records import FeedKey
from hereabouts.protocol import codes
from hereabouts.runtime import moving
from hereabouts.testing.admins import admin
from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually, pause
from hereabouts.testing.wire import Wire

ADA = FeedKey("default", "user", "ada")

Arenas = tuple[Arena, Arena]


class Held:
    """Calls whose answers wait from `came` on until `go`, where they are of ada."""

    def __init__(self, call: Callable[..., Awaitable[Any]]) -> None:
        self._call = call
        self.came, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, *arguments: Any) -> Any:
        answer = await self._call(*arguments)
        if "ada" in str(arguments):
            self.came.set()
            await self.go.wait()
        return answer


async def left_at(arena: Arena) -> list[Any]:
    """What stands of ada, once everything that she asked for is done."""
    await eventually(lambda: not arena.node.registry.of_user("default", "ada"))
    return list((await arena.node.context.backend.snapshot(ADA)).records)


async def entering(arena: Arena, again: Wire | None = None) -> tuple[Wire, asyncio.Task[Any]]:
    wire = await arena.connect()
    hello = wire.hello("dev:ada") if again is None else wire.resume(again, "dev:ada")
    return wire, asyncio.create_task(hello)


async def test_a_user_who_is_cleared_while_a_session_begins_leaves_nothing(
    both: Arenas, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = both
    held = Held(a.node.context.backend.follow)
    monkeypatch.setattr(a.node.context.backend, "follow", held)
    wire, hello = await entering(a)
    await held.came.wait()
    async with admin(a) as eve:
        await eve.post("/v1/admin/clear", what="user", id="ada", reason="noise")
    held.go.set()
    code = await wire.closed()
    assert code == codes.CLEARED.number
    await asyncio.gather(hello, return_exceptions=True)
    await eventually(lambda: a.node.people.find(ADA) is None, what="nobody follows ada any more")
    assert await left_at(a) == []


async def test_a_user_who_is_erased_while_a_session_moves_does_not_come_back(
    both: Arenas, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = both
    ada = await a.enter("ada", "lobby")
    held = Held(moving.fetch)
    monkeypatch.setattr(moving, "fetch", held)
    wire, hello = await entering(b, ada)
    await held.came.wait()
    async with admin(a) as eve:
        await eve.delete("/v1/users/ada")
    held.go.set()
    assert await wire.closed() == codes.UNAUTHENTICATED.number
    await asyncio.gather(hello, return_exceptions=True)
    assert (await left_at(a), await left_at(b)) == ([], [])


async def test_a_session_that_was_resumed_at_two_nodes_at_once_goes_on_where_its_connection_is(
    both: Arenas, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = both
    viewer, ada = await a.enter("viewer", "lobby"), await a.enter("ada", "lobby")
    await viewer.event("lobby", "join", "ada")
    held = Held(moving.fetch)
    monkeypatch.setattr(moving, "fetch", held)
    late, hello = await entering(b, ada)
    await held.came.wait()
    # The client has given that one up, and goes on with the next connection at the first node.
    again = await a.come_back(ada, "ada")
    held.go.set()
    await asyncio.gather(hello, return_exceptions=True)
    await late.reset()
    await eventually(lambda: not b.node.registry.of_user("default", "ada"), within=15)
    await pause(1)
    assert viewer.folds.names("lobby") == ["ada", "viewer"]
    assert [record.owner.node for record in (await a.node.context.backend.snapshot(ADA)).records] == ["a"]
    await again.ask("update", room="lobby", state={"n": 1})
    await viewer.event("lobby", "update", "ada")
