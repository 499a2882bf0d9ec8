"""The made-up session that proves detection is on time: measured through the whole path, and nowhere to be seen."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from hereabouts.engine.records import Change, Commit, FeedKey, Remove
from hereabouts.errors import Refusal, StoreUnavailable
from hereabouts.protocol.codec import check_id
from hereabouts.runtime.canary import CANARY_TENANT, CANARY_USER
from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually, pause

READS = ("sessions", "rooms", "stats", "health", "audit", "cooldowns", "nodes")


async def test_its_end_is_seen_within_a_sweep_and_a_window(arena: Arena) -> None:
    canary = arena.node.canary
    await eventually(lambda: canary.rounds == 1)
    assert 0 <= canary.last_seconds <= 0.5 + 0.05 + 1.0
    assert canary.longest_seconds == canary.last_seconds


async def test_a_slow_store_makes_it_late(monkeypatch: pytest.MonkeyPatch) -> None:
    arena = Arena()
    backend = arena.node.context.backend
    commit = backend.commit

    async def slowly(feed: FeedKey, change: Change) -> Commit:
        if isinstance(change, Remove):
            await pause(0.8)
        return await commit(feed, change)

    monkeypatch.setattr(backend, "commit", slowly)
    async with arena:
        await eventually(lambda: arena.node.canary.rounds == 1)
        assert arena.node.canary.last_seconds >= 0.8


async def test_a_store_out_of_reach_is_no_fault_of_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    arena = Arena()
    asked = asyncio.Event()

    async def never(feed: FeedKey, change: Change) -> Commit:
        asked.set()
        raise StoreUnavailable("it is away")

    monkeypatch.setattr(arena.node.context.backend, "commit", never)
    async with arena:
        await asyncio.wait_for(asked.wait(), 5)
        assert (arena.node.canary.rounds, arena.node.context.telemetry.faults) == (0, 0)


async def test_nobody_sees_it_and_nothing_keeps_it(tmp_path: Path) -> None:
    """It is looked for by its name while it is there and after it went: in answers, frames, numbers and the journal."""
    async with Arena({"journal": {"url": f"sqlite:///{tmp_path / 'journal.db'}"}}) as arena:
        watcher = await arena.enter("bob")
        room = f"{CANARY_USER}.{arena.node.context.owner.node}"
        await watcher.ask("watch", rooms=[room], users=[CANARY_USER])
        told = await _told(arena)
        await eventually(lambda: arena.node.canary.rounds == 1)
        told += await _told(arena)
        numbers = arena.node.readings()
        kinds = [frame.message["type"] for frame in watcher.frames]
    assert CANARY_USER not in told.replace(room, "")
    assert (numbers["joins_total"], numbers["leaves_total"], numbers["sessions"]) == (0, {}, 1)
    assert (kinds.count("snapshot"), kinds.count("users"), kinds.count("delta")) == (1, 1, 0)
    assert CANARY_USER.encode() not in _kept_in(tmp_path)


def _kept_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def _told(arena: Arena) -> str:
    headers = {"Authorization": "Bearer dev:eve:admin"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", headers=headers, timeout=5) as http:
        answers = [await http.get(f"/v1/admin/{name}") for name in READS]
        answers.append(await http.get("/metrics"))
    assert all(answer.status_code == 200 for answer in answers)
    return "\n".join(answer.text for answer in answers)


def test_no_credential_can_name_its_tenant() -> None:
    with pytest.raises(Refusal):
        check_id(CANARY_TENANT, "a tenant", id_bytes=200)
