"""Questions about the past, answered from the SQLite file on a connection and a thread of their own."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from hereabouts.engine.analytics import Lengths, Online
from hereabouts.engine.attendance import Span
from hereabouts.engine.buckets import Bucket
from hereabouts.errors import JournalUnavailable, Refusal
from hereabouts.journal import sqlite_holdings, sqlite_past
from hereabouts.journal.history import History, Pick, Region, UserStatuses, UserThen
from hereabouts.journal.past import Wanted
from hereabouts.journal.sqlite_file import open_reader

T = TypeVar("T")

ANSWER_SECONDS: Final = 20.0
"""How long one question may read."""

QUESTIONS_MOST: Final = 8
"""Questions at once, one being answered and the others waiting."""

_STEPS: Final = 20_000
"""Instructions of SQLite's machine between two looks at the clock: some milliseconds."""


class SqliteHistory(History):
    """See the module. `answer_seconds` is how long one question may read."""

    def __init__(self, path: Path, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._path = path
        self._answer_seconds = answer_seconds
        self._questions = 0
        self._thread: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        """Make ready; the file is there and has its tables."""
        self._thread = ThreadPoolExecutor(1, "journal-history")
        self._connection = await asyncio.get_running_loop().run_in_executor(self._thread, open_reader, self._path)

    async def close(self) -> None:
        """Cut short what is being read, and let go."""
        if self._thread is None:
            return
        thread, self._thread = self._thread, None  # which also cuts short a question that is about to be read
        await asyncio.get_running_loop().run_in_executor(thread, self._connection.close)
        thread.shutdown()

    async def online(self, tenant: str, buckets: Sequence[Bucket]) -> list[Online]:
        """See `History.online`."""
        return await self._ask(partial(sqlite_past.online, tenant=tenant, buckets=buckets))

    async def lengths(self, tenant: str, span: Bucket) -> Lengths:
        """See `History.lengths`."""
        return await self._ask(partial(sqlite_past.session_lengths, tenant=tenant, span=span))

    async def statuses(self, tenant: str, span: Bucket, pick: Pick) -> list[UserStatuses]:
        """See `History.statuses`."""
        return await self._ask(partial(sqlite_past.statuses, tenant=tenant, span=span, pick=pick))

    async def spans(self, tenant: str, span: Bucket, pick: Pick, now_at: int) -> list[tuple[str, list[Span]]]:
        """See `History.spans`."""
        return await self._ask(partial(sqlite_past.spans, tenant=tenant, span=span, pick=pick, now_at=now_at))

    async def held(
        self, tenant: str, span: Bucket, pick: Pick, now_at: int, kind: str, resource: str | None = None
    ) -> list[tuple[str, list[Span]]]:
        """See `History.held`."""
        wanted = Wanted(tenant, kind, resource, span, pick, now_at)
        return await self._ask(partial(sqlite_holdings.held, wanted=wanted))

    async def at(self, tenant: str, at: int, pick: Pick) -> list[UserThen]:
        """See `History.at`."""
        return await self._ask(partial(sqlite_past.at, tenant=tenant, at=at, pick=pick))

    async def regions(self, tenant: str, span: Bucket, users_least: int) -> list[Region]:
        """See `History.regions`."""
        return await self._ask(partial(sqlite_past.regions, tenant=tenant, span=span, users_least=users_least))

    async def sizes(self) -> dict[str, int]:
        """See `History.sizes`. They are counted."""
        return await self._ask(_sizes)

    async def _ask(self, act: Callable[[sqlite3.Connection], T]) -> T:
        if self._thread is None:
            raise JournalUnavailable(f"the journal {self._path} is not open")
        if self._questions >= QUESTIONS_MOST:
            text = f"{QUESTIONS_MOST} questions about the past are being answered already"
            raise Refusal("rate_limited", text, retry_after_seconds=1)
        self._questions += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, act)
        except (sqlite3.Error, OSError) as error:
            raise JournalUnavailable(f"{self._path}: {error}") from error
        finally:
            self._questions -= 1

    def _answer(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """In the thread. One transaction, so that all of an answer is of one moment."""
        connection, until = self._connection, time.monotonic() + self._answer_seconds
        connection.set_progress_handler(lambda: self._thread is None or time.monotonic() > until, _STEPS)
        connection.execute("BEGIN")
        try:
            return act(connection)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT and time.monotonic() > until:
                text = f"the answer takes longer than {self._answer_seconds:g} s; ask about less time"
                raise Refusal("limit_exceeded", text, limit="answer_seconds") from None
            raise
        finally:
            connection.set_progress_handler(None, _STEPS)
            connection.rollback()


def _sizes(connection: sqlite3.Connection) -> dict[str, int]:
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {
        table: connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for (table,) in tables.fetchall()
    }
