"""The way of events to one endpoint, with an outbox in memory and a receiver that is a list."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from hereabouts.engine.records import Owner
from hereabouts.errors import JournalUnavailable
from hereabouts.journal.outbox import Delivery, EndpointState, Outbox
from hereabouts.journal.outbox_lease import OutboxLease
from hereabouts.runtime.clock import Clock
from hereabouts.runtime.delivering import WINDOW, Lane
from hereabouts.testing.waiting import eventually, never
from hereabouts.webhooks.endpoints import Endpoint
from hereabouts.webhooks.schedule import Schedule
from hereabouts.webhooks.sending import Result, Sender

ENDPOINT = Endpoint(name="crm", url="https://crm.example", secret="")


class HeldOutbox:
    """What waits for one endpoint. `gate` holds back what was read; `rows_read` counts."""

    def __init__(self, *subjects: str) -> None:
        self.waits = {
            seq: Delivery(seq, f"evt_{seq}", "default", subject, b"{}", 0, None)
            for seq, subject in enumerate(subjects, 1)
        }
        self.lease: OutboxLease | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.reads = self.rows_read = self.disables = 0

    async def waiting(self, endpoint: str, after: int, limit: int) -> list[Delivery]:
        found = [delivery for seq, delivery in self.waits.items() if seq > after][:limit]
        self.reads += 1
        self.rows_read += len(found)
        await self.gate.wait()
        return found

    async def delivered(self, endpoint: str, seq: int) -> None:
        self.waits.pop(seq, None)

    async def failed(self, endpoint: str, seq: int, at: int, error: str, *, is_dead: bool) -> None:
        pass

    async def disable(self, endpoint: str, at: int) -> None:
        self.disables += 1
        if self.disables == 1:
            raise JournalUnavailable("the database restarts")
        self.waits.clear()

    async def state(self, endpoint: str) -> EndpointState:
        return EndpointState(len(self.waits))


class ListSender:
    """A receiver that takes everything, or answers otherwise."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.result = Result("delivered")
        self.breaks_at = ""

    async def send(self, event_id: str, body: bytes) -> Result:
        self.sent.append(event_id)
        if event_id == self.breaks_at:
            self.breaks_at = ""
            raise ZeroDivisionError("nobody thought of it")
        return self.result

    async def close(self) -> None:
        pass


@asynccontextmanager
async def delivering(outbox: HeldOutbox) -> AsyncIterator[tuple[Lane, ListSender]]:
    sender = ListSender()
    lane = Lane(
        ENDPOINT, cast(Sender, sender), cast(Outbox, outbox), Owner("n", 1), Clock(), Schedule(), lambda: 0.5, Counter()
    )
    lane.start()
    try:
        yield lane, sender
    finally:
        await lane.stop()


async def test_what_was_erased_while_it_was_read_is_not_sent() -> None:
    outbox = HeldOutbox("ada", "bob")
    outbox.gate.clear()
    async with delivering(outbox) as (lane, sender):
        await eventually(lambda: outbox.reads > 0, what="what waits is being read")
        del outbox.waits[1]
        lane.forget([1])
        outbox.gate.set()
        await eventually(lambda: "evt_2" in sender.sent, what="bob's event")
        await never(lambda: "evt_1" in sender.sent, during=0.1)


async def test_a_long_line_of_one_subject_is_not_read_over_and_over() -> None:
    events = 5 * WINDOW
    outbox = HeldOutbox(*["lobby"] * events)
    async with delivering(outbox) as (_, sender):
        await eventually(lambda: len(sender.sent) >= events, within=20, what="all of them")
        assert sender.sent == [f"evt_{seq}" for seq in range(1, events + 1)]
        assert outbox.rows_read < 40 * events


async def test_of_many_long_lines_each_is_sent_whole_and_in_order() -> None:
    subjects = [f"room{seq * seq % 7}" for seq in range(3 * WINDOW)]
    outbox = HeldOutbox(*subjects)
    async with delivering(outbox) as (lane, sender):
        await eventually(lambda: len(sender.sent) >= WINDOW, within=20, what="some of them")
        lane.again()
        await eventually(lambda: not outbox.waits, within=20, what="all of them")
        for subject in sorted(set(subjects)):
            theirs = [seq for seq, one in enumerate(subjects, 1) if one == subject]
            sent = [int(id.removeprefix("evt_")) for id in sender.sent]
            assert [seq for seq in sent if subjects[seq - 1] == subject] == theirs


async def test_that_a_receiver_is_gone_is_kept_also_when_the_journal_fails_at_first() -> None:
    outbox = HeldOutbox("ada", "ada")
    async with delivering(outbox) as (_, sender):
        sender.result = Result("gone")
        await eventually(lambda: not outbox.waits, what="the endpoint is disabled in the journal")
        assert sender.sent == ["evt_1"]


async def test_a_fault_of_ours_holds_back_one_subject_and_only_for_a_while() -> None:
    outbox = HeldOutbox("ada", "ada", "bob")
    outbox.gate.clear()
    async with delivering(outbox) as (_, sender):
        sender.breaks_at = "evt_1"
        outbox.gate.set()
        await eventually(lambda: not outbox.waits, what="all are delivered")
        assert sender.sent == ["evt_1", "evt_3", "evt_1", "evt_2"]
