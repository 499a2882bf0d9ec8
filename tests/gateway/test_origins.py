"""Addresses and user agents are stored only where the settings ask for it, for a time of their own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from hereabouts.testing.arena import Arena
from hereabouts.testing.wire import Wire


def journal(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "journal": {"url": f"sqlite:///{folder / 'journal.db'}", **more},
        "server": {"trusted_proxies": ["127.0.0.1"]},
    }


def stored(folder: Path) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(folder / "journal.db")) as db:
        return db.execute("SELECT user_id, address, agent FROM origins ORDER BY user_id, at").fetchall()


async def visited(settings: dict[str, Any]) -> None:
    """Two people come, one by HTTP; the other's connection breaks and is resumed."""
    async with Arena(settings) as arena, httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}") as http:
        headers = {
            "Authorization": "Bearer dev:bob",
            "User-Agent": "OldApp/2" + "x" * 400,
            "X-Forwarded-For": "203.0.113.9",
        }
        first = await http.post("/v1/heartbeat", json={}, headers=headers)
        again = await http.post("/v1/heartbeat", json={"resume": first.json()["resume"]}, headers=headers)
        assert again.json()["resumed"]
        ada = await arena.enter("ada", "lobby")
        wire = await Wire.open(arena.url)
        await wire.resume(ada, "dev:ada")
        await wire.reset()
        await arena.node.context.journal.flush()


async def test_as_it_is_shipped_nothing_is_kept(tmp_path: Path) -> None:
    await visited(journal(tmp_path))
    assert stored(tmp_path) == []
    assert b"203.0.113.9" not in (tmp_path / "journal.db").read_bytes()


async def test_asked_for_each_connection_is_noted_and_no_beat(tmp_path: Path) -> None:
    await visited(journal(tmp_path, origins=True))
    (ada, again, bob) = stored(tmp_path)
    assert {ada[:2], again[:2]} == {("ada", "127.0.0.1")}
    assert "websockets" in ada[2]
    assert bob == ("bob", "203.0.113.9", ("OldApp/2" + "x" * 400)[: len(bob[2])])
    assert 290 <= len(bob[2]) <= 300


async def test_they_are_told_in_an_export_erased_and_forgotten(tmp_path: Path) -> None:
    settings = journal(tmp_path, origins=True, keep_origins_days=1)
    await visited(settings)
    async with Arena(settings) as arena:
        kept = arena.node.context.journal
        assert kept.subjects is not None
        told = await kept.subjects.export("default", "bob")
        assert [row["address"] for row in told["origins"]] == ["203.0.113.9"]
        assert (await kept.subjects.erase("default", "bob", "erased:1"))["origins"] == 1
        assert {user_id for user_id, _, _ in stored(tmp_path)} == {"ada"}
        await kept.prune({"origins": arena.node.context.now().at + 1})
        assert stored(tmp_path) == []


def test_they_are_never_kept_for_ever(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="keep_origins_days"):
        Arena(journal(tmp_path, origins=True, keep_origins_days=0))
