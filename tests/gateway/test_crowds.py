"""Many at once, and some that do not keep up: late viewers of a busy room, readers that stop, a loop that stalls."""

from __future__ import annotations

import asyncio
import time
from random import Random

from hereabouts.fanout.outbox import PAUSE_BYTES, REPLY_BYTES
from hereabouts.runtime.link import Link
from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually, never, pause, stall
from hereabouts.testing.wire import Wire

LEASE, GRACE, SWEEP, PUBLISHING = 3.0, 2.0, 0.5, 0.3
WINDOW_SECONDS = 0.05
UNDRAINED_SECONDS = 10.0


async def test_late_viewers_of_a_busy_room_all_see_the_same(arena: Arena) -> None:
    """300 viewers come during 100 changes a second; the folds check every step of every stream."""
    random = Random(3)
    writers = [await arena.enter(f"w{number}", "busy") for number in range(20)]
    is_over = asyncio.Event()

    async def write(wire: Wire) -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            if number % 10:
                await wire.say("update", room="busy", state={"n": number})
            else:
                await wire.say("leave", room="busy")
                await wire.say("join", id=number, room="busy", state={"n": number})
            await pause(0.2)

    async def view(number: int) -> Wire:
        await pause(random.random() * 3)
        wire = await arena.connect()
        await wire.hello(f"dev:v{number}")
        wire.beat_every(1)
        await wire.watch("busy")
        return wire

    writing = [asyncio.create_task(write(wire)) for wire in writers]
    viewers = await asyncio.gather(*(view(number) for number in range(300)))
    is_over.set()
    await asyncio.gather(*writing)

    def rosters() -> set[str]:
        return {repr(sorted(wire.folds.rooms["busy"].members.items())) for wire in viewers}

    await eventually(lambda: len(rosters()) == 1, within=3, what="one roster for all")
    last = await viewers[0].ask("sync", room="busy")
    assert last["type"] == "ok"
    await viewers[0].expect("snapshot")
    assert len(rosters()) == 1
    assert len({wire.folds.rooms["busy"].seq for wire in viewers}) == 1
    assert viewers[0].folds.names("busy") == sorted(f"w{number}" for number in range(20))
    assert all(wire.folds.rooms["busy"].snapshots == 1 for wire in viewers[1:])


async def test_a_reader_that_stops_slows_nobody_and_is_closed_and_may_resume(arena: Arena) -> None:
    ada, bob = [await arena.enter(name, "lobby", "big") for name in ("ada", "bob")]
    await fill(arena, "big")
    slow = await arena.enter("slow", "lobby", "big")
    await ada.event("lobby", "join", "slow")
    before = await latency(ada, bob, 1.5)
    await stop_reading(slow, arena)
    paused = time.monotonic()
    assert link_of(arena, "slow").connection.is_paused

    async def is_bounded() -> None:
        # What a paused connection holds grows by answers alone; nothing is rendered for it.
        held = held_bytes(link_of(arena, "slow"))
        await never(
            lambda: "slow" in linked(arena) and held_bytes(link_of(arena, "slow")) > held + 4_096,
            during=8,
            what="growth",
        )
        assert held <= REPLY_BYTES + PAUSE_BYTES

    meanwhile, _ = await asyncio.gather(latency(ada, bob, 8), is_bounded())
    assert meanwhile <= max(2 * before, WINDOW_SECONDS)
    await eventually(lambda: "slow" not in linked(arena), within=4, what="its close")
    took = time.monotonic() - paused
    assert UNDRAINED_SECONDS - 1 <= took <= UNDRAINED_SECONDS + SWEEP + 1 + arena.node.clock.stalled_seconds
    slow.socket.transport.resume_reading()
    assert await slow.closed() == 4202
    back = await arena.come_back(slow, "slow")
    assert back.welcome["resumed"]
    await ada.no_event("lobby", "leave", "slow", during=GRACE + SWEEP + PUBLISHING)


async def test_a_reader_that_asks_and_does_not_read_is_closed_by_the_bytes(arena: Arena) -> None:
    await fill(arena, "big")
    slow = await arena.enter("slow", "big")
    slow.socket.transport.pause_reading()
    asking = asyncio.create_task(ask_for_ever(slow))
    await eventually(lambda: "slow" not in linked(arena), within=8, what="its close")
    asking.cancel()
    slow.socket.transport.resume_reading()
    assert await slow.closed() == 4202
    assert (await arena.come_back(slow, "slow")).welcome["resumed"]


async def test_a_reader_that_goes_on_in_time_gets_each_stream_once_and_whole(arena: Arena) -> None:
    bob = await arena.enter("bob", "lobby", "big")
    await fill(arena, "big")
    slow = await arena.enter("slow", "lobby", "big")
    await stop_reading(slow, arena)
    for number in range(20):
        await bob.ask("update", room="lobby", state={"n": number})
        await pause(2 * WINDOW_SECONDS)
    seen = len([event for event in slow.folds.rooms["lobby"].events if event.kind == "update"])
    slow.socket.transport.resume_reading()
    await eventually(lambda: slow.folds.rooms["lobby"].members["bob"]["state"] == {"n": 19}, what="the newest state")
    after = len([event for event in slow.folds.rooms["lobby"].events if event.kind == "update"])
    assert after - seen <= 2
    await slow.never("ended", during=0.2)


async def fill(arena: Arena, room: str) -> None:
    """Make a roster of nearly 200 KiB."""
    for number in range(50):
        wire = await arena.enter(f"m{number}", beats=False)
        wire.beat_every(1)
        await wire.ask("join", room=room, state={"text": "x" * 4_000})


async def stop_reading(wire: Wire, arena: Arena) -> None:
    """Stop reading, and let answers fill the kernel's buffers until the server notices."""
    wire.socket.transport.pause_reading()
    link = link_of(arena, wire.welcome["user"]["id"])
    for number in range(10_000, 10_400):
        if link.connection.is_paused:
            return
        await wire.say("sync", id=number, room="big")
        await pause(0.02)
    raise AssertionError("the server never noticed")


async def ask_for_ever(wire: Wire) -> None:
    number = 20_000
    while True:
        number += 1
        await wire.say("sync", id=number, room="big")
        await pause(0.02)


def linked(arena: Arena) -> dict[str, Link]:
    return {link.owned.session.user_id: link for link in arena.node.driver.links if link.owned is not None}


def link_of(arena: Arena, user_id: str) -> Link:
    return linked(arena)[user_id]


def held_bytes(link: Link) -> int:
    transport = getattr(link.connection, "_transport", None)
    return int(transport.get_write_buffer_size()) if transport is not None else 0


async def latency(ada: Wire, bob: Wire, seconds: float) -> float:
    """The ninth decile of how long bob's updates take to reach ada."""
    found = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        since = time.monotonic()
        await bob.ask("update", room="lobby", state={"at": since})
        found.append(await ada.event("lobby", "update", "bob") - since)
        await pause(3 * WINDOW_SECONDS)
    return sorted(found)[len(found) * 9 // 10]


async def test_a_loop_that_stood_still_beyond_every_lease_loses_nobody(arena: Arena) -> None:
    ada, bob = [await arena.enter(name, "lobby") for name in ("ada", "bob")]
    await ada.event("lobby", "join", "bob")
    await arena.enter("carol", "lobby", beats=False)
    await ada.event("lobby", "join", "carol")
    silent = time.monotonic()
    held_up = LEASE + GRACE + 1
    stall(held_up)
    await ada.no_event("lobby", "leave", "bob", during=LEASE)
    left = await ada.event("lobby", "leave", "carol") - silent
    assert LEASE + GRACE <= left <= held_up + LEASE + GRACE + SWEEP + PUBLISHING + 0.5
    assert not ada.untaken("error", "ended") and not bob.untaken("error", "ended")
    assert arena.node.clock.stalled_seconds > held_up - 1
