"""What races where people are looked at: who comes and goes while the record of somebody absent is read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hereabouts.engine.records import FeedKey
from hereabouts.errors import JournalUnavailable
from hereabouts.journal.base import LastSeen
from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually

ZOE = FeedKey("default", "user", "zoe")


class SlowRecord:
    """The journal's first answer about `zoe` waits for `told`; each may be that nothing can be read."""

    def __init__(self, arena: Arena) -> None:
        self.told, self.is_down, self.is_first = asyncio.Event(), False, True
        self._journal = arena.node.context.journal
        self._last_seen = self._journal.last_seen
        self._journal.last_seen = self  # type: ignore[method-assign]

    async def __call__(self, tenant: str, user_ids: Sequence[str]) -> dict[str, LastSeen]:
        if "zoe" in user_ids:
            is_first, self.is_first = self.is_first, False
            if is_first:
                await self.told.wait()
            if self.is_down:
                raise JournalUnavailable("the journal cannot be read now")
        return await self._last_seen(tenant, user_ids)


def settings(folder: Path) -> dict[str, Any]:
    return {"journal": {"url": f"sqlite:///{folder}/h.db"}}


async def test_who_looks_at_somebody_whom_another_just_let_go_of_still_hears_of_her(tmp_path: Path) -> None:
    async with Arena(settings(tmp_path)) as arena:
        people, record = arena.node.people, SlowRecord(arena)
        ada, bob = await arena.enter("ada"), await arena.enter("bob")
        await ada.say("watch", id=1, users=["zoe"])
        await eventually(lambda: people.find(ZOE) is not None, what="zoe is followed")
        person = people.find(ZOE)
        assert person is not None
        await bob.ask("watch", users=["zoe"])
        await eventually(lambda: bool(person.card.watchers), what="bob looks at zoe")
        await bob.say("unwatch", id=2, users=["zoe"])
        await eventually(lambda: not person.card.watchers, what="bob looks no more")
        record.told.set()
        await ada.expect("users", where=lambda m: m["users"][0]["status"] == "offline")
        await arena.enter("zoe")
        await ada.expect("users", where=lambda m: m["users"][0]["status"] == "online")


async def test_a_record_that_cannot_be_read_leaves_nobody_followed(tmp_path: Path) -> None:
    async with Arena(settings(tmp_path)) as arena:
        record = SlowRecord(arena)
        record.is_down = True
        record.told.set()
        ada = await arena.enter("ada")
        await ada.say("watch", id=1, users=["zoe"])
        await eventually(lambda: arena.node.people.find(ZOE) is None, what="zoe is not followed")
        record.is_down = False
        await ada.ask("watch", users=["zoe"])
        await ada.expect("users", where=lambda m: m["users"][0]["status"] == "offline")
        await arena.enter("zoe")
        await ada.expect("users", where=lambda m: m["users"][0]["status"] == "online")
