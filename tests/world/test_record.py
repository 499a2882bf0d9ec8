"""What the journal is told, and what it is not: by what happened, never by beats, as far as the policy wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

import pytest

from hereabouts.journal.base import Declared, LastSeen, Row, SessionClosed, SessionOpened, Transition
from hereabouts.journal.none import NoJournal
from hereabouts.testing import virtual_time
from hereabouts.testing.world import World

R = TypeVar("R", bound=Row)


class Notebook(NoJournal):
    """Keeps every row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []

    def record(self, rows: Sequence[Row]) -> None:
        super().record(rows)
        self.rows += rows

    def of(self, kind: type[R], user_id: str = "ada") -> list[R]:
        return [
            row
            for row in self.rows
            if isinstance(row, kind) and (isinstance(row, SessionClosed) or row.user_id == user_id)
        ]

    def turns(self) -> list[tuple[str, str, str | None]]:
        return [(row.before, row.after, row.cause) for row in self.of(Transition)]


class Recorded(World):
    """A world with a notebook for its journal."""

    def __init__(self, durability: str = "transitions") -> None:
        self.book = Notebook()
        policy = {"default": {"preset": "test", "durability": durability}}
        super().__init__(policy=policy, journal=self.book)

    async def __aenter__(self) -> Recorded:
        await super().__aenter__()
        return self

    @property
    def at(self) -> int:
        return int(self.wall() * 1000)


def test_a_session_is_recorded_with_its_begin_and_end() -> None:
    async def scene() -> None:
        async with Recorded() as world:
            began_at = world.at
            ada = await world.enter("ada", "lobby", platform="web")
            await asyncio.sleep(3)
            ada.say("bye")
            await asyncio.sleep(1)
            (opened,), (closed,) = world.book.of(SessionOpened), world.book.of(SessionClosed)
            assert (opened.node, opened.platform, opened.session_id) == ("n0", "web", closed.session_id)
            assert began_at <= opened.opened_at <= closed.last_seen_at <= closed.closed_at <= world.at
            assert (closed.cause, closed.is_approximate) == ("leave", False)
            assert world.book.turns() == [("offline", "online", None), ("online", "offline", "leave")]
            last = world.book.of(LastSeen)[-1]
            assert (last.seen_at, last.public_seen_at) == (closed.last_seen_at, closed.last_seen_at)

    virtual_time.run(scene())


@pytest.mark.parametrize("seconds", [10, 100])
def test_beats_are_not_recorded(seconds: int) -> None:
    async def scene() -> None:
        async with Recorded() as world:
            ada = await world.enter("ada", "lobby")
            before = len(world.book.rows)
            for _ in range(seconds):
                ada.beat(active=True)
                await asyncio.sleep(1)
            assert len(world.book.rows) == before

    virtual_time.run(scene())


def test_a_lost_session_is_recorded_with_when_it_was_last_seen() -> None:
    async def scene() -> None:
        async with Recorded() as world:
            ada = await world.enter("ada")
            await asyncio.sleep(2)
            world.silence(ada)
            silent_at = world.at
            await asyncio.sleep(world.policy.lease_visible_seconds + world.policy.grace_seconds + 2)
            (closed,) = world.book.of(SessionClosed)
            assert closed.cause == "lease_expired"
            assert closed.last_seen_at <= silent_at < closed.closed_at
            assert world.book.of(LastSeen)[-1].public_seen_at == closed.last_seen_at

    virtual_time.run(scene())


def test_a_second_tab_is_a_session_and_no_transition() -> None:
    async def scene() -> None:
        async with Recorded() as world:
            await world.enter("ada")
            second = await world.enter("ada")
            second.say("bye")
            await asyncio.sleep(1)
            assert (len(world.book.of(SessionOpened)), len(world.book.of(SessionClosed))) == (2, 1)
            assert world.book.turns() == [("offline", "online", None)]

    virtual_time.run(scene())


def test_what_is_declared_and_its_end_are_transitions() -> None:
    async def scene() -> None:
        async with Recorded() as world:
            ada = await world.enter("ada")
            await ada.ask("status", status="dnd", until_at=world.at + 2_000)
            await asyncio.sleep(3)
            await ada.ask("status", status="busy")
            await ada.ask("status", status="available")
            assert world.book.turns() == [
                ("offline", "online", None), ("online", "dnd", None), ("dnd", "online", None),
                ("online", "busy", None), ("busy", "online", None),
            ]  # fmt: skip
            assert [row.status for row in world.book.of(Declared)] == ["dnd", "busy", "available"]

    virtual_time.run(scene())


def test_what_is_declared_while_signing_out_is_kept() -> None:
    async def scene() -> None:
        async with Recorded() as world:
            ada = await world.enter("ada", "lobby")
            ada.say("status", id=1, status="dnd", text="gone fishing")
            ada.say("bye")
            await asyncio.sleep(1)
            assert [(row.status, row.text) for row in world.book.of(Declared)] == [("dnd", "gone fishing")]
            assert world.book.turns()[-1] == ("dnd", "offline", "leave")

    virtual_time.run(scene())


def test_somebody_invisible_was_last_seen_when_they_became_so() -> None:
    async def scene() -> None:
        async with Recorded() as world:
            ada = await world.enter("ada")
            await asyncio.sleep(2)
            await ada.ask("status", status="invisible")
            hidden_at = world.at
            await asyncio.sleep(5)
            ada.say("bye")
            await asyncio.sleep(1)
            assert world.book.turns() == [("offline", "online", None), ("online", "offline", "leave")]
            last = world.book.of(LastSeen)[-1]
            assert last.seen_at is not None and last.seen_at > hidden_at, "the record itself knows"
            assert last.public_seen_at is not None and last.public_seen_at <= hidden_at
            watcher = await world.observer()
            await watcher.ask("watch", users=["ada"])
            assert watcher.users["ada"]["last_seen_at"] == last.public_seen_at

    virtual_time.run(scene())


def test_who_comes_back_from_invisible_is_seen_again() -> None:
    async def scene() -> None:
        async with Recorded() as world:
            ada = await world.enter("ada")
            await ada.ask("status", status="invisible")
            await asyncio.sleep(3)
            await ada.ask("status", status="available")
            last = world.book.of(LastSeen)[-1]
            assert last.public_seen_at == last.seen_at
            assert world.book.turns()[-1] == ("offline", "online", None)

    virtual_time.run(scene())


def test_with_durability_none_only_what_was_declared_is_kept() -> None:
    async def scene() -> None:
        async with Recorded("none") as world:
            ada = await world.enter("ada", "lobby")
            await ada.ask("status", status="busy")
            ada.say("bye")
            await asyncio.sleep(1)
            assert {type(row) for row in world.book.rows} == {Declared}

    virtual_time.run(scene())


def test_throttled_writes_last_seen_of_each_user_at_most_every_n_seconds() -> None:
    async def scene() -> None:
        async with Recorded("throttled(10)") as world:
            tabs = [await world.enter(name) for name in ("ada", "ada", "bob")]
            await asyncio.sleep(0.5)
            before = len(world.book.rows)
            for _ in range(95):
                for tab in tabs:
                    tab.beat(active=True)
                await asyncio.sleep(1)
            for name in ("ada", "bob"):
                times = [row.seen_at for row in world.book.of(LastSeen, name)[1:]]
                assert len(times) == 9, name
                assert times == sorted(set(times), key=lambda at: at or 0), "each is newer than the one before"
            assert len(world.book.rows) == before + 18, "and nothing else is written"

    virtual_time.run(scene())


def test_throttled_writes_nothing_of_who_was_not_seen_or_has_gone() -> None:
    async def scene() -> None:
        async with Recorded("throttled(2)") as world:
            ada = await world.enter("ada")
            world.silence(ada)
            await asyncio.sleep(0.5)
            ada.say("bye")
            await asyncio.sleep(1)
            rows = len(world.book.rows)
            await asyncio.sleep(20)
            assert len(world.book.rows) == rows
            deadlines = len(world.nodes[0].timers)
            await world.enter("ada")
            await asyncio.sleep(5)
            assert len(world.book.rows) > rows + 3, "a new session is looked at again"
            assert len(world.nodes[0].timers) <= deadlines + 4

    virtual_time.run(scene())


def test_throttled_does_not_tell_of_somebody_invisible() -> None:
    async def scene() -> None:
        async with Recorded("throttled(2)") as world:
            ada = await world.enter("ada")
            await asyncio.sleep(1)
            await ada.ask("status", status="invisible")
            hidden_at = world.at
            await asyncio.sleep(10)
            last = world.book.of(LastSeen)[-1]
            assert last.seen_at is not None and last.seen_at > hidden_at + 5_000
            assert last.public_seen_at is not None and last.public_seen_at <= hidden_at

    virtual_time.run(scene())


def test_somebody_left_by_a_beacon_who_comes_back_has_the_same_session() -> None:
    async def scene() -> None:
        async with Recorded() as world:
            ada = await world.enter("ada")
            world.nodes[0].beats.leave(ada.welcome["leave_token"], None)
            world.silence(ada)
            await asyncio.sleep(4)
            (closed,) = world.book.of(SessionClosed)
            assert closed.cause == "beacon"
            await ada.hello(resume=True)
            await asyncio.sleep(0.5)
            first, *more = world.book.of(SessionOpened)
            assert all((row.session_id, row.opened_at) == (first.session_id, first.opened_at) for row in more)

    virtual_time.run(scene())
