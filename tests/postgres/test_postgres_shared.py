"""Two nodes over one PostgreSQL: what is exclusive is so for both, and nobody's cursor skips an event."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from random import Random

import pytest

from hereabouts.engine.occupancy import Ask, Ended, Giving, Granted, Refused, Terms
from hereabouts.errors import JournalUnavailable
from hereabouts.journal.cooldowns import Cooldown, Cooled
from hereabouts.journal.outbox import OutboxRow
from hereabouts.journal.postgres import PostgresJournal
from hereabouts.journal.revocations import Revocation
from hereabouts.testing.journal_contract import AT, T, opened, seen, turned
from hereabouts.testing.outbox_contract import all_to_crm
from hereabouts.testing.postgres import PostgresServer

Pair = tuple[PostgresJournal, PostgresJournal]
KINDS: tuple[Cooled, Cooled] = "room", "user"


@pytest.fixture
async def pair(database: str) -> AsyncIterator[Pair]:
    """The journals of two nodes."""
    a, b = (PostgresJournal(database, node=name, flush_seconds=0.01) for name in "ab")
    for journal in (a, b):
        journal.outbox.route, journal.outbox.kinds = all_to_crm, frozenset({"user", "member", "resource"})
        await journal.open()
    yield a, b
    await a.close()
    await b.close()


async def test_of_fifty_contenders_at_two_nodes_one_wins_each_time(pair: Pair) -> None:
    newest = 0
    for turn in range(10):
        resource = f"desk:{turn}"
        asked = [
            pair[number % 2].occupancies.occupy(Ask(T, resource, f"user{number}-{turn}"), Terms(), AT)
            for number in range(50)
        ]
        decisions = await asyncio.gather(*asked)
        (won,) = [decision.holding for decision in decisions if isinstance(decision, Granted)]
        assert [d for d in decisions if not isinstance(d, Granted)] == [Refused(won)] * 49
        assert won.fencing > newest
        newest = won.fencing
    (standing,) = await pair[0].occupancies.standing()
    assert [holding.resource for holding in standing.holdings] == [f"desk:{turn}" for turn in range(10)]
    assert await pair[1].occupancies.standing() == [standing]


async def test_in_a_random_history_of_both_nobody_holds_what_another_holds_and_numbers_only_grow(pair: Pair) -> None:
    random = Random(7)
    users, desks = [f"u{number}" for number in range(6)], [f"desk:{number}" for number in range(4)]

    async def live(journal: PostgresJournal) -> None:
        for _ in range(60):
            user, desk = random.choice(users), random.choice(desks)
            if random.random() < 0.7:
                takes = random.random() < 0.3
                await journal.occupancies.occupy(Ask(T, desk, user, may_take_over=takes), Terms(), AT)
            else:
                await journal.occupancies.release(Giving(T, desk, user), AT)

    await asyncio.gather(*(live(journal) for journal in pair for _ in range(3)))
    rows = await pair[0].occupancies.history(T, "desk", limit=10_000)
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    granted = [row.fencing for row in rows if row.event != "released"]
    assert granted == sorted(set(granted))
    holders: dict[str, str] = {}
    for row in rows:
        if row.event == "released":
            assert holders.pop(row.resource) == row.user_id
            continue
        if row.from_resource is not None:
            assert holders.pop(row.from_resource) == row.user_id
        assert holders.get(row.resource) == row.loser_id
        holders[row.resource] = row.user_id
    (standing,) = await pair[1].occupancies.standing()
    assert {holding.resource: holding.user_id for holding in standing.holdings} == holders


async def test_what_cannot_be_decided_is_refused_and_nobody_holds_it_twice(
    pair: Pair, records: PostgresServer, database: str
) -> None:
    impatient = PostgresJournal(database, node="c", statement_seconds=0.3)
    await impatient.open()
    records.freeze()
    try:
        with pytest.raises(JournalUnavailable):
            await impatient.occupancies.occupy(Ask(T, "desk:1", "ada"), Terms(), AT)
    finally:
        records.thaw()
    decision = await pair[0].occupancies.occupy(Ask(T, "desk:1", "bob"), Terms(), AT)
    assert isinstance(decision, Granted)
    (standing,) = await pair[0].occupancies.standing()
    assert standing.holdings == (decision.holding,)
    await impatient.close()


async def test_a_cursor_that_follows_events_skips_none_of_either_node(pair: Pair) -> None:
    found: list[int] = []
    is_over = False

    async def follow() -> None:
        while not is_over or await pair[0].outbox.events(T, found[-1], 1):
            events = await pair[0].outbox.events(T, found[-1] if found else 0, 100)
            found.extend(event.seq for event in events)
            await asyncio.sleep(0)

    async def tell(journal: PostgresJournal, name: str) -> None:
        for number in range(60):
            journal.record([OutboxRow(T, "user", "", f"{name}{number}", "online", None, AT)])
            await journal.occupancies.occupy(Ask(T, f"{name}:{number}", name), Terms(), AT)
        await journal.flush()

    follower = asyncio.create_task(follow())
    await asyncio.gather(tell(pair[0], "ada"), tell(pair[1], "bob"))
    is_over = True
    await follower
    everything = await pair[1].outbox.events(T, 0, 10_000)
    assert found == [event.seq for event in everything]
    types = [json.loads(event.body)["type"] for event in everything]
    assert (types.count("user.online"), types.count("resource.occupied")) == (120, 120)


async def test_a_member_of_a_room_on_two_nodes_is_told_of_once(pair: Pair) -> None:
    for journal in pair:
        journal.record([OutboxRow(T, "member", "lobby", "ada", "in", None, AT)])
        await journal.flush()
    events = [json.loads(event.body)["type"] for event in await pair[0].outbox.events(T, 0, 100)]
    assert events == ["room.occupied", "member.joined"]


async def test_nodes_that_write_of_the_same_users_do_not_stop_each_other(pair: Pair) -> None:
    random = Random(3)
    users = [f"u{number}" for number in range(200)]
    for at in range(20):
        for journal in pair:
            random.shuffle(users)
            journal.record([seen(user, AT + at) for user in users])
            journal.record([turned(user, "online", "idle", AT + at) for user in users])
    await asyncio.gather(*(journal.flush() for journal in pair))
    assert [journal.health().lost_rows for journal in pair] == [0, 0]
    assert {row.seen_at for row in (await pair[0].last_seen(T, users)).values()} == {AT + 19}
    assert [row.at for row in await pair[1].transitions(T, "u7")] == [AT + at for at in range(19, -1, -1)]


async def test_each_node_takes_over_what_it_handed_over_itself(pair: Pair) -> None:
    for journal, payload in zip(pair, (b"of a", b"of b"), strict=True):
        await journal.hand_over([payload], AT, AT + 10)
    assert await pair[1].take_over(AT) == [b"of b"]
    assert await pair[0].take_over(AT) == [b"of a"]


async def test_nodes_that_forget_at_once_forget_each_row_once(pair: Pair) -> None:
    pair[0].record([turned("ada", "online", "idle", AT + number) for number in range(3_000)])
    await pair[0].flush()
    forgotten = await asyncio.gather(*(journal.prune({"transitions": AT + 2_500}) for journal in pair))
    assert sum(forgotten) == 2_500
    assert len(await pair[0].transitions(T, "ada", 10_000)) == 500


async def test_one_node_s_crash_ends_nothing_of_the_other(pair: Pair) -> None:
    pair[0].record([opened("s1", "ada", AT, node="a"), turned("ada", "offline", "online", AT)])
    pair[1].record([opened("s2", "bob", AT, node="b"), turned("bob", "offline", "online", AT)])
    await asyncio.gather(*(journal.flush() for journal in pair))
    await pair[0].alive("a", AT + 5)
    assert await pair[1].recover("a", AT + 9) == 1
    assert [row.cause for row in await pair[0].transitions(T, "ada")] == ["node_lost", None]
    assert [row.cause for row in await pair[0].transitions(T, "bob")] == [None]


async def test_a_release_by_the_other_node_is_believed(pair: Pair) -> None:
    a, b = (journal.occupancies for journal in pair)
    assert isinstance(await a.occupy(Ask(T, "desk:1", "ada"), Terms(), AT), Granted)
    assert isinstance(await b.release(Giving(T, "desk:1", "ada"), AT), Ended)
    granted = await a.occupy(Ask(T, "desk:1", "bob"), Terms(), AT)
    assert isinstance(granted, Granted)
    assert granted.holding.fencing == 2


async def unwritable(act: object) -> None:
    raise JournalUnavailable("the disk is full")


async def test_what_one_node_revoked_and_cooled_down_the_other_finds_once(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = pair
    at = int(time.time() * 1000)
    room, user = (Cooldown(T, kind, "x", at, at + 60_000) for kind in KINDS)
    await a.cooldowns.add(room)
    await a.revoke(T, "token", "stolen", at, at + 60_000)
    assert not await b.revoked(T, "ada", "stolen", at)
    assert await b.look_again() == [room, Revocation(T, "token", "stolen", at, at + 60_000)]
    assert await b.look_again() == []
    assert await b.revoked(T, "ada", "stolen", at)
    # What the other ended is over, what is longer is new; what could not be written stays in force here.
    await a.cooldowns.end(T, "room", "x")
    assert await b.look_again() == []
    assert b.cooldowns.all(T, at) == []
    await a.cooldowns.add(user)
    with monkeypatch.context() as patched, pytest.raises(JournalUnavailable):
        patched.setattr(b, "write", unwritable)
        await b.cooldowns.add(room)
    assert await b.look_again() == [user]
    assert b.cooldowns.standing(T, "room", "x", at) is not None
