"""How a session ends over real sockets: told, closed, reset, silent. Each within its bound, and never early."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from hereabouts.testing.arena import Arena
from hereabouts.testing.fault_proxy import Faults
from hereabouts.testing.waiting import pause
from hereabouts.testing.wire import Wire

LEASE, HIDDEN_LEASE, GRACE, SWEEP = 3.0, 8.0, 2.0, 0.5
"""The clocks of the test profile, in seconds."""

PUBLISHING = 0.3
"""The window of a stream and 250 ms (semantics, section 2)."""

SLACK = 0.25
"""What a busy machine may add."""

BLACK_HOLE = Faults(is_black_hole=True)


async def leaves_between(
    arena: Arena, viewer: Wire, user_id: str, since: float, earliest: float, latest: float
) -> None:
    left = await viewer.event("lobby", "leave", user_id, within=latest + 2) - since
    latest += arena.node.clock.stalled_seconds
    assert earliest <= left <= latest + SLACK, f"{user_id} left after {left:.3f} s, not in {earliest} … {latest} s"


async def alive_at(wire: Wire) -> float:
    """A beat that was answered; the time just before it was sent."""
    since = time.monotonic()
    await wire.say("beat")
    await wire.expect("beat", where=lambda message: "server_time_at" in message)
    return since


async def test_a_bye_is_a_leave_at_once(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    bob = await arena.enter("bob", "lobby")
    await ada.event("lobby", "join", "bob", within=3)
    since = time.monotonic()
    await bob.say("bye")
    await leaves_between(arena, ada, "bob", since, 0, PUBLISHING)
    assert (await bob.expect("ended"))["code"] == "ended"
    assert await bob.closed() == 4000


async def test_a_silent_drop_is_published_within_its_bound_and_never_early(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")

    async def dropped(user_id: str, directions: str, lease: float, **hello: bool) -> None:
        proxy = await arena.proxy()
        wire = await arena.enter(user_id, "lobby", through=proxy, beats=False, **hello)
        since = await alive_at(wire)
        if "up" in directions:
            proxy.up = BLACK_HOLE
        if "down" in directions:
            proxy.down = BLACK_HOLE
        wire.beat_every(0.5)
        await leaves_between(arena, ada, user_id, since, lease + GRACE, lease + GRACE + SWEEP + PUBLISHING)

    await asyncio.gather(
        dropped("both", "up down", LEASE),
        dropped("half", "up", LEASE),
        dropped("hidden", "up down", HIDDEN_LEASE, visible=False),
    )


async def test_only_frames_are_proof_of_life(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")

    async def silent_but_for(user_id: str, say: Callable[[Wire], Awaitable[object]]) -> None:
        wire = await arena.enter(user_id, "lobby", beats=False)
        since = await alive_at(wire)
        saying = asyncio.create_task(over_and_over(wire, say))
        await leaves_between(arena, ada, user_id, since, LEASE + GRACE, LEASE + GRACE + SWEEP + PUBLISHING)
        saying.cancel()
        assert (await wire.expect("ended"))["code"] == "session_expired"
        assert await wire.closed() == 4201

    async def over_and_over(wire: Wire, say: Callable[[Wire], Awaitable[object]]) -> None:
        while True:
            await say(wire)
            await pause(0.2)

    await asyncio.gather(
        silent_but_for("pings", lambda wire: wire.socket.ping()),
        silent_but_for("pongs", lambda wire: wire.socket.pong()),
        silent_but_for("nothing", lambda wire: asyncio.sleep(0)),
    )


async def test_a_close_without_leave_is_published_after_grace(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")

    async def closed_by(user_id: str, close: Callable[[Wire], Awaitable[object]]) -> None:
        wire = await arena.enter(user_id, "lobby")
        since = time.monotonic()
        await close(wire)
        await leaves_between(arena, ada, user_id, since, GRACE, GRACE + SWEEP + PUBLISHING)

    await asyncio.gather(
        closed_by("normal", lambda wire: wire.close(1000)),
        closed_by("going", lambda wire: wire.close(1001)),
        closed_by("own", lambda wire: wire.close(4321)),
        closed_by("abort", lambda wire: wire.reset()),
        closed_by("network", lambda wire: cut(arena, wire)),
    )
    cause = {event.body["cause"] for event in ada.folds.rooms["lobby"].events if event.kind == "leave"}
    assert cause == {"closed"}


async def cut(arena: Arena, wire: Wire) -> None:
    """Let the server alone see a reset."""
    port = wire.socket.transport.get_extra_info("sockname")[1]
    for link in arena.node.driver.links:
        transport = getattr(link.connection, "_transport", None)
        if transport is not None and transport.get_extra_info("peername")[1] == port:
            transport.abort()


async def test_the_late_close_of_an_old_connection_ends_nothing(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")

    async def late(user_id: str, seconds: float, is_proper: bool) -> None:
        proxy = await arena.proxy()
        old = await arena.enter(user_id, "lobby", through=proxy)
        await ada.event("lobby", "join", user_id)
        link = proxy.links[0]
        link.up = Faults(is_held=True) if is_proper else Faults(holds_fin=True)
        goodbye = asyncio.create_task(old.close(1000) if is_proper else old.reset())
        new = await arena.come_back(old, user_id)
        assert (new.welcome["resumed"], new.welcome["incarnation"]) == (True, 2)
        await pause(seconds)
        link.up = Faults()
        await goodbye
        await ada.no_event("lobby", "leave", user_id, during=GRACE + SWEEP + PUBLISHING)
        assert ada.folds.rooms["lobby"].members[user_id]["sessions"] == 1

    waits = (0.01, GRACE - 0.05, GRACE + 0.05, LEASE + 1)
    await asyncio.gather(
        *(late(f"u{number}", seconds, False) for number, seconds in enumerate(waits)),
        *(late(f"v{number}", seconds, True) for number, seconds in enumerate(waits)),
    )


async def test_resumes_within_grace_flicker_nothing_and_after_it_begin_anew(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")

    async def within(user_id: str, seconds: float) -> None:
        wire = await arena.enter(user_id, "lobby")
        await wire.close(1001)
        await pause(seconds)
        new = await arena.come_back(wire, user_id)
        assert new.welcome["resumed"]
        assert new.welcome["rooms"] == ["lobby"]
        await ada.no_event("lobby", "leave", user_id, during=GRACE + SWEEP + PUBLISHING)

    async def after(user_id: str, seconds: float) -> None:
        wire = await arena.enter(user_id, "lobby")
        await wire.close(1001)
        await pause(seconds)
        new = await arena.come_back(wire, user_id)
        assert not new.welcome["resumed"]
        assert new.welcome["session_id"] != wire.welcome["session_id"]
        await ada.event("lobby", "leave", user_id, within=3)

    await asyncio.gather(within("soon", 0), within("late", GRACE * 0.6), after("gone", GRACE + SWEEP + PUBLISHING))
