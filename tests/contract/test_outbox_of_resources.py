"""Who holds what is told to other servers in the transaction that decides it."""

from __future__ import annotations

import json
from pathlib import Path

from hereabouts.engine.occupancy import Ask, Giving, Granted, Terms
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.testing.outbox_contract import all_to_crm

AT = 1_800_000_000_000


async def test_a_desk_changes_hands(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    outbox = journal.outbox
    outbox.route, outbox.kinds = all_to_crm, frozenset({"resource"})
    calls: list[int] = []
    outbox.on_events = lambda: calls.append(1)
    await journal.open()
    try:
        fences: list[int] = []
        for user_id, resource in (("ada", "desk:1"), ("ada", "desk:2"), ("bob", "desk:2")):
            granted = await journal.occupancies.occupy(Ask("t", resource, user_id, may_take_over=True), Terms(), AT)
            assert isinstance(granted, Granted)
            fences.append(granted.holding.fencing)
        await journal.occupancies.release(Giving("t", "desk:2", "bob"), AT)
        events = [json.loads(delivery.body) for delivery in await outbox.waiting("crm", 0, 100)]
    finally:
        await journal.close()
    assert len(calls) == 4
    told = [
        (event["type"], event["data"]["resource"], event["data"]["user_id"], event["data"]["fence"]) for event in events
    ]
    assert told == [
        ("resource.occupied", "desk:1", "ada", fences[0]),
        ("resource.released", "desk:1", "ada", fences[0]),
        ("resource.occupied", "desk:2", "ada", fences[1]),
        ("resource.released", "desk:2", "ada", fences[1]),
        ("resource.occupied", "desk:2", "bob", fences[2]),
        ("resource.released", "desk:2", "bob", fences[2]),
    ]
    assert [event["data"].get("cause") for event in events] == [None, None, None, "taken_over", None, "released"]
