"""Who was here at a moment, out of the record, against what was told at that moment; also when the node was killed.

Random lives run on a real node; what its recorder says goes through the journal's own writer into a file, and at
random moments what others are told of each user is noted.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from hereabouts.engine.records import FeedKey
from hereabouts.engine.status import fold
from hereabouts.journal.base import Row
from hereabouts.journal.history import Pick, UserThen
from hereabouts.journal.none import NoJournal
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.testing import virtual_time
from hereabouts.testing.world import ScriptedClient, World

T: Final = "default"
USERS: Final = ("ada", "bob", "eve")
ALIVE_SECONDS: Final = 5.0
FLUSH_SECONDS: Final = 0.05
LOST_MS: Final = 100
"""Rows of the last moment before a kill are lost: twice the time after which they are written."""

ACTIONS: Final = ("enter", "enter", "bye", "drop", "silence", "idle", "hide", "busy", "available", "invisible")


class Act(NamedTuple):
    """After a while, a user does something."""

    pause: float
    user_id: str
    action: str


ACTS = st.lists(
    st.builds(Act, st.floats(0.05, 4.0), st.sampled_from(USERS), st.sampled_from(ACTIONS)), min_size=1, max_size=25
)


class Told(NamedTuple):
    """Who was here at a moment, as others were told."""

    at: int
    statuses: dict[str, str]


class Notebook(NoJournal):
    """Keeps every row with the moment at which it was taken."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[int, Row]] = []
        self.world: World | None = None

    def record(self, rows: Sequence[Row]) -> None:
        super().record(rows)
        assert self.world is not None
        at = int(self.world.wall() * 1000)
        self.taken += [(at, row) for row in rows]


class Lived(NamedTuple):
    """What a node left behind."""

    taken: list[tuple[int, Row]]
    told: list[Told]
    alive_at: int
    ended_at: int


def live(acts: Sequence[Act], seed: int) -> Lived:
    """Let users live; what was recorded and told."""

    async def scene() -> Lived:
        book = Notebook()
        world = book.world = World(seed, journal=book)
        async with world:
            told: list[Told] = []
            watching = asyncio.create_task(_note(world, Random(seed), told))
            began, tabs = world.tick, dict[str, list[ScriptedClient]]()
            for act in acts:
                await asyncio.sleep(act.pause)
                await _do(world, tabs.setdefault(act.user_id, []), act)
            await asyncio.sleep(0.2)
            watching.cancel()
            alive = began + (world.tick - began) // ALIVE_SECONDS * ALIVE_SECONDS
            ahead = world.wall_ahead_seconds
            return Lived(book.taken, told, int((alive + ahead) * 1000), int(world.wall() * 1000))

    return virtual_time.run(scene())


async def _note(world: World, random: Random, told: list[Told]) -> None:
    while True:
        await asyncio.sleep(random.uniform(0.01, 1.5))
        at, statuses = int(world.wall() * 1000), dict[str, str]()
        for user in USERS:
            snapshot = await world.backend.snapshot(FeedKey(T, "user", user))
            statuses[user] = fold(snapshot.records).status
        told.append(Told(at, {user: status for user, status in statuses.items() if status != "offline"}))


async def _do(world: World, tabs: list[ScriptedClient], act: Act) -> None:
    if act.action == "enter":
        tabs.append(await world.enter(act.user_id, "lobby"))
        return
    if not tabs:
        return
    tab = tabs[-1]
    if act.action in ("busy", "available", "invisible"):
        await tab.ask("status", status=act.action)
        return
    if act.action == "idle":
        tab.beat(active=False)
        return
    if act.action == "hide":
        tab.beat(visible=False)
        return
    world.silence(tab)
    tabs.pop()
    if act.action == "bye":
        tab.say("bye")
    elif act.action == "drop":
        tab.drop()


async def written(lived: Lived, path: Path, is_killed: bool, noticed_at: int) -> SqliteJournal:
    """The journal of the next process."""
    journal = SqliteJournal(path, flush_seconds=0.001)
    await journal.open()
    until_at = lived.ended_at - LOST_MS if is_killed else lived.ended_at
    journal.record([row for at, row in lived.taken if at <= until_at])
    await journal.flush()
    if is_killed:
        await journal.alive("n0", lived.alive_at)
        await journal.recover("n0", noticed_at)
    return journal


async def compare(lived: Lived, journal: SqliteJournal, until_at: int, certain_until_at: int) -> None:
    """Each thing that was told must be what the record says; after the last sign of life perhaps with a doubt."""
    turned = {at for at, _ in lived.taken}
    for told in lived.told:
        # In the very millisecond of a change both are true.
        if told.at in turned or told.at >= until_at:
            continue
        found = await journal.history.at(T, told.at, Pick())
        assert [user.user_id for user in found if not user.sessions] == [], told
        certain = statuses([user for user in found if not user.is_approximate])
        if told.at < certain_until_at:
            assert (certain, len(found)) == (told.statuses, len(certain))
        else:
            doubted = statuses(found)
            assert certain.items() <= told.statuses.items() <= doubted.items(), (told, found)


def statuses(users: Sequence[UserThen]) -> dict[str, str]:
    return {user.user_id: user.status for user in users}


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(ACTS, st.integers(0, 1_000), st.booleans(), st.integers(0, 60_000))
def test_who_was_here_is_what_was_told(acts: list[Act], seed: int, is_killed: bool, down_ms: int) -> None:
    lived = live(acts, seed)

    async def check() -> None:
        with tempfile.TemporaryDirectory() as folder:
            noticed_at = lived.ended_at + down_ms
            journal = await written(lived, Path(folder) / "journal.db", is_killed, noticed_at)
            try:
                end_at = lived.ended_at - LOST_MS if is_killed else lived.ended_at
                await compare(lived, journal, end_at, min(lived.alive_at, end_at) if is_killed else end_at)
                if is_killed:
                    assert await journal.history.at(T, noticed_at, Pick()) == []
            finally:
                await journal.close()

    asyncio.run(check())
