"""What comes between two words to the store: the Valkey backend on the toy that holds what it holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Any

import pytest

from hereabouts.backends.base import Place
from hereabouts.backends.valkey import listening
from hereabouts.backends.valkey.asking import ASK_SECONDS
from hereabouts.engine.records import Put
from hereabouts.errors import StoreUnavailable
from hereabouts.testing.backend_contract import ELSEWHERE, HERE, ROOM, record, removal
from hereabouts.testing.clock import START_AT
from hereabouts.testing.mirror import Mirror
from hereabouts.testing.shared import Line, SharedBackend
from hereabouts.testing.toy_valkey import ToyValkey
from hereabouts.testing.waiting import eventually


@asynccontextmanager
async def two(line: Line | None = None) -> AsyncIterator[tuple[ToyValkey, SharedBackend, SharedBackend]]:
    """A store, and the handles of two nodes on it, the first over this line."""
    toy = ToyValkey(lambda: START_AT) if line is None else line.engine
    async with AsyncExitStack() as stack:
        here = SharedBackend(line or Line(toy, Random(1)), HERE)
        there = SharedBackend(Line(toy, Random(1)), ELSEWHERE)
        for backend in (here, there):
            await backend.open()
            stack.push_async_callback(backend.close)
        yield toy, here, there


async def test_a_feed_that_is_let_go_of_and_followed_again_at_once_is_heard() -> None:
    async with two() as (_, here, there):
        first, second = Mirror(ROOM), Mirror(ROOM)
        await here.follow(ROOM, first)
        await here.unfollow(ROOM, first)
        second.begin(await here.follow(ROOM, second))
        done = await there.commit(ROOM, Put(record(owner=ELSEWHERE)))
        await eventually(lambda: second.position == done.position)


async def test_a_session_that_ends_after_its_notes_were_given_up_leaves_no_key() -> None:
    async with two() as (toy, here, _):
        await here.commit(ROOM, Put(record()))
        here.peers.lost()
        await here.commit(ROOM, removal(record()))
        session = here.keys.session("s1").encode()
        await eventually(lambda: session not in toy.keys)


async def test_what_is_noted_of_a_session_that_goes_on_outlasts_the_late_word_of_who_takes_it_away() -> None:
    async with two() as (_, dead, lives):
        await dead.commit(ROOM, Put(record()))
        await dead.peers.keep("s1", b"{}")
        place = Place(ROOM, "ada", "s1")
        taken, goes_on = await asyncio.gather(
            dead.peers.reap(HERE, place, "node_lost"),
            lives.commit(ROOM, Put(record(incarnation=2, owner=ELSEWHERE))),
        )
        assert taken.applied and goes_on.applied and goes_on.before is None
        await lives.peers.renew()
        assert await lives.peers.places(ELSEWHERE) == [place]
        assert await lives.peers.kept("s1") == (b"{}", [place])


async def test_what_cannot_be_read_puts_nothing_in_doubt_but_its_own_room() -> None:
    async with two() as (toy, here, there):
        mirror = Mirror(ROOM)
        mirror.begin(await here.follow(ROOM, mirror))
        for said in ("", "e 1", "e x 1 []", "~", "e 7 1 [1]", "\ud83d 1 1 []"):
            for channel in (here.keys.feed(ROOM), here.keys.canary(HERE)):
                toy.execute("SPUBLISH", channel, said.encode("utf-8", "surrogatepass"))
        done = await there.commit(ROOM, Put(record(owner=ELSEWHERE)))
        await eventually(lambda: mirror.position == done.position)
        assert here.readings()["store_breaks_total"] == 0


async def test_what_was_under_way_when_the_store_was_closed_is_answered() -> None:
    async with two() as (_, here, _):
        commit = asyncio.create_task(here.commit(ROOM, Put(record())))
        await asyncio.sleep(0)  # it is asked
        await asyncio.sleep(0)  # and under way
        await here.store.close()
        with pytest.raises(StoreUnavailable):
            await asyncio.wait_for(commit, 5)


async def test_an_error_that_nobody_expected_ends_no_way_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two() as (_, here, there):
        mirror = Mirror(ROOM)
        mirror.begin(await here.follow(ROOM, mirror))
        faults: list[Exception] = [RuntimeError("a fault of the client's"), IndexError("another one")]

        async def faulty(*arguments: Any) -> Any:
            if faults:
                raise faults.pop()
            return ("",)

        monkeypatch.setattr(listening, "places", faulty)

        def was_tried() -> bool:
            for line in here.listening.lines.values():  # once more each time: it may just have heard itself
                line.heard_tick = 0.0
            return not faults

        await eventually(was_tried, what="it was tried")
        faults.append(RuntimeError("a third one"))
        monkeypatch.setattr(here.store.client, "script_load", faulty)
        await eventually(lambda: here.store.is_healthy and not faults)
        done = await there.commit(ROOM, Put(record(owner=ELSEWHERE)))
        await eventually(lambda: mirror.position == done.position)


async def test_a_question_takes_no_longer_than_a_node_may_where_the_store_stands_still() -> None:
    line = Line(ToyValkey(lambda: START_AT), Random(1))
    async with two(line) as (_, here, _):
        loop = asyncio.get_running_loop()
        line.cut(is_silent=True)
        begun = loop.time()
        assert await here.peers.ask(ELSEWHERE, b'"who?"') is None
        assert loop.time() - begun < ASK_SECONDS + 0.5
