"""What all nodes are told: in order, once each, and again to those that did not answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from msgspec import Struct

from hereabouts.engine.records import Now, Owner
from hereabouts.runtime.context import Context
from hereabouts.runtime.switchboard import Answered, Switchboard
from hereabouts.runtime.telling import TOLD_SECONDS, Telling

B, C, LATER = Owner("b", 1), Owner("c", 1), Owner("d", 1)


class Word(Struct, frozen=True):
    text: str


class Nodes:
    """Other nodes: which live, which are deaf, and what each heard."""

    def __init__(self, *living: Owner) -> None:
        self.living = living
        self.deaf: set[Owner] = set()
        self.heard: dict[Owner, list[str]] = {B: [], C: [], LATER: []}
        self.tick = 0.0
        backend = SimpleNamespace(peers=object())
        context = SimpleNamespace(backend=backend, now=lambda: Now(self.tick, 0), failed=None)
        self.telling = Telling(cast(Context, context), cast(Switchboard, self))

    def others(self) -> tuple[Owner, ...]:
        return self.living

    async def ask(self, owner: Owner, question: Word) -> Answered | None:
        if owner in self.deaf:
            return None
        self.heard[owner].append(question.text)
        return Answered()


async def test_a_node_that_was_deaf_hears_all_in_order_and_once() -> None:
    nodes = Nodes(B, C)
    nodes.deaf = {C}
    assert (await nodes.telling.all(Word("one"))).silent == ["c"]
    nodes.deaf = set()
    told = await nodes.telling.all(Word("two"))
    assert (len(told.answers), told.silent) == (2, [])
    await nodes.telling.look_again()
    assert nodes.heard[B] == nodes.heard[C] == ["one", "two"]


async def test_a_node_that_is_away_is_told_when_it_is_back_and_a_new_one_nothing_of_before() -> None:
    nodes = Nodes(B, C)
    await nodes.telling.look_again()
    nodes.living = (B,)
    assert (await nodes.telling.all(Word("one"))).silent == ["c"]
    nodes.living = (B, C, LATER)
    await nodes.telling.look_again()
    assert (nodes.heard[C], nodes.heard[LATER]) == (["one"], [])


async def test_after_five_minutes_it_is_told_no_more() -> None:
    nodes = Nodes(B)
    nodes.deaf = {B}
    await nodes.telling.all(Word("one"))
    nodes.deaf, nodes.tick = set(), TOLD_SECONDS + 1
    await nodes.telling.look_again()
    assert nodes.heard[B] == []
    assert (await nodes.telling.all(Word("two"))).silent == []
    assert nodes.heard[B] == ["two"]
