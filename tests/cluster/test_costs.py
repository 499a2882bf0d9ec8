"""What sessions cost the store: nothing for a beat, little for a join, and so many keys."""

from __future__ import annotations

import asyncio

from hereabouts.testing.arena import Arena
from hereabouts.testing.valkey import ValkeyServer

USERS, TABS, ROOMS = 25, 2, 4

ITSELF = 20
"""Commands that a node has for itself at most while this is measured: its calls to itself, its made-up session."""


async def test_beats_cost_the_store_nothing_and_a_join_three_commands_at_most(store: ValkeyServer) -> None:
    chat = {"default": {"preset": "chat"}}  # leases longer than the test, on any machine
    async with Arena({"server": {"node": "a"}, "backend": {"url": store.url}, "policy": chat}) as arena:
        wires = [await arena.enter(f"u{n % USERS}", beats=False) for n in range(USERS * TABS)]
        backend = arena.node.context.backend
        before = backend.readings()["store_commands_total"]
        for n, wire in enumerate(wires):
            for room in range(ROOMS):
                await wire.join(f"room-{(n + room) % ROOMS}")
        joined = backend.readings()["store_commands_total"]
        assert joined - before <= 3 * len(wires) * ROOMS + ITSELF
        for _ in range(20):
            await asyncio.gather(*(wire.say("beat", visible=True) for wire in wires))
            await asyncio.gather(*(wire.expect("beat") for wire in wires))
        assert backend.readings()["store_commands_total"] - joined <= ITSELF
        with store.client as client:
            keys = [key for key in client.scan_iter() if b"canary" not in key]
        # One a session, one a user, one a room; the leases, and what the node owns.
        assert len(keys) == len(wires) + USERS + ROOMS + 2
