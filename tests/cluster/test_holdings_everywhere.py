"""Who holds what, over nodes that share a store and a PostgreSQL: they grant, tell and end it as one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from hereabouts.testing.arena import Arena
from hereabouts.testing.fault_proxy import FaultProxy, Faults
from hereabouts.testing.process import serving
from hereabouts.testing.valkey import ValkeyServer
from hereabouts.testing.waiting import eventually, never
from hereabouts.testing.wire import Refused, Wire

Arenas = tuple[Arena, Arena]
Story = list[tuple[Any, ...]]

SOON_SECONDS = 2.0
"""Within so long a node shows what another one granted."""

BRIEF = {"idle_after_seconds": 3, "occupancy.release_after_seconds": 3}

LASTING = {"occupancy.release_after_seconds": 60}


def settings(name: str, store: str, database: str, **policy: Any) -> dict[str, Any]:
    return {
        "server": {"node": name},
        "backend": {"url": store},
        "journal": {"url": database},
        "policy": {"default": {"views_occupancy": {"admin": "full", "default": "existence"}} | policy},
    }


@pytest.fixture
async def both(store: ValkeyServer, database: str) -> AsyncIterator[Arenas]:
    async with two(settings("a", store.url, database), settings("b", store.url, database)) as arenas:
        yield arenas


@asynccontextmanager
async def two(first: dict[str, Any], second: dict[str, Any]) -> AsyncIterator[Arenas]:
    """Two servers that know of each other."""
    async with Arena(first) as a, Arena(second) as b:
        await eventually(lambda: a.node.switchboard.others() and b.node.switchboard.others())
        yield a, b


async def viewer(arena: Arena | Wire, kind: str = "desk") -> Wire:
    """An admin who follows a kind."""
    wire = await arena.enter("eve:admin") if isinstance(arena, Arena) else arena
    await wire.ask("watch", occupancy=[kind])
    await wire.expect("occupancy", where=lambda message: "held" in message)
    return wire


def story(wire: Wire) -> Story:
    """What the viewer was told since it began to look: event, resource, user, cause, where from, instead of whom."""
    frames = [frame.message for frame in wire.frames if frame.message["type"] == "occupancy"]
    events = [event for message in frames for event in message.get("events", ())]
    keys = ("event", "resource", "user_id", "cause", "from", "replaces")
    return [tuple(event.get(key) for key in keys) for event in events if event["event"] != "updated"]


def held(arena: Arena) -> set[tuple[str, str, int]]:
    return {(holding.resource, holding.user_id, holding.fencing) for holding in arena.node.holdings.picture}


async def test_a_viewer_of_another_node_sees_everything_in_order_and_once(both: Arenas) -> None:
    a, b = both
    eve, ada, bob = await viewer(b), await a.enter("ada"), await b.enter("bob")
    boss = await a.connect()
    await boss.hello("dev:boss:admin")
    boss.beat_every(0.5)
    await ada.ask("occupy", resource="desk:1")
    await eventually(lambda: len(story(eve)) == 1, within=SOON_SECONDS)
    # Who holds it is known at every node, and so is its number.
    with pytest.raises(Refused, match="occupied") as refused:
        await bob.ask("occupy", resource="desk:1")
    assert refused.value.error["holder"] == {"resource": "desk:1", "occupied": True}
    await ada.ask("occupy", resource="desk:2")
    await bob.ask("occupy", resource="desk:1")
    await ada.ask("release", resource="desk:2")
    await bob.ask("release", resource="desk:1")
    await ada.ask("occupy", resource="desk:3")
    expected: Story = [
        ("occupied", "desk:1", "ada", None, None, None),
        ("moved", "desk:2", "ada", None, "desk:1", None),
        ("occupied", "desk:1", "bob", None, None, None),
        ("released", "desk:2", "ada", "released", None, None),
        ("released", "desk:1", "bob", "released", None, None),
        ("occupied", "desk:3", "ada", None, None, None),
    ]
    await eventually(lambda: story(eve) == expected, within=SOON_SECONDS, what=f"{story(eve)}")
    await never(lambda: story(eve) != expected, during=1.5)
    assert held(a) == held(b)


async def test_a_take_over_at_one_node_is_told_to_the_loser_at_the_other(both: Arenas) -> None:
    a, b = both
    ada, eve = await a.enter("ada"), await viewer(b)
    await ada.ask("occupy", resource="desk:1")
    headers = {"Authorization": "Bearer dev:boss:admin"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{b.port}", headers=headers) as http:
        answer = await http.put("/v1/occupancy/desk/1", json={"on_conflict": "take_over"})
        assert answer.status_code == 200, answer.text
    told = await ada.expect("occupancy", within=SOON_SECONDS, where=lambda m: m["events"][0]["event"] == "released")
    assert told["events"][0]["cause"] == "taken_over"
    await eventually(lambda: len(story(eve)) == 2)
    assert story(eve)[1] == ("occupied", "desk:1", "boss", "taken_over", None, "ada")
    assert held(a) == held(b)


async def test_beats_at_one_node_keep_it_and_inactivity_ends_it_once(store: ValkeyServer, database: str) -> None:
    first, second = (settings(name, store.url, database, **BRIEF) for name in "ab")
    async with two(first, second) as (a, b):
        eve, ann = await viewer(a), await viewer(b)
        ada = await a.enter("ada", beats=False)
        active = ada.beat_every(0.5, active=True)
        await ada.ask("occupy", resource="desk:1")
        await eventually(lambda: len(story(ann)) == 1)
        # Longer than the time after which it would end, and after which its holder would be stale: 3 s each.
        await never(lambda: len(story(ann)) > 1 or any(t.times.is_stale for t in tenures(b)), during=4.5)
        active.cancel()
        ada.beat_every(0.5, active=False)
        expected = [("released", "desk:1", "ada", "inactivity", None, None)]
        await eventually(lambda: story(eve)[1:] == expected and story(ann)[1:] == expected, within=10)
        await never(lambda: len(story(eve)) > 2 or len(story(ann)) > 2, during=1)


def tenures(arena: Arena) -> list[Any]:
    return list(arena.node.holdings.picture.tenures._tenures.values())


async def test_the_last_close_at_one_node_ends_what_was_granted_at_the_other(both: Arenas) -> None:
    a, b = both
    eve = await viewer(a)
    for turn in range(5):
        ada, there = await a.enter("ada"), await b.enter("ada")
        await ada.ask("occupy", resource=f"desk:{turn}")
        await ada.say("bye")
        # Not waiting for the bell.
        await there.say("bye")
        told = 2 * turn + 2
        await eventually(lambda told=told: len(story(eve)) == told)  # type: ignore[misc]
        assert story(eve)[-1] == ("released", f"desk:{turn}", "ada", "leave", None, None)
    assert held(a) == held(b) == set()


async def test_however_grants_and_last_closes_race_nothing_is_left_behind(both: Arenas) -> None:
    a, b = both
    random = Random(5)
    for turn in range(25):
        first, second = random.sample(both, 2)
        here, there = await first.enter("ada", beats=False), await second.enter("ada", beats=False)

        async def take(wire: Wire = here, desk: int = turn) -> None:
            with suppress(AssertionError):  # its connection may end before the answer
                await wire.ask("occupy", resource=f"desk:{desk}")

        acts = [take(), here.say("bye"), there.say("bye")]
        random.shuffle(acts)
        await asyncio.gather(*acts)
        await asyncio.gather(here.closed(), there.closed())
    await eventually(lambda: held(a) == held(b) == set(), what=f"{held(a)} and {held(b)}")
    kept = a.node.context.journal.occupancies
    assert kept is not None
    assert [standing.holdings for standing in await kept.standing()] == [()]


async def test_what_a_dying_node_did_not_end_another_one_does(store: ValkeyServer, database: str) -> None:
    first, second = (settings(name, store.url, database, **LASTING) for name in "ab")
    async with two(first, second) as (a, b):
        eve, ada = await viewer(b), await a.enter("ada")
        await ada.ask("occupy", resource="desk:1")
        await ada.ask("occupy", resource="room:1")
        # Its session is taken away, and the node dies before it has ended what the session held.
        a.node.writer._departed = lambda feed, cause: None
        await ada.say("bye")
        await ada.closed()
        for arena in (a, b):
            arena.node.doubt()
        await eventually(lambda: len(story(eve)) == 2, within=10)
        assert story(eve)[1] == ("released", "desk:1", "ada", "node_lost", None, None)
        await eventually(lambda: held(a) == held(b) == set())


async def test_of_a_hundred_contenders_at_both_nodes_one_has_it_and_both_show_the_same(both: Arenas) -> None:
    a, b = both
    eve, ann = await viewer(a), await viewer(b)
    wires = [await (a, b)[number % 2].enter(f"u{number}", beats=False) for number in range(100)]

    async def contend(wire: Wire) -> bool:
        try:
            await wire.ask("occupy", resource="desk:1")
        except Refused as refused:
            assert refused.code == "occupied"
            return False
        return True

    assert sum(await asyncio.gather(*map(contend, wires))) == 1
    await eventually(lambda: held(a) == held(b) and len(held(a)) == 1, within=SOON_SECONDS)
    await eventually(lambda: len(story(eve)) == len(story(ann)) == 1)
    assert story(eve) == story(ann)


async def test_a_bell_that_is_lost_is_made_good(store: ValkeyServer, database: str) -> None:
    async with FaultProxy("127.0.0.1", store.port, random=Random(1)) as path:
        through = f"valkey://127.0.0.1:{path.port}/0"
        first, second = settings("a", store.url, database, **LASTING), settings("b", through, database, **LASTING)
        async with two(first, second) as (a, b):
            eve, ada, bob = await viewer(b), await a.enter("ada"), await b.enter("bob")
            path.up = path.down = Faults(is_held=True)
            await ada.ask("occupy", resource="desk:1")
            await ada.ask("occupy", resource="desk:2")
            expected: Story = [
                ("occupied", "desk:1", "ada", None, None, None),
                ("moved", "desk:2", "ada", None, "desk:1", None),
            ]
            await eventually(lambda: story(eve) == expected, within=SOON_SECONDS + 1)
            # Cut off for longer than the holder may be silent: nobody who could not be asked about is judged.
            await never(lambda: story(eve) != expected or any(t.times.is_stale for t in tenures(b)), during=4)
            with pytest.raises(Refused, match="degraded"):
                await bob.ask("occupy", within=10, resource="desk:3")
            path.up = path.down = Faults()
            await ada.ask("release", resource="desk:2")
            await eventually(lambda: len(story(eve)) == 3)
            assert held(a) == held(b) == set()


async def test_a_node_that_dies_or_starts_again_leaves_one_picture(
    store: ValkeyServer, database: str, tmp_path: Path
) -> None:
    config = (
        '[policy.default]\npreset = "test"\nviews_occupancy = {{ default = "full" }}\n'
        "occupancy.release_after_seconds = 60\n"
        f'[server]\nnode = "{{name}}"\ndrain_seconds = 0\n'
        f'[backend]\nurl = "{store.url}"\n[journal]\nurl = "{database}"\n'
    )
    async with AsyncExitStack() as stack:
        for name in "ab":
            (tmp_path / name).mkdir()
        a, b = [await stack.enter_async_context(serving(tmp_path / name, config.format(name=name))) for name in "ab"]
        wires = {name: await Wire.open(node.url) for name, node in (("eve", b), ("bob", b), ("ada", a))}
        for name, wire in wires.items():
            await wire.hello(f"dev:{name}")
            wire.beat_every(0.5, active=True)
            stack.push_async_callback(wire.close)
        eve = await viewer(wires["eve"])
        await wires["bob"].ask("occupy", resource="desk:2")
        await wires["ada"].ask("occupy", resource="desk:1")
        await eventually(lambda: len(story(eve)) == 2)
        # What a's process no longer ends, another one does, once.
        await a.end(signal.SIGKILL)
        ended = ("released", "desk:1", "ada", "node_lost", None, None)
        await eventually(lambda: story(eve)[2:] == [ended], within=12)
        # One that starts again ends nothing of the others', and takes part.
        await a.start()
        back = await Wire.open(a.url)
        stack.push_async_callback(back.close)
        await back.hello("dev:dan")
        back.beat_every(0.5)
        await back.ask("watch", occupancy=["desk"])
        shown = await back.expect("occupancy", where=lambda message: "held" in message)
        assert [(holding["resource"], holding["user_id"]) for holding in shown["held"]] == [("desk:2", "bob")]
        with pytest.raises(Refused, match="occupied") as refused:
            await back.ask("occupy", resource="desk:2")
        assert refused.value.error["holder"]["user_id"] == "bob"
        await never(lambda: len(story(eve)) > 3 or len(story(back)) > 0, during=2)
        await wires["bob"].ask("release", resource="desk:2")
        await back.ask("occupy", resource="desk:2")
        await eventually(lambda: len(story(eve)) == 5 and len(story(back)) == 2)


async def test_nodes_with_a_journal_each_grant_nothing(store: ValkeyServer, tmp_path: Path) -> None:
    async with Arena(settings("a", store.url, f"sqlite:///{tmp_path}/a.db")) as a:
        ada = await a.enter("ada")
        with pytest.raises(Refused, match="unsupported: nodes that share a store must share a journal"):
            await ada.ask("occupy", resource="desk:1")
        await ada.say("bye")
