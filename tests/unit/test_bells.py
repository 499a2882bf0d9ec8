"""Several nodes over one journal: whatever bells are lost, each applies what was decided, in order and once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec import Struct

from hereabouts.engine.occupancy import Ask, Giving, Happening, Terms, kind_of
from hereabouts.engine.records import Owner
from hereabouts.errors import JournalUnavailable
from hereabouts.journal.occupancies import MemoryOccupancies, Position
from hereabouts.runtime.bells import Bell, Bells
from hereabouts.runtime.context import Context
from hereabouts.runtime.deciding import Kind
from hereabouts.runtime.picture import Picture
from hereabouts.runtime.switchboard import Switchboard

T, AT = "default", 1_800_000_000_000

Story = list[tuple[str, str, str, int]]


class Net:
    """The bells between nodes; `deaf` ones hear none."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.deaf: set[int] = set()


class Node:
    """One node: its picture, and the story that it told its viewers. It is its own switchboard."""

    def __init__(self, net: Net, kept: MemoryOccupancies) -> None:
        self.net, self.kept, self.number = net, kept, len(net.nodes)
        self.kinds: dict[tuple[str, str], Kind] = {}
        self.story: Story = []
        self.faults: list[BaseException] = []
        self.hear: Callable[[Bell], Awaitable[object]]
        backend, journal = SimpleNamespace(peers=object()), SimpleNamespace(occupancies=kept)
        context = SimpleNamespace(backend=backend, journal=journal, failed=self.faults.append)
        self.bells = Bells(cast(Context, context), cast(Switchboard, self), cast(Picture, self))
        net.nodes.append(self)

    # As a switchboard

    def answer(self, question: type[Bell], act: Callable[[Bell], Awaitable[object]]) -> None:
        self.hear = act

    def others(self) -> tuple[Owner, ...]:
        return tuple(Owner(str(node.number), 1) for node in self.net.nodes if node is not self)

    async def ask_each(self, owners: tuple[Owner, ...], question: Struct) -> dict[Owner, Any]:
        for owner in owners:
            if int(owner.node) not in self.net.deaf:
                await self.net.nodes[int(owner.node)].hear(cast(Bell, question))
        return {}

    # As a picture

    def kind(self, tenant: str, name: str) -> Kind:
        return self.kinds.setdefault((tenant, name), Kind(tenant, name))

    def tidy(self, kind: Kind) -> None:
        if not kind.is_needed:
            self.kinds.pop((kind.tenant, kind.name), None)

    def apply(self, kind: Kind, happenings: tuple[Happening, ...]) -> None:
        kind.held.apply(happenings)
        self.story += [(h.kind, h.holding.resource, h.holding.user_id, h.holding.fencing) for h in happenings]

    # As what decides

    async def decide(self, act: Ask | Giving) -> None:
        kind = self.kind(act.tenant, kind_of(act.resource))
        async with kind.turn():
            if isinstance(act, Ask):
                decision: Any = await self.kept.occupy(act, Terms(), AT)
            else:
                decision = await self.kept.release(act, AT)
            await self.bells.decided(kind, getattr(decision, "happenings", ()))

    def held(self) -> set[tuple[str, str, int]]:
        return {(h.resource, h.user_id, h.fencing) for kind in self.kinds.values() for h in kind.held}


async def settled() -> None:
    """Let everything run that waits for nothing but its turn."""
    for _ in range(50):
        await asyncio.sleep(0)


async def history(kept: MemoryOccupancies) -> Story:
    rows = await kept.history(T, "desk", limit=10_000)
    return [(row.event, row.resource, row.user_id, row.fencing) for row in rows]


@pytest.mark.parametrize("seed", range(20))
async def test_every_node_tells_the_whole_story_once_and_in_order(seed: int) -> None:
    random, net, kept = Random(seed), Net(), MemoryOccupancies()
    nodes = [Node(net, kept) for _ in range(3)]
    for node in nodes:
        node.bells.start({})

    async def live(node: Node) -> None:
        for _ in range(40):
            net.deaf = {number for number in range(3) if random.random() < 0.3}
            user, desk = f"u{random.randrange(5)}", f"desk:{random.randrange(3)}"
            asks = random.random() < 0.6
            await node.decide(
                Ask(T, desk, user, may_take_over=random.random() < 0.4) if asks else Giving(T, desk, user)
            )
            await asyncio.sleep(0)

    await asyncio.gather(*map(live, nodes))
    await settled()
    for node in nodes:
        await node.bells.look()
        assert node.story == await history(kept)
        assert node.held() == nodes[0].held()
        assert node.faults == []
        await node.bells.stop()


async def test_who_hears_the_bell_need_not_look() -> None:
    net, kept = Net(), MemoryOccupancies()
    a, b = Node(net, kept), Node(net, kept)
    for node in (a, b):
        node.bells.start({})
    await settled()  # the look with which each begins is over
    await a.decide(Ask(T, "desk:1", "ada"))
    await settled()
    assert b.story == a.story == [("occupied", "desk:1", "ada", 1)]
    for node in (a, b):
        await node.bells.stop()


async def test_who_begins_later_tells_nothing_of_before() -> None:
    net, kept = Net(), MemoryOccupancies()
    a, late = Node(net, kept), Node(net, kept)
    a.bells.start({})
    await a.decide(Ask(T, "desk:1", "ada"))
    (standing,) = await kept.standing()
    for holding in standing.holdings:
        late.kind(T, "desk").held.put(holding)
    late.bells.start({(T, "desk"): standing.position})
    await late.bells.look()
    assert late.story == []
    await a.decide(Giving(T, "desk:1", "ada"))
    await settled()
    assert late.story == [("released", "desk:1", "ada", 1)]
    for node in (a, late):
        await node.bells.stop()


async def test_another_history_is_taken_as_it_stands() -> None:
    net, kept = Net(), MemoryOccupancies()
    node = Node(net, kept)
    node.bells.start({(T, "desk"): Position("a history that was lost", 7), (T, "room"): Position("gone", 3)})
    await kept.occupy(Ask(T, "desk:1", "ada"), Terms(), AT)
    await node.bells.look()
    assert node.held() == {("desk:1", "ada", 1)}
    await kept.release(Giving(T, "desk:1", "ada"), AT)
    await node.bells.look()
    assert node.story == [("occupied", "desk:1", "ada", 1), ("released", "desk:1", "ada", 1)]
    await node.bells.stop()


async def test_what_was_decided_stands_though_it_cannot_be_read_now() -> None:
    net, kept = Net(), Hiding()
    a, b = Node(net, kept), Node(net, kept)
    for node in (a, b):
        node.bells.start({})
    kept.is_hidden = True
    await a.decide(Ask(T, "desk:1", "ada"))
    await settled()
    assert (a.story, len(a.faults), b.faults) == ([], 1, [])
    kept.is_hidden = False
    for node in (a, b):
        await node.bells.look()
        assert node.held() == {("desk:1", "ada", 1)}
        await node.bells.stop()


class Hiding(MemoryOccupancies):
    """Decides, but may not tell."""

    is_hidden = False

    async def steps(self, *place: Any) -> Any:
        if self.is_hidden:
            raise JournalUnavailable("not now")
        return await super().steps(*place)
