"""What every `Outbox` does, whatever database it is kept in.

Subclass `OutboxContract` in a test module and give its method `journal`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from hereabouts.journal.base import Journal, Transition
from hereabouts.journal.outbox import Outbox, OutboxRow

T = "default"
AT = 1_800_000_000_000


def user(user_id: str, value: str | None, at: int = AT, cause: str | None = None, tenant: str = T) -> OutboxRow:
    """A user's status, or that it is gone."""
    return OutboxRow(tenant, "user", "", user_id, value, cause, at)


def member(room: str, user_id: str, is_in: bool, at: int = AT) -> OutboxRow:
    """A member of a room, or that it is gone."""
    return OutboxRow(T, "member", room, user_id, "in" if is_in else None, None if is_in else "leave", at)


def all_to_crm(type: str, tenant: str, room: str | None) -> Collection[str]:
    """One endpoint that wants everything."""
    return ("crm",)


class OutboxContract(ABC):
    """The suite of every outbox; its subclasses are collected when they are named `Test…`."""

    @abstractmethod
    def journal(self) -> Journal:
        """A journal that is not open; within one test each has what an earlier one kept."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[tuple[Journal, Outbox]]:
        """A journal while it is in use, and its outbox."""
        journal = self.journal()
        outbox = journal.outbox
        assert outbox is not None
        outbox.route, outbox.kinds = all_to_crm, frozenset({"user", "member", "resource"})
        await journal.open()
        try:
            yield journal, outbox
        finally:
            await journal.close()

    async def told(self, journal: Journal, outbox: Outbox, *rows: OutboxRow) -> list[dict[str, Any]]:
        """What waits for the endpoint after these rows."""
        journal.record(rows)
        await journal.flush()
        return [json.loads(delivery.body) for delivery in await outbox.waiting("crm", 0, 1_000)]

    async def test_a_user_comes_changes_and_goes(self) -> None:
        async with self.opened() as (journal, outbox):
            rows = [user("ada", "online"), user("ada", "away", AT + 1), user("ada", None, AT + 2, "closed")]
            online, changed, offline = await self.told(journal, outbox, *rows)
            assert [online["type"], changed["type"], offline["type"]] == ["user.online", "user.status", "user.offline"]
            assert online["timestamp"] == "2027-01-15T08:00:00.000Z"
            data = {"tenant": T, "at": AT, "user_id": "ada", "status": "online", "before": "offline"}
            assert online["data"] == data
            assert changed["data"]["before"] == "online" and changed["data"]["status"] == "away"
            assert offline["data"]["status"] == "offline" and offline["data"]["cause"] == "closed"
            assert len({told["id"] for told in (online, changed, offline)}) == 3
            assert online["seq"] < changed["seq"] < offline["seq"]

    async def test_what_is_said_twice_is_one_event(self) -> None:
        async with self.opened() as (journal, outbox):
            told = await self.told(journal, outbox, user("ada", "online"), user("ada", "online"), user("bob", None))
            assert [event["type"] for event in told] == ["user.online"]

    async def test_who_stands_as_here_after_a_restart_comes_back_without_word(self) -> None:
        async with self.opened() as (journal, outbox):
            await self.told(journal, outbox, user("ada", "online"), member("lobby", "ada", True))
        async with self.opened() as (journal, outbox):
            stands = {(row.kind, row.place, row.user_id, row.value) for row in await outbox.standing()}
            assert stands == {("member", "lobby", "ada", "in"), ("user", "", "ada", "online")}
            told = await self.told(journal, outbox, user("ada", "idle", AT + 9), member("lobby", "ada", True))
            assert [event["type"] for event in told[3:]] == ["user.status"]

    async def test_a_room_is_occupied_by_the_first_and_vacated_by_the_last(self) -> None:
        async with self.opened() as (journal, outbox):
            steps = [("ada", True), ("bob", True), ("ada", False), ("bob", False)]
            told = await self.told(journal, outbox, *(member("lobby", who, is_in) for who, is_in in steps))
            types = ["room.occupied", "member.joined", "member.joined", "member.left", "member.left", "room.vacated"]
            assert [event["type"] for event in told] == types
            assert told[0]["data"] == {"tenant": T, "at": AT, "room": "lobby"}

    async def test_a_resource_is_held_and_released(self) -> None:
        async with self.opened() as (journal, outbox):
            rows = [OutboxRow(T, "resource", "desk", "ada", value, None, AT) for value in ("7", None)]
            told = await self.told(journal, outbox, *rows)
            assert [event["type"] for event in told] == ["resource.occupied", "resource.released"]
            assert [event["data"]["fence"] for event in told] == [7, 7]

    async def test_events_go_where_they_are_wanted(self) -> None:
        async with self.opened() as (journal, outbox):
            outbox.route = lambda type, tenant, room: ("crm",) if (tenant, room) == (T, "lobby") else ()
            rows = [user("ada", "online"), member("attic", "ada", True), member("lobby", "ada", True)]
            told = await self.told(journal, outbox, *rows)
            assert [event["data"].get("room") for event in told] == ["lobby", "lobby"]
            assert len(await outbox.events(T, 0, 10)) == 2, "what nobody wants is not kept"

    async def test_what_nobody_follows_is_not_kept(self) -> None:
        async with self.opened() as (journal, outbox):
            outbox.kinds = frozenset({"user"})
            rows = [user("ada", "online"), member("lobby", "ada", True)]
            assert len(await self.told(journal, outbox, *rows)) == 1
            assert [stands.kind for stands in await outbox.standing()] == ["user"]

    async def test_what_was_delivered_is_not_delivered_again(self) -> None:
        async with self.opened() as (journal, outbox):
            await self.told(journal, outbox, user("ada", "online"), user("bob", "online"))
            first, second = await outbox.waiting("crm", 0, 10)
            await outbox.delivered("crm", first.seq)
            assert await outbox.waiting("crm", 0, 10) == [second]
            assert await outbox.waiting("crm", second.seq, 10) == []

    async def test_what_failed_waits_until_it_is_dead(self) -> None:
        async with self.opened() as (journal, outbox):
            await self.told(journal, outbox, user("ada", "online"))
            (delivery,) = await outbox.waiting("crm", 0, 10)
            await outbox.failed("crm", delivery.seq, AT + 5, "503", is_dead=False)
            await outbox.failed("crm", delivery.seq, AT + 9, "503", is_dead=False)
            (again,) = await outbox.waiting("crm", 0, 10)
            assert (again.attempts, again.first_tried_at, again.body) == (2, AT + 5, delivery.body)
            state = await outbox.state("crm")
            assert (state.waiting, state.dead, state.oldest_at) == (1, 0, AT)
            await outbox.failed("crm", delivery.seq, AT + 10, "503", is_dead=True)
            assert await outbox.waiting("crm", 0, 10) == []
            (kept,) = await outbox.events(T, 0, 10)
            assert (kept.waiting, kept.dead) == ((), ("crm",))

    async def test_a_replay_lets_events_go_again(self) -> None:
        async with self.opened() as (journal, outbox):
            await self.told(journal, outbox, *(user(name, "online") for name in ("ada", "bob", "cyd")))
            first, second, third = await outbox.waiting("crm", 0, 10)
            await outbox.delivered("crm", first.seq)
            await outbox.failed("crm", second.seq, AT, "500", is_dead=True)
            await outbox.delivered("crm", third.seq)
            assert (await outbox.replay("other", "crm", 0, None, only_dead=False)).events == 0
            assert (await outbox.replay(T, "crm", 0, None, only_dead=True)).events == 1
            assert [delivery.seq for delivery in await outbox.waiting("crm", 0, 10)] == [second.seq]
            assert await outbox.replay(T, "crm", first.seq, None, only_dead=False) == (1, third.seq)
            assert [delivery.seq for delivery in await outbox.waiting("crm", 0, 10)] == [second.seq, third.seq]
            assert (await outbox.replay(T, "crm", 0, first.seq, only_dead=False)).events == 1

    async def test_a_disabled_endpoint_gets_nothing_until_a_replay(self) -> None:
        async with self.opened() as (journal, outbox):
            await self.told(journal, outbox, user("ada", "online"))
            await outbox.disable("crm", AT + 1)
            assert await self.told(journal, outbox, user("bob", "online")) == []
            assert (await outbox.state("crm")).disabled_at == AT + 1
            await outbox.failed("crm", 1, AT + 2, "503", is_dead=False)
            assert await outbox.waiting("crm", 0, 10) == [], "an attempt that was under way revives nothing"
            await outbox.replay(T, "crm", 0, None, only_dead=False)
            assert len(await self.told(journal, outbox, user("cyd", "online"))) == 3
            assert (await outbox.state("crm")).disabled_at is None

    async def test_an_endpoint_that_is_no_more_holds_nothing_back(self) -> None:
        async with self.opened() as (journal, outbox):
            await self.told(journal, outbox, user("ada", "online"))
            assert await outbox.keep_only(["crm"]) == 0
            assert await outbox.keep_only(["billing"]) == 1
            assert await journal.prune({"events": AT + 1}) == 1

    async def test_what_waits_is_not_forgotten(self) -> None:
        async with self.opened() as (journal, outbox):
            await self.told(journal, outbox, user("ada", "online"))
            assert await journal.prune({"events": AT + 1}) == 0
            assert len(await outbox.waiting("crm", 0, 10)) == 1

    async def test_an_erased_user_is_in_no_event(self) -> None:
        async with self.opened() as (journal, outbox):
            rows = [user("ada", "online"), member("lobby", "ada", True), user("bob", "online")]
            await self.told(journal, outbox, *rows, user("ada", "online", tenant="other"))
            assert len(await outbox.erase(T, "ada")) == 2
            left = [json.loads(delivery.body) for delivery in await outbox.waiting("crm", 0, 10)]
            assert [event["data"].get("user_id") for event in left] == [None, "bob", "ada"]
            assert [stands.user_id for stands in await outbox.standing() if stands.tenant == T] == ["bob"]

    async def test_the_word_of_it_comes_after_it_is_on_disk(self) -> None:
        async with self.opened() as (journal, outbox):
            calls: list[int] = []
            outbox.on_events = lambda: calls.append(1)
            journal.record([Transition(T, "ada", "offline", "online", None, AT), user("ada", "online")])
            assert calls == []
            await journal.flush()
            assert calls == [1]
