"""The backup and the restore of docs/operations.md: copied while it runs, put in the place of what was lost."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from hereabouts.testing.process import TEST_PROFILE, ServerProcess, serving
from hereabouts.testing.waiting import eventually
from hereabouts.testing.wire import Wire

CONFIG = '[journal]\nurl = "sqlite:///presence.db"\n' + TEST_PROFILE


def copy(file: Path, target: Path) -> None:
    """What `.backup` of the sqlite3 program does; and the check of the copy."""
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(target)) as backup:
        source.backup(backup)
        assert backup.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def card(server: ServerProcess, user_id: str) -> dict[str, Any]:
    headers = {"Authorization": "Bearer dev:eve"}
    async with httpx.AsyncClient(base_url=server.http, headers=headers, trust_env=False) as http:
        held: dict[str, Any] = (await http.get(f"/v1/users/{user_id}")).json()
    return held


def left(folder: Path) -> list[tuple[Any, ...]]:
    """Whose sessions the journal has as ended, and by what."""
    with closing(sqlite3.connect(folder / "presence.db")) as db:
        return db.execute("SELECT user_id, cause FROM sessions WHERE closed_at IS NOT NULL ORDER BY user_id").fetchall()


def restore(folder: Path) -> None:
    """The copy in the place of all three files."""
    for lost in folder.glob("presence.db*"):
        lost.unlink()
    (folder / "copy.db").rename(folder / "presence.db")


async def test_a_journal_is_copied_while_it_is_written_and_serves_again(tmp_path: Path) -> None:
    async with serving(tmp_path, CONFIG) as server:
        ada = await Wire.open(server.url)
        await ada.hello("dev:ada")
        await ada.say("bye")
        await ada.closed()
        bob = await Wire.open(server.url)
        await bob.hello("dev:bob")
        await eventually(lambda: left(tmp_path) == [("ada", "leave")])
        seen_at = (await card(server, "ada"))["last_seen_at"]
        copy(tmp_path / "presence.db", tmp_path / "copy.db")
        await server.end(signal.SIGKILL)
        await bob.reset()
        restore(tmp_path)
        await server.start()
        assert (await card(server, "ada"))["last_seen_at"] == seen_at
        await eventually(lambda: left(tmp_path) == [("ada", "leave"), ("bob", "node_lost")])
        assert await server.end() == 0
