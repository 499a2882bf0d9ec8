"""Who is silent is gone in time and never before: the ghost bound of `spec/semantics.md`, and rule 4."""

from __future__ import annotations

import asyncio

from hereabouts.testing import virtual_time
from hereabouts.testing.world import World


def test_a_silent_client_is_gone_after_lease_and_grace_and_never_before() -> None:
    async def scene() -> None:
        async with World() as world:
            watcher = await world.observer("lobby")
            ada = await world.enter("ada", "lobby")
            await asyncio.sleep(4)
            world.silence(ada)
            ada.beat()
            silent_since = world.tick
            await asyncio.sleep(20)
            due = silent_since + world.policy.lease_visible_seconds + world.policy.grace_seconds
            [left] = watcher.room("lobby").times("leave", "ada")
            assert due <= left <= due + world.bound_seconds
            assert watcher.room("lobby").causes("ada") == ["lease_expired"]

    virtual_time.run(scene())
