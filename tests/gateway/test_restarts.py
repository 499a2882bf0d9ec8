"""The server's own ends, as a process: killed, asked to stop, out of disk. Who stays connected sees nothing of them."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from random import Random

import httpx
from websockets.exceptions import InvalidMessage, InvalidStatus

from hereabouts.testing.process import TEST_PROFILE, ServerProcess, serving
from hereabouts.testing.waiting import eventually, pause
from hereabouts.testing.wire import Wire

LEASE, GRACE, SWEEP, PUBLISHING = 3.0, 2.0, 0.5, 0.3
PATIENT = "lease.visible_seconds = 30\nlease.hidden_seconds = 30\n"
"""500 clients of one busy machine need a while to come back."""
CONFIG = (
    '[limits]\nhello_seconds = 60\n[server]\ndrain_seconds = 2\n[journal]\nurl = "sqlite:///journal.db"\n'
    + TEST_PROFILE
)


async def entered(server: ServerProcess, user_id: str, *rooms: str, before: Wire | None = None) -> Wire:
    """A client that has got in; one that comes back tries until it is let in."""
    deadline = time.monotonic() + 30
    while True:
        try:
            wire = await Wire.open(server.url, folds=before.folds if before is not None else None)
            break
        except (OSError, EOFError, InvalidMessage, InvalidStatus) as error:
            assert not isinstance(error, InvalidStatus) or error.response.status_code == 503
            assert time.monotonic() < deadline, "the server did not come back"
            await pause(0.05)
    if before is not None:
        await wire.resume(before, f"dev:{user_id}")
    else:
        await wire.hello(f"dev:{user_id}")
    wire.beat_every(1)
    for room in rooms:
        await wire.join(room)
    return wire


def rows(server: ServerProcess, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(server.folder / "journal.db")) as db:
        return db.execute(query).fetchall()


async def test_a_restart_under_five_hundred_clients_is_seen_by_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path, CONFIG + PATIENT) as server:
        random = Random(4)
        names = [f"u{number}" for number in range(500)]
        wires = [await entered(server, name, "lobby") for name in names]
        await eventually(lambda: all(len(wire.folds.names("lobby")) == 500 for wire in wires), within=30)
        for wire in wires:
            for event in wire.folds.rooms["lobby"].events:
                event.is_taken = True
        joined = [len(wire.folds.told("lobby")) for wire in wires]

        async def move(wire: Wire, name: str) -> Wire:
            asked = await wire.expect("reconnect", within=20)
            assert await wire.closed(within=10) == 4200
            await pause(asked["after_seconds"] * random.random())
            return await entered(server, name, before=wire)

        moving = [asyncio.create_task(move(wire, name)) for wire, name in zip(wires, names, strict=True)]
        assert await server.end(signal.SIGTERM) == 0
        await server.start()
        back = await asyncio.gather(*moving)
        assert {wire.welcome["resumed"] for wire in back} == {True}, server.log
        await pause(LEASE + GRACE + SWEEP)
        for wire, count in zip(back, joined, strict=True):
            wire.folds.check()
            assert len(wire.folds.told("lobby")) == count, wire.folds.told("lobby")[count:]
            assert len(wire.folds.names("lobby")) == 500
        assert rows(server, "SELECT count(*) FROM sessions WHERE closed_at IS NOT NULL") == [(0,)]
        for wire in back:
            await wire.reset()


async def test_a_killed_server_loses_no_session_that_comes_back_and_ends_the_others(tmp_path: Path) -> None:
    async with serving(tmp_path, CONFIG) as server:
        ada = await entered(server, "ada", "lobby")
        bob = await entered(server, "bob", "lobby")
        await ada.event("lobby", "join", "bob")
        await bob.ask("status", status="busy", text="in a call")
        await eventually(lambda: rows(server, "SELECT status FROM declared") == [("busy",)], what="the status on disk")
        assert rows(server, "SELECT count(*) FROM sessions") == [(2,)]
        killed_at = time.time() * 1000
        await server.end(signal.SIGKILL)
        assert await ada.closed() == 1006
        await server.start()
        again = await entered(server, "ada", "lobby", before=ada)
        # Nothing was handed over: the server cannot know the secret, and says that it cannot know who is there.
        assert not again.welcome["resumed"]
        assert (await again.expect("degraded"))["since_at"] >= killed_at
        await again.expect("restored", within=GRACE + 1 + SWEEP)
        ends = rows(server, "SELECT closed_at, cause, is_approximate FROM sessions WHERE closed_at IS NOT NULL")
        assert len(ends) == 2
        assert {cause for _, cause, _ in ends} == {"node_lost"}
        assert all(is_approximate for _, _, is_approximate in ends)
        assert all(isinstance(at, int) and at <= killed_at + 1 for at, _, _ in ends)
        await again.ask("watch", users=["bob"])
        (card,) = (await again.expect("users"))["users"]
        assert card["status"] == "offline"
        assert killed_at - 20_000 <= card["last_seen_at"] <= killed_at
        back = await entered(server, "bob", "lobby")
        await again.event("lobby", "join", "bob")
        assert again.folds.rooms["lobby"].members["bob"]["status"] == "busy"
        for wire in (again, back, bob):
            await wire.reset()


async def test_a_full_disk_stops_nobody_and_shows(tmp_path: Path) -> None:
    async with serving(tmp_path, CONFIG) as server, httpx.AsyncClient(trust_env=False) as http:
        ada = await entered(server, "ada", "lobby")
        server.limit_file_bytes(0)
        for number in range(20):
            wire = await entered(server, f"u{number}", "lobby")
            await ada.event("lobby", "join", f"u{number}")
            await wire.say("bye")
            await ada.event("lobby", "leave", f"u{number}")
            await wire.reset()

        async def failing() -> bool:
            return "journal_failing 1.0" in (await http.get(f"{server.http}/metrics")).text

        deadline = time.monotonic() + 30
        while not await failing():
            assert time.monotonic() < deadline, "the metrics never told of the disk"
            await pause(0.1)
        server.limit_file_bytes(None)
        while await failing():
            assert time.monotonic() < deadline + 20, server.log
            await pause(0.1)

        def recorded() -> bool:
            return rows(server, "SELECT count(*) FROM sessions WHERE closed_at IS NOT NULL") == [(20,)]

        await eventually(recorded, what="every session on disk")
        await ada.never("error", "ended", during=0.2)
        await ada.reset()
