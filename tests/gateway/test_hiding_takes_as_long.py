"""Somebody invisible is read as somebody unknown is: the same questions to the store and the journal, one by one.

How long they take is measured by `bench hidden`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually


def listened(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions from now on, in their order, with nothing of whom they are about."""
    asked: list[str] = []

    def spy(part: object, name: str) -> None:
        call: Callable[..., Awaitable[Any]] = getattr(part, name)

        async def noted(*given: Any) -> Any:
            asked.append(name)
            return await call(*given)

        monkeypatch.setattr(part, name, noted)

    spy(arena.node.context.backend, "snapshot")
    spy(arena.node.context.journal, "last_seen")
    return asked


@pytest.mark.parametrize("user_id", ["hidden", "gone", "nobody"])
@pytest.mark.parametrize("many", [False, True])
async def test_a_card_costs_the_same(user_id: str, many: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Arena() as arena:
        await (await arena.enter("hidden")).ask("status", status="invisible")
        await (await arena.enter("gone")).say("bye")
        # Nothing of it is followed here any more, and what was read when it was hidden has come.
        await eventually(lambda: len(arena.node.registry) == len(arena.node.people) == 1)
        asked = listened(arena, monkeypatch)
        headers = {"Authorization": "Bearer dev:asker"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", headers=headers) as http:
            if many:
                answer = await http.post("/v1/users/query", json={"ids": [user_id]})
            else:
                answer = await http.get(f"/v1/users/{user_id}")
        assert answer.status_code == 200
        assert asked == ["snapshot", "last_seen"]


async def test_who_watches_asks_of_somebody_hidden_what_it_asks_of_somebody_it_never_heard_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Arena() as arena:
        await (await arena.enter("hidden")).ask("status", status="invisible")
        viewer = await arena.enter("viewer")
        asked = listened(arena, monkeypatch)
        await viewer.ask("watch", users=["hidden"])
        # What is hidden is read; what nobody heard of is read as it is followed.
        await eventually(lambda: asked == ["snapshot", "last_seen"])
        asked.clear()
        await viewer.ask("watch", users=["nobody"])
        await viewer.expect("users", where=lambda told: told["users"][0]["user_id"] == "nobody")
        assert asked == ["last_seen"]
