"""What `/metrics` says while people come, beat, err and go."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually

Measured = dict[tuple[str, str], float]


async def measured(arena: Arena) -> Measured:
    """Each sample by its name without the prefix, and the value of its only label."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", timeout=5) as http:
        text = (await http.get("/metrics")).text
    return {
        (sample.name.removeprefix("hereabouts_"), next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_the_gauges_say_what_the_node_holds(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    await arena.enter("ada", "lobby")
    bob = await arena.enter("bob", "garden")
    await eventually(lambda: arena.node.context.telemetry.beats >= 6)
    now = await measured(arena)
    assert [now[name, ""] for name in ("connections", "sessions", "rooms", "joins_total")] == [3, 3, 2, 2]
    assert now["beats_total", ""] >= 6
    assert 0 <= now["sweep_age_seconds", ""] < 5
    assert (now["journal_lost_rows_total", ""], now["faults_total", ""]) == (0, 0)
    await bob.say("bye")
    await ada.reset()
    await eventually(lambda: arena.node.context.telemetry.leaves["leave"] == 1)
    now = await measured(arena)
    assert (now["rooms", ""], now["leaves_total", "leave"]) == (1, 1)


async def test_refusals_and_closes_are_counted_by_their_codes(arena: Arena) -> None:
    ada = await arena.enter("ada")
    await ada.say("update", id=1, room="elsewhere", state={})
    await ada.expect("error")
    await ada.say("bye")
    assert await ada.closed() == 4000
    now = await measured(arena)
    assert now["errors_total", "not_joined"] == 1
    assert now["closes_total", "4000"] == 1


async def test_rows_are_counted_by_kind(arena: Arena) -> None:
    ada = await arena.enter("ada")
    first = await measured(arena)
    assert first["journal_rows_total", "transition"] == 1
    beats = arena.node.context.telemetry.beats
    await eventually(lambda: arena.node.context.telemetry.beats >= beats + 4)
    rows = {label: value for (name, label), value in (await measured(arena)).items() if name == "journal_rows_total"}
    assert rows == {label: value for (name, label), value in first.items() if name == "journal_rows_total"}
    await ada.say("bye")
    await eventually(lambda: arena.node.context.journal.counts["transition"] == 2)


async def test_old_names_are_counted(arena: Arena) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", timeout=5) as http:
        headers = {"Authorization": "Bearer dev:ada"}
        await http.post("/api/presence/heartbeat", headers=headers)
        for _ in range(2):
            await http.get("/api/presence/status", params={"userIds": "ada"}, headers=headers)
    now = await measured(arena)
    assert (now["old_calls_total", "old_heartbeat"], now["old_calls_total", "old_status"]) == (1, 2)
