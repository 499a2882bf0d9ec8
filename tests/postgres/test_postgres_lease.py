"""Two nodes that share an outbox: one of them delivers, and of what both write the newest counts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import pairwise
from random import Random

import pytest

from hereabouts.engine.records import Owner, Position
from hereabouts.journal.outbox import OutboxRow
from hereabouts.journal.postgres import PostgresJournal
from hereabouts.testing.journal_contract import AT, T
from hereabouts.testing.outbox_contract import all_to_crm
from hereabouts.testing.waiting import pause

A, B = Owner("a", 1), Owner("b", 1)
LONG = 60.0

Pair = tuple[PostgresJournal, PostgresJournal]


@pytest.fixture
async def both(database: str) -> AsyncIterator[Pair]:
    """The journals of two nodes."""
    a, b = (PostgresJournal(database, node=name, flush_seconds=0.01) for name in "ab")
    for journal in (a, b):
        journal.outbox.route, journal.outbox.kinds = all_to_crm, frozenset({"user", "member", "resource"})
        await journal.open()
    yield a, b
    await a.close()
    await b.close()


def ada(value: str | None, seq: int, epoch: str = "e", at: int = AT) -> OutboxRow:
    return OutboxRow(T, "user", "", "ada", value, None, at, Position(epoch, seq))


async def said(journal: PostgresJournal, *rows: OutboxRow) -> list[str]:
    """The types of all events after these rows."""
    journal.record(rows)
    await journal.flush()
    return [json.loads(event.body)["type"].removeprefix("user.") for event in await journal.outbox.events(T, 0, 1_000)]


async def test_one_delivers_until_its_time_is_over(both: Pair) -> None:
    a, b = (journal.outbox.lease for journal in both)
    first = await a.hold(A, 0.5)
    assert first.holder == A and await b.hold(B, LONG) == first
    assert await a.hold(A, 0.5) == first, "who goes on need not read anew"
    await pause(0.6)
    taken = await b.hold(B, LONG)
    assert (taken.holder, taken.term) == (B, first.term + 1)
    assert await a.hold(A, LONG) == taken


async def test_who_was_away_for_too_long_reads_anew_though_nobody_came(both: Pair) -> None:
    a = both[0].outbox.lease
    first = await a.hold(A, 0.1)
    await pause(0.2)
    assert (await a.hold(A, LONG)).term == first.term + 1


async def test_another_need_not_wait_for_who_let_go_nor_a_new_process_for_the_last(both: Pair) -> None:
    a, b = (journal.outbox.lease for journal in both)
    first = await a.hold(A, LONG)
    assert (await a.hold(Owner("a", 2), LONG)).term == first.term + 1
    await a.let_go(A)
    assert (await b.hold(B, LONG)).holder == Owner("a", 2), "what an older process lets go is not its own any more"
    await a.let_go(Owner("a", 2))
    assert (await b.hold(B, LONG)).holder == B
    await b.anew()
    assert (await b.hold(B, LONG)).term == first.term + 3


async def test_only_who_delivers_may_send_and_only_what_waits(both: Pair) -> None:
    a, b = (journal.outbox.lease for journal in both)
    assert await said(both[0], ada("online", 1)) == ["online"]
    (delivery,) = await both[1].outbox.waiting("crm", 0, 10)
    await a.hold(A, 0.3)
    assert await a.may_send(A, "crm", delivery.seq)
    assert not await b.may_send(B, "crm", delivery.seq)
    assert not await a.may_send(A, "billing", delivery.seq)
    await pause(0.4)
    assert not await a.may_send(A, "crm", delivery.seq), "it stood still for longer than its turn"
    await b.hold(B, LONG)
    assert await b.may_send(B, "crm", delivery.seq)
    await both[0].outbox.erase(T, "ada")
    assert not await b.may_send(B, "crm", delivery.seq)


async def test_a_row_that_another_nodes_has_overtaken_tells_nothing(both: Pair) -> None:
    a, b = both
    assert await said(a, ada("online", 1)) == ["online"]
    # Ada moved: offline at A in step 5, online at B in step 6, which B wrote first.
    await said(b, ada("online", 6))
    assert await said(a, ada(None, 5)) == ["online"]
    assert await said(b, ada(None, 9)) == ["online", "offline"]
    # Also of who is gone it is known where the feed stood.
    assert await said(a, ada("idle", 8)) == ["online", "offline"]
    assert await said(a, ada("online", 12)) == ["online", "offline", "online"]


async def test_a_feed_that_began_anew_or_went_back_is_followed(both: Pair) -> None:
    a, b = both
    assert await said(a, ada("online", 90)) == ["online"]
    assert await said(b, ada(None, 2, epoch="f")) == ["online", "offline"]
    assert await said(a, ada("online", 50, epoch="f")) == ["online", "offline", "online"]
    # A replica that had not heard of the last steps has become the master.
    assert await said(b, ada(None, 40, epoch="f", at=AT + 60_000)) == ["online", "offline", "online", "offline"]


async def test_in_whatever_order_rows_come_events_alternate_and_end_at_what_is_so(both: Pair) -> None:
    for seed in range(40):
        random, epoch = Random(seed), f"e{seed}"
        rows = [ada("online" if seq % 2 else None, seq, epoch) for seq in range(1, random.randint(3, 9))]
        last = rows[-1].value
        random.shuffle(rows)
        for row in rows:
            both[random.random() < 0.5].record([row])
            for journal in both:
                await journal.flush()
        told = await said(both[0])
        assert all(before != after for before, after in pairwise(told))
        assert [stands.value for stands in await both[0].outbox.standing()] == ([] if last is None else ["online"])


async def test_a_room_of_members_who_are_gone_is_vacated_and_they_are_forgotten(both: Pair) -> None:
    a, b = both

    def member(user_id: str, value: str | None, seq: int) -> OutboxRow:
        return OutboxRow(T, "member", "lobby", user_id, value, None, AT, Position("e", seq))

    a.record([member("ada", "in", 1), member("bob", "in", 2), member("ada", None, 3)])
    await a.flush()
    b.record([member("bob", None, 4)])
    await b.flush()
    types = [json.loads(event.body)["type"] for event in await a.outbox.events(T, 0, 100)]
    assert types == ["room.occupied", "member.joined", "member.joined", "member.left", "member.left", "room.vacated"]
    for delivery in await a.outbox.waiting("crm", 0, 100):
        await a.outbox.delivered("crm", delivery.seq)
    assert await a.prune({"events": AT + 1}) == 6 + 2
