"""What every node must do, told to each of the others in order, until it has done it or for five minutes.

A node that is cut off for a while hears what was said meanwhile as soon as it is back. One that starts later is told
nothing of before: it reads the journal.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, NamedTuple

from msgspec import Struct

from hereabouts.engine.records import Owner
from hereabouts.runtime.context import Context
from hereabouts.runtime.switchboard import Answered, Switchboard
from hereabouts.tasks import Tasks

TOLD_SECONDS: Final = 300.0
"""For how long a node that does not answer is told again."""

AGAIN_SECONDS: Final = 0.5
"""How often it is looked at who has not been told yet. A node that was cut off is to know within two beats."""


class Told(NamedTuple):
    """What the nodes answered that did, and the names of those that have not yet."""

    answers: list[Answered]
    silent: list[str]


class _Word(NamedTuple):
    number: int
    until_tick: float
    question: Struct
    answers: dict[Owner, Answered]


class Telling:
    """Tells all other nodes."""

    def __init__(self, context: Context, switchboard: Switchboard) -> None:
        self._context = context
        self._switchboard = switchboard
        self._words: deque[_Word] = deque()
        self._last = 0
        self._reached: dict[Owner, int] = {}
        self._locks: dict[Owner, asyncio.Lock] = {}
        self._tasks = Tasks(context.failed)

    def start(self) -> None:
        """Tell again, from now on, those that did not answer."""
        if self._context.backend.peers is not None:
            self._tasks.repeat(self.look_again, AGAIN_SECONDS)

    async def stop(self) -> None:
        """Tell nobody any more."""
        await self._tasks.end()

    async def all(self, question: Struct) -> Told:
        """Tell every other node. Returns when each has answered, or a second has passed."""
        if self._context.backend.peers is None:
            return Told([], [])
        self._meet()
        self._last += 1
        word = _Word(self._last, self._context.now().tick + TOLD_SECONDS, question, {})
        self._words.append(word)
        # Also those that are cut off at this moment: they are told when they are back.
        known = tuple(self._reached)
        await asyncio.gather(*(self._catch_up(owner) for owner in self._switchboard.others()))
        return Told(list(word.answers.values()), sorted({o.node for o in known if o not in word.answers}))

    def _meet(self) -> None:
        """A node that is new is told what is said from now on."""
        for owner in self._switchboard.others():
            self._reached.setdefault(owner, self._last)

    async def look_again(self) -> None:
        """Tell those that live what they have not been told."""
        self._meet()
        self._forget()
        behind = [owner for owner in self._switchboard.others() if self._reached[owner] < self._last]
        await asyncio.gather(*(self._catch_up(owner) for owner in behind))

    async def _catch_up(self, owner: Owner) -> None:
        async with self._locks.setdefault(owner, asyncio.Lock()):
            for word in tuple(self._words):
                if word.number <= self._reached[owner]:
                    continue
                answered = await self._switchboard.ask(owner, word.question)
                if answered is None:
                    return
                word.answers[owner] = answered
                self._reached[owner] = word.number
                if answered.code == "internal":
                    self._context.failed(RuntimeError(f"node {owner.node}: {answered.message}"))

    def _forget(self) -> None:
        """What is too old to be told, and the nodes that are gone when nothing is left to be told to them."""
        while self._words and self._words[0].until_tick < self._context.now().tick:
            self._words.popleft()
        if not self._words:
            for owner in set(self._reached) - set(self._switchboard.others()):
                del self._reached[owner]
                self._locks.pop(owner, None)
