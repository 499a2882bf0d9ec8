"""Writes rows together, off to the side, and again until they are written: what every database needs of us.

Rows queue on the event loop and are handed to `write`, in batches, every `flush_seconds` or as soon as a batch is
full. What cannot be written stays queued, up to a bound, and is tried again until it can.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import structlog

from hereabouts.errors import JournalUnavailable
from hereabouts.journal.base import ROW_KINDS, JournalHealth, Row
from hereabouts.journal.queue import RowQueue
from hereabouts.tasks import end

log = structlog.get_logger("hereabouts")

BATCH_ROWS: Final = 500
"""Rows of one transaction; so many are written without waiting for more."""

RETRY_SECONDS: Final = (0.1, 2.0)
"""The wait after a first failure, and the longest it grows to."""


class Batches:
    """The way of rows into a database. `write` says how many rows were faulty, or raises `JournalUnavailable`.

    `wait_seconds` is for how long a flush waits, and how long a write may take before that counts as a failure.
    `where` names the database in errors; `wall` gives seconds since the epoch.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Row]], Awaitable[int]],
        where: str,
        *,
        flush_seconds: float,
        wait_seconds: float,
        queue_rows: int,
        wall: Callable[[], float],
    ) -> None:
        self.queue = RowQueue(queue_rows)
        self.counts: Counter[str] = Counter()
        self._write = write
        self._where = where
        self._flush_seconds = flush_seconds
        self._wait_seconds = wait_seconds
        self._wall = wall
        self._lost_rows = 0
        self._error: str | None = None
        self._failing_since_at: int | None = None
        self._batch_since_at: int | None = None
        self._last_flush_at: int | None = None
        self._has_rows = asyncio.Event()
        self._hurry = asyncio.Event()
        self._goals: list[tuple[int, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._is_over = False

    # Life

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write no more. What still waits is lost, and so is what comes."""
        self._is_over = True
        if self._task is not None:
            await end([self._task])
        if len(self.queue):
            self._lose(len(self.queue), "the journal was closed before they could be written")

    # Rows

    def record(self, rows: Sequence[Row]) -> None:
        """See `Journal.record`."""
        for row in rows:
            if self._is_over:
                self._lose(1, "the journal is closed")
            elif self.queue.add(row):
                self.counts[ROW_KINDS[type(row)]] += 1
            else:
                self._lose(1, f"{len(self.queue)} rows wait already")
        self._has_rows.set()
        if len(self.queue) >= BATCH_ROWS:
            self._hurry.set()

    async def flush(self) -> None:
        """Return when every row taken so far is written. Raises `JournalUnavailable` after `wait_seconds`."""
        goal = self.queue.taken
        if self.queue.done >= goal:
            return
        reached = asyncio.get_running_loop().create_future()
        self._goals.append((goal, reached))
        self._hurry.set()
        try:
            async with asyncio.timeout(self._wait_seconds):
                await reached
        except TimeoutError:
            raise JournalUnavailable(
                f"{len(self.queue)} rows could not be written to {self._where} within {self._wait_seconds} s: "
                f"{self._error or 'the disk is slow'}"
            ) from None

    async def _run(self) -> None:
        while True:
            await self._has_rows.wait()
            # Not `wait_for`: in Python 3.11 it can swallow the cancellation of `stop`.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._flush_seconds):
                    await self._hurry.wait()
            self._has_rows.clear()
            self._hurry.clear()
            while len(self.queue):
                await self._write_batch()

    async def _write_batch(self) -> None:
        wait, most = RETRY_SECONDS
        rows = self.queue.batch(BATCH_ROWS)
        self._batch_since_at = self._now()
        while True:
            try:
                faulty = await self._write(rows)
                break
            except Exception as error:
                # Also what no database should raise: a writer that ended of it would leave every row to be lost.
                self._fails(error)
            await asyncio.sleep(wait)
            wait = min(wait * 2, most)
        self.queue.finish()
        self._last_flush_at, self._batch_since_at = self._now(), None
        if faulty:
            self._lose(faulty, "what is in them cannot be written")
        for goal, reached in self._goals:
            if goal <= self.queue.done and not reached.done():
                reached.set_result(None)
        self._goals = [(goal, reached) for goal, reached in self._goals if not reached.done()]

    def _lose(self, rows: int, why: str) -> None:
        if self._lost_rows == 0:
            log.error("journal", text="rows could not be kept; see the metric journal_lost_rows_total", why=why)
        self._lost_rows += rows

    # How it stands

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Around every write, of rows or of anything else: notes whether it could be done."""
        try:
            yield
        except JournalUnavailable as error:
            self._fails(error)
            raise
        if self._failing_since_at is not None:
            log.warning("journal", text="the journal can be written again", failed_since_at=self._failing_since_at)
        self._failing_since_at = self._error = None

    def _fails(self, error: Exception) -> None:
        said = str(error) if isinstance(error, JournalUnavailable) else repr(error)
        if self._failing_since_at is None:
            self._failing_since_at = self._now()
            log.error("journal", text="the journal cannot be written; rows wait", error=said)
        self._error = said

    def health(self) -> JournalHealth:
        """See `Journal.health`. A disk that neither takes a batch nor refuses it is as bad as a full one."""
        since_at, error = self._failing_since_at, self._error
        if since_at is None and self._batch_since_at is not None:
            waited = (self._now() - self._batch_since_at) / 1000
            if waited > self._wait_seconds:
                since_at, error = self._batch_since_at, f"{self._where}: a write has taken {waited:.1f} s already"
        return JournalHealth(
            is_writable=since_at is None,
            failing_since_at=since_at,
            queued_rows=len(self.queue),
            lost_rows=self._lost_rows,
            last_flush_at=self._last_flush_at,
            error=error,
        )

    def _now(self) -> int:
        return int(self._wall() * 1000)
