"""What races over real sockets: joins against resets, reloads, tabs in every order, a close against an open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from itertools import permutations
from random import Random

from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually, pause
from hereabouts.testing.wire import Wire

GRACE, PUBLISHING = 2.0, 1.0
AT_ONCE = 25


async def in_crowds(work: Iterable[Awaitable[None]]) -> None:
    """Do all of it, at most `AT_ONCE` at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(todo: Awaitable[None]) -> None:
        async with room:
            await todo

    await asyncio.gather(*(one(todo) for todo in work))


async def test_a_join_that_races_its_own_reset_leaves_nothing_behind(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    random = Random(1)

    async def race(number: int) -> None:
        wire = await arena.connect()
        if number % 2:
            await wire.hello(f"dev:u{number}")
        else:
            await wire.say("hello", token=f"dev:u{number}")
        await wire.say("join", id=1, room="lobby")
        await wire.say("watch", id=2, rooms=["lobby", "other"], users=["ada", f"w{number}"])
        await pause(random.random() * random.choice((0, 0.001, 0.01)))
        await wire.reset()

    await in_crowds(race(number) for number in range(500))
    node = arena.node
    await eventually(lambda: len(node.driver.links) == 1, what="only one link")
    await eventually(lambda: len(node.registry) == 1, within=GRACE + PUBLISHING + 1, what="only one session")
    await eventually(lambda: ada.folds.names("lobby") == ["ada"], within=1, what="ada alone")
    await eventually(lambda: len(node.relay.rooms) == 1, what="only one room is followed")
    await eventually(lambda: len(node.people) == 1, what="only one user is followed")
    assert node.driver.unauthenticated("127.0.0.1") == 0


async def test_fifty_reloads_in_a_row_flicker_nothing(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    bob = await arena.enter("bob", "lobby")
    await ada.event("lobby", "join", "bob")
    for number in range(50):
        if number % 2:
            await bob.close(1001)
        else:
            await bob.reset()
        bob = await arena.come_back(bob, "bob")
        assert bob.welcome["resumed"]
    await ada.no_event("lobby", "leave", "bob", during=GRACE + PUBLISHING)
    assert bob.welcome["incarnation"] == 51
    assert ada.folds.told("lobby") == [("join", "bob")]
    assert len(arena.node.registry) == 2


async def test_six_tabs_close_in_any_order_and_only_the_last_is_a_leave(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")

    async def close_in(user_id: str, order: tuple[int, ...]) -> None:
        tabs = [await arena.enter(user_id, "lobby") for _ in range(6)]
        await sessions_of(ada, user_id, 6)
        for left, tab in zip(range(5, 0, -1), order, strict=False):
            await tabs[tab].say("bye")
            await sessions_of(ada, user_id, left)
        await ada.no_event("lobby", "leave", user_id, during=0.2)
        await tabs[order[-1]].say("bye")
        await ada.event("lobby", "leave", user_id, within=3)
        kinds = [kind for kind, who in ada.folds.told("lobby") if who == user_id]
        assert kinds == ["join", "leave"]

    orders = Random(2).sample(list(permutations(range(6))), 24)
    await in_crowds(close_in(f"u{number}", order) for number, order in enumerate(orders))


async def sessions_of(viewer: Wire, user_id: str, count: int) -> None:
    def known() -> int:
        member = viewer.folds.rooms["lobby"].members.get(user_id)
        return member["sessions"] if member is not None else 0

    await eventually(lambda: known() == count, within=3, what=f"{count} sessions of {user_id}")


async def test_the_last_close_against_a_new_open_at_the_same_instant(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")

    async def swap(number: int) -> None:
        user_id = f"u{number}"
        old = await arena.enter(user_id, "lobby")
        new = await arena.connect()
        ending = old.say("bye") if number % 2 else old.reset()
        both = [ending, opening(new, user_id)]
        await asyncio.gather(*(both if number % 4 < 2 else reversed(both)))

    async def opening(wire: Wire, user_id: str) -> None:
        await wire.say("hello", token=f"dev:{user_id}")
        await wire.say("join", id=1, room="lobby")
        wire.beat_every(0.5)
        await wire.expect("snapshot")

    await in_crowds(swap(number) for number in range(200))
    names = sorted(["ada", *(f"u{number}" for number in range(200))])
    await eventually(lambda: len(arena.node.registry) == 201, within=GRACE + PUBLISHING + 1, what="201 sessions")
    await ada.never("error", "ended", during=0.5)
    assert ada.folds.names("lobby") == names
    assert {member["sessions"] for member in ada.folds.rooms["lobby"].members.values()} == {1}
    # Who only closed was never seen to leave.
    gone = {who for kind, who in ada.folds.told("lobby") if kind == "leave"}
    assert gone <= {f"u{number}" for number in range(1, 200, 2)}
