"""A server over PostgreSQL: beats write nothing, a crash is made good, and the operator is told how it stands."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from hereabouts.errors import JournalUnavailable
from hereabouts.fanout.outbox import Packet
from hereabouts.journal.postgres import PostgresJournal
from hereabouts.journal.postgres_occupancies import PostgresOccupancies
from hereabouts.journal.postgres_pool import Act
from hereabouts.testing.arena import Arena
from hereabouts.testing.journal_contract import AT, seen
from hereabouts.testing.postgres import PostgresServer
from hereabouts.testing.process import TEST_PROFILE, ServerProcess, serving
from hereabouts.testing.waiting import eventually, pause
from hereabouts.testing.wire import Wire

TABLES = ("sessions", "transitions", "last_seen", "declared", "occupancies", "events", "standings", "handover")


class Tab:
    """A connection without a socket."""

    is_paused = False

    def __init__(self, arena: Arena, user_id: str) -> None:
        self.is_in = False
        self._driver = arena.node.driver
        self._link = self._driver.connected(self)
        self.say(type="hello", token=f"dev:{user_id}", protocol=1)

    def say(self, **message: Any) -> None:
        """Send a message."""
        self._driver.received(self._link, json.dumps(message).encode())

    def send(self, packet: Packet) -> None:
        """See `Connection.send`."""
        self.is_in = self.is_in or b'"snapshot"' in packet.payload

    def close(self, code: int, reason: str) -> None:
        """See `Connection.close`."""


async def fifty(arena: Arena, room: str) -> list[Tab]:
    """Fifty users that came into a room."""
    tabs = [Tab(arena, f"{room}-{number}") for number in range(50)]
    for tab in tabs:
        tab.say(type="join", id=1, room=room)
    await eventually(lambda: all(tab.is_in for tab in tabs), within=30)
    return tabs


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def rows_and_their_writers(connection: Any) -> list[Any]:
    """What is in the tables; an update that changes nothing changes it, too, as each row names who wrote it last."""
    one = "SELECT count(*), sum(hashtext(of::text || of.xmin::text)) FROM hereabouts.{} AS of"
    return [tuple(await connection.fetchrow(one.format(table))) for table in TABLES]


async def test_a_thousand_sessions_that_beat_for_ten_seconds_write_no_row(database: str) -> None:
    settings = {"journal": {"url": database}, "policy": {"default": {"preset": "chat"}}}
    async with Arena(settings) as arena, connected(database) as other:
        tabs = [tab for room in range(20) for tab in await fifty(arena, f"room{room}")]
        journal = arena.node.context.journal
        await journal.flush()
        before, counts = await rows_and_their_writers(other), dict(journal.counts)
        assert before[0][0] == 1_000
        beats = arena.node.context.telemetry.beats
        for _ in range(10):
            for tab in tabs:
                tab.say(type="beat")
            await pause(1)
        assert arena.node.context.telemetry.beats == beats + 10_000
        await journal.flush()
        assert dict(journal.counts) == counts
        assert await rows_and_their_writers(other) == before


async def test_last_seen_is_updated_in_its_page_and_no_index_is_written(own: str) -> None:
    journal = PostgresJournal(own)
    await journal.open()
    for at in range(20):
        journal.record([seen(f"user{number}", AT + at) for number in range(100)])
        await journal.flush()
    # A connection that ends says what it did.
    await journal.close()
    async with connected(own) as other:
        stats = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'last_seen'"
        updates, hot = await other.fetchrow(stats)
    assert updates == 1_900
    assert hot > 0.9 * updates


def config(database: str) -> str:
    return f'[server]\nnode = "n1"\n[journal]\nurl = "{database}"\n{TEST_PROFILE}'


async def test_after_a_kill_the_record_says_who_was_lost_and_when(tmp_path: Path, database: str) -> None:
    async with serving(tmp_path, config(database)) as server, connected(database) as other:
        ada = await Wire.open(server.url)
        await ada.hello("dev:ada")
        await ada.join("lobby")
        what = "SELECT after, cause FROM hereabouts.transitions WHERE user_id = 'ada' ORDER BY id"
        await soon(lambda: other.fetch(what))
        await server.end(signal.SIGKILL)
        await ada.reset()
        await server.start()
        assert [tuple(row) for row in await other.fetch(what)] == [("online", None), ("offline", "node_lost")]


async def test_a_grant_whose_commit_nobody_heard_of_is_known_and_ends_with_its_holder(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Arena({"journal": {"url": database}}) as arena:
        ada = await arena.enter("ada", "lobby")
        holdings = arena.node.holdings
        (owned,) = arena.node.registry
        decide = PostgresOccupancies._decide

        async def unheard(occupancies: PostgresOccupancies, act: Act[object]) -> None:
            await decide(occupancies, act)
            raise JournalUnavailable("the connection broke in the commit")

        with monkeypatch.context() as patch, pytest.raises(JournalUnavailable):
            patch.setattr(PostgresOccupancies, "_decide", unheard)
            await holdings.occupy(owned.session.identity, "desk:1")
        await eventually(lambda: holdings.holders("default", "desk:1"), what="the holding that stands in the record")
        await ada.say("bye")
        await eventually(lambda: not holdings.holders("default", "desk:1"), what="its end")


async def test_a_second_server_without_a_store_is_refused_until_the_first_is_killed(
    tmp_path: Path, database: str
) -> None:
    folders = [tmp_path / name for name in ("n1", "n2")]
    for folder in folders:
        folder.mkdir()
    async with serving(folders[0], config(database)) as first:
        second = ServerProcess(folders[1], config(database).replace("n1", "n2"))
        with pytest.raises(AssertionError, match="is written by another node"):
            await second.start()
        assert await first.is_ready()
        await first.end(signal.SIGKILL)
        await second.start()
        await second.end(signal.SIGKILL)


async def test_a_database_that_stands_still_is_told_and_presence_goes_on(
    tmp_path: Path, database: str, records: PostgresServer
) -> None:
    async with serving(tmp_path, config(database)) as server, httpx.AsyncClient(base_url=server.http) as http:
        bob = await Wire.open(server.url)
        await bob.hello("dev:bob")
        await bob.join("lobby")
        bob.beat_every(0.5)
        records.freeze()
        try:
            # Who comes waits for what was declared before, and nobody else waits with them.
            ada = await Wire.open(server.url)
            await ada.say("hello", token="dev:ada", protocol=1)
            await soon(lambda: is_failing(http))
            await bob.expect("beat")
        finally:
            records.thaw()
        await soon(lambda: is_well(http))
        await ada.reset()
        await bob.reset()


async def is_failing(http: httpx.AsyncClient) -> bool:
    return "failing" in (await http.get("/readyz")).text


async def is_well(http: httpx.AsyncClient) -> bool:
    return not await is_failing(http)


async def soon(condition: Callable[[], Awaitable[object]]) -> None:
    """Waits for something that has to be asked for."""
    async with asyncio.timeout(20):
        while not await condition():
            await pause(0.05)


async def test_the_doctor_says_how_it_stands_and_no_password(tmp_path: Path, database: str) -> None:
    url = database.replace("postgres@", "postgres:s3cret@")
    good, said = await doctor(tmp_path, url)
    assert f"{database} was opened and written to" in said
    assert "PostgreSQL" in said and "free connections" in said
    # The one thing to be changed: tests' databases are spared the loss of power.
    assert (good, said.count("FAIL"), "set fsync = on" in said) == (False, 1, True)
    good, said = await doctor(tmp_path, url + "-that-is-not-there")
    assert "does not exist; see docs/postgresql.md" in said.replace("\n", " ")
    assert not good
    assert "s3cret" not in said


async def doctor(folder: Path, url: str) -> tuple[bool, str]:
    path = folder / "hereabouts.toml"
    path.write_text(f'[server]\nport = 0\n[journal]\nurl = "{url}"\n')
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hereabouts", "doctor", "--dev", "--config", str(path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": "", "COLUMNS": "400", "PYTHONPATH": ":".join(sys.path), "NO_COLOR": "1"},
    )
    out, _ = await process.communicate()
    return process.returncode == 0, out.decode()
