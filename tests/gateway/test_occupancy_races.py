"""What races over resources: decisions of one kind against each other, and grants against an admin's word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hereabouts.engine.identity import Identity
from hereabouts.engine.occupancy import Granted
from hereabouts.errors import Refusal
from hereabouts.journal.cooldowns import Cooldown
from hereabouts.runtime.holdings import Holder
from hereabouts.testing.admins import admin
from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually

HOST = Identity("default", "", is_server=True)


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Arena]:
    async with Arena({"journal": {"url": f"sqlite:///{tmp_path}/h.db"}}) as arena:
        yield arena


async def occupy(arena: Arena, user_id: str, resource: str) -> Granted:
    return await arena.node.holdings.occupy(HOST, resource, on_behalf=Holder(user_id))


async def test_a_grant_that_waited_for_the_last_release_of_its_kind_is_seen(kept: Arena) -> None:
    holdings = kept.node.holdings
    await occupy(kept, "ada", "account:7")
    # The second waits while the first is decided, and nothing of the kind is held between the two.
    await asyncio.gather(holdings.release("default", "account:7", "ada"), occupy(kept, "bob", "account:8"))
    assert [holding.user_id for holding in holdings.holders("default", "account:8")] == ["bob"]
    assert len(holdings) == 1
    assert await holdings.clear("default", "account:8") == 1


async def test_what_is_cleared_for_a_while_is_not_granted_to_who_asked_just_before(kept: Arena) -> None:
    cooldowns, holdings = kept.node.context.journal.cooldowns, kept.node.holdings
    at = kept.node.context.now().at
    asked = asyncio.create_task(occupy(kept, "ada", "account:7"))
    await asyncio.sleep(0)
    await cooldowns.add(Cooldown("default", "holding", "account:7", at, at + 60_000, "an incident"))
    await holdings.clear("default", "account:7")
    with pytest.raises(Refusal, match="cools down"):
        await asked
    await eventually(lambda: len(holdings) == 0, what="nobody holds it")


async def test_what_a_server_is_granted_for_a_user_who_is_being_erased_is_not_shown_for_ever(kept: Arena) -> None:
    holdings, subjects = kept.node.holdings, kept.node.context.journal.subjects
    assert subjects is not None
    erase = subjects.erase

    async def slow_erase(tenant: str, user_id: str, alias: str) -> dict[str, int]:
        await occupy(kept, user_id, "account:7")
        return await erase(tenant, user_id, alias)

    subjects.erase = slow_erase  # type: ignore[method-assign]
    async with admin(kept) as eve:
        await eve.delete("/v1/users/ada")
    assert len(holdings) == 0
    await occupy(kept, "bob", "account:7")
    assert [holding.user_id for holding in holdings.holders("default", "account:7")] == ["bob"]
