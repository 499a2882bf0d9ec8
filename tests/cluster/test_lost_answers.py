"""The store does what it was asked, and its answer comes too late: what was done is told all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from hereabouts.backends.valkey.client import ANSWER_SECONDS
from hereabouts.testing.arena import Arena
from hereabouts.testing.valkey import valkey
from hereabouts.testing.waiting import pause
from hereabouts.testing.wire import Refused

ROOM = "lobby"


async def test_a_leave_whose_answer_was_lost_is_in_the_record(tmp_path: Path) -> None:
    journal = {"url": f"sqlite:///{tmp_path / 'journal.db'}"}
    with valkey(tmp_path) as engine:
        async with Arena({"server": {"node": "a"}, "backend": {"url": engine.url}, "journal": journal}) as arena:
            viewer, ada = await arena.enter("viewer", ROOM), await arena.connect()
            await ada.hello("dev:ada")
            engine.freeze()
            await ada.say("bye")
            await viewer.expect("degraded", within=10)
            await pause(ANSWER_SECONDS + 0.5)
            engine.thaw()
            await viewer.expect("restored", within=15)
            rows = await arena.node.context.journal.transitions("default", "ada")
            assert sorted((row.after, row.cause) for row in rows) == [("offline", "leave"), ("online", None)]


async def test_a_join_that_was_refused_does_not_come_to_be_when_the_store_is_back(tmp_path: Path) -> None:
    with valkey(tmp_path) as engine:
        async with Arena({"server": {"node": "a"}, "backend": {"url": engine.url}}) as arena:
            viewer, ada = await arena.enter("viewer", ROOM), await arena.enter("ada")
            engine.stop()
            await viewer.expect("degraded", within=10)
            with pytest.raises(Refused, match="degraded"):
                await ada.join(ROOM)
            engine.start()
            await viewer.expect("restored", within=15)
            await viewer.no_event(ROOM, "join", "ada", during=1)
            await ada.join(ROOM)
            await viewer.event(ROOM, "join", "ada")
