"""What others know of a holder: all of it, or nothing is judged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from msgspec import UNSET, Raw

from hereabouts.engine.lasting import Known, newest_of
from hereabouts.engine.records import Owner
from hereabouts.errors import JournalUnavailable
from hereabouts.journal.base import LastSeen
from hereabouts.journal.none import NoJournal
from hereabouts.runtime.context import Context
from hereabouts.runtime.switchboard import Answered, Switchboard
from hereabouts.runtime.witnesses import Held, Witnesses

ADA, BOB = ("default", "desk:1", "ada"), ("acme", "desk:2", "bob")


class Others:
    """Two other nodes, and the store that says that they live."""

    def __init__(self) -> None:
        self.answers: list[Answered | None] = [known(Known(5, 4, 3), Known()), known(Known(1), Known(None, None, 9))]
        self.is_reachable = True
        self.journal = NoJournal()
        self.journal.record([LastSeen("default", "ada", seen_at=8, active_at=7, public_seen_at=8, public_active_at=6)])
        context = SimpleNamespace(backend=SimpleNamespace(peers=self), journal=self.journal)
        self.witnesses = Witnesses(cast(Context, context), cast(Switchboard, self), self.known)

    async def renew(self) -> object:
        return object() if self.is_reachable else None

    def answer(self, question: Any, act: Any) -> None:
        self.act = act

    def others(self) -> tuple[Owner, ...]:
        return Owner("b", 1), Owner("c", 1)

    async def ask_each(self, owners: tuple[Owner, ...], question: Any) -> dict[Owner, Answered | None]:
        assert question.holdings == [ADA, BOB]
        return dict(zip(owners, self.answers, strict=True))

    def known(self, held: Held) -> Known:
        return Known(len(held[2]))


def known(*told: Known) -> Answered:
    return Answered(Raw(msgspec.json.encode(told)))


async def test_all_who_live_and_the_record_are_heard() -> None:
    others = Others()
    heard = await others.witnesses.of([ADA, BOB])
    assert heard is not None
    assert [newest_of(known) for known in heard] == [Known(7, 6, 8), Known(None, None, 9)]


@pytest.mark.parametrize("silent", [None, Answered(), Answered(UNSET, "unsupported", "an older version")])
async def test_one_who_does_not_say_leaves_all_of_it_open(silent: Answered | None) -> None:
    others = Others()
    others.answers[1] = silent
    assert await others.witnesses.of([ADA, BOB]) is None


async def test_without_the_store_nobody_knows_who_lives() -> None:
    others = Others()
    others.is_reachable = False
    assert await others.witnesses.of([ADA, BOB]) is None


async def test_without_the_record_it_is_open_too(monkeypatch: pytest.MonkeyPatch) -> None:
    others = Others()

    async def last_seen(*asked: object) -> dict[str, LastSeen]:
        raise JournalUnavailable("not now")

    monkeypatch.setattr(others.journal, "last_seen", last_seen)
    assert await others.witnesses.of([ADA, BOB]) is None
