"""What a user of the client holds no more is told to it, whether or not it watches the kind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hereabouts.client import AsyncPresence, Presence, Released
from hereabouts.testing.arena import Arena


@pytest.mark.parametrize("kinds", [(), ("account",)], ids=["no watch", "watched"])
async def test_a_holding_that_is_taken_is_told(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    async with Arena({"journal": {"url": f"sqlite:///{tmp_path / 'journal.db'}"}}) as arena:
        url = f"http://127.0.0.1:{arena.port}"
        async with (
            AsyncPresence(url, "dev:ada") as ada,
            AsyncPresence(url, "dev:boss:admin") as boss,
            ada.watch(occupancy=kinds),
        ):
            losses = ada.losses()
            await ada.occupy("account:7")
            await boss.occupy("account:7", take_over=True)
            await boss.release("account:7")
            await ada.occupy("account:8")
            await ada.release("account:8")
            told = [await asyncio.wait_for(anext(losses), 5) for _ in range(2)]
        causes = [(event.holding.resource, event.cause) for event in told if isinstance(event, Released)]
        assert causes == [("account:7", "taken_over"), ("account:8", "released")]
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(losses), 5)


async def test_the_blocking_client_hears_of_it_too(tmp_path: Path) -> None:
    def lose(url: str) -> object:
        with Presence(url, "dev:ada") as ada:
            losses = ada.losses(timeout_seconds=5)
            ada.occupy("account:7")
            ada.release("account:7")
            return next(losses)

    async with Arena({"journal": {"url": f"sqlite:///{tmp_path / 'journal.db'}"}}) as arena:
        event = await asyncio.to_thread(lose, f"http://127.0.0.1:{arena.port}")
    assert isinstance(event, Released)
    assert event.cause == "released"
