"""Who may write into a database beside whom, however the one before ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from structlog.testing import capture_logs

from hereabouts.errors import ConfigError, JournalUnavailable
from hereabouts.journal import postgres_claim
from hereabouts.journal.opening import open_journal
from hereabouts.journal.postgres_claim import PostgresClaim
from hereabouts.testing.waiting import eventually, pause

BREAK = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hereabouts claim'"


@asynccontextmanager
async def claimed(url: str, *, is_alone: bool) -> AsyncIterator[PostgresClaim]:
    claim = PostgresClaim(url, is_alone=is_alone, wait_seconds=0.3)
    await claim.open()
    try:
        yield claim
    finally:
        await claim.close()


async def cut(url: str) -> None:
    """As a restart or a failover does."""
    connection = await asyncpg.connect(url)
    await connection.execute(BREAK)
    await connection.close()


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
async def test_a_node_without_a_store_writes_alone(database: str, first: bool, second: bool) -> None:
    async with claimed(database, is_alone=first):
        with pytest.raises(ConfigError, match=r'is written by .* backend\.url = "memory://".* name a database'):
            async with claimed(database, is_alone=second):
                pass
    async with claimed(database, is_alone=second):
        pass


async def test_nodes_over_a_store_write_together(database: str) -> None:
    async with claimed(database, is_alone=False), claimed(database, is_alone=False):
        pass


async def test_who_comes_as_the_one_before_ends_is_not_refused(database: str) -> None:
    async with claimed(database, is_alone=True) as first:
        second = PostgresClaim(database, is_alone=True)
        opening = asyncio.create_task(second.open())
        await pause(0.1)
        assert first._connection is not None
        await first._tasks.end()
        first._connection.terminate()  # as kill -9 does
        await asyncio.wait_for(opening, 5)
        await second.close()


async def test_a_claim_that_is_lost_with_its_connection_is_taken_anew(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_claim, "LOOK_SECONDS", 0.01)
    async with claimed(database, is_alone=True) as first:
        before = first._connection
        await cut(database)
        await eventually(lambda: first._connection not in (None, before), what="another connection")
        await eventually(lambda: first.is_held, what="the claim")
        with pytest.raises(ConfigError):
            await PostgresClaim(database, is_alone=True, wait_seconds=0).open()


async def test_who_lost_it_to_somebody_else_goes_on_and_says_so_once(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with claimed(database, is_alone=True) as first:
        await first._tasks.end()
        await cut(database)
        async with claimed(database, is_alone=True):
            monkeypatch.setattr(postgres_claim, "LOOK_SECONDS", 0.001)
            with capture_logs() as logs:
                first._tasks.start(first._keep())
                await eventually(lambda: logs, what="a word in the log")
                await pause(0.2)
            assert [entry["log_level"] for entry in logs] == ["error"]
        await eventually(lambda: first.is_held, what="the claim, when the other one is gone")


async def test_a_journal_claims_for_its_node_and_lets_go(database: str) -> None:
    node, other = (open_journal(database, node=name, is_alone=True) for name in ("n1", "n2"))
    tool = open_journal(database)
    await node.open()
    await tool.open()
    await tool.close()
    await node.close()
    await other.open()
    await other.close()


async def test_a_server_that_is_gone_is_told_as_such(database: str) -> None:
    with pytest.raises(JournalUnavailable, match="cannot be reached now"):
        await PostgresClaim("postgresql://postgres@127.0.0.1:1/app", is_alone=True).open()
    with pytest.raises(ConfigError, match="does not exist"):
        await PostgresClaim(f"{database}_2", is_alone=True).open()
