"""How a session ends over real sockets: told, closed, reset, silent. Each within its bound, and never early."""

from __future__ import annotations

from hereabouts.testing.arena import Arena


async def test_a_join_is_seen_and_bye_is_a_leave_at_once(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    bob = await arena.enter("bob", "lobby")
    await ada.event("lobby", "join", "bob", within=1)
    await bob.say("bye")
    await ada.event("lobby", "leave", "bob", within=0.5)
    assert await bob.closed() == 4000
