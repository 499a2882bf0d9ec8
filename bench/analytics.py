"""Analytics: a day's curve out of a million transitions, and what it costs those who read last seen meanwhile.

The record is of 10,000 users over 25 days, so that a day holds 40,000 changes; a second curve is over all of it.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

from bench.report import Figure, quantile
from hereabouts.engine.buckets import Bucket, Window
from hereabouts.journal.base import LastSeen, SessionClosed, SessionOpened, Transition
from hereabouts.journal.history import History, Pick
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.journal.sqlite_outbox import SqliteOutbox
from hereabouts.journal.sqlite_rows import write

NAME = "analytics"
USERS = 10_000
VISITS = 25
"""Of each user: four changes of status each, and a session."""

AT = 1_800_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
TENANT = "default"


async def run(small: bool) -> list[Figure]:
    """Fill a journal, then ask it; small means a tenth of the users."""
    users = USERS // 10 if small else USERS
    with tempfile.TemporaryDirectory() as folder:
        journal = SqliteJournal(Path(folder) / "journal.db")
        await journal.open()
        try:
            await journal.write(lambda connection: _fill(connection, users, journal.outbox))
            assert journal.history is not None
            return await _measure(journal, journal.history, users)
        finally:
            await journal.close()


def _fill(connection: sqlite3.Connection, users: int, outbox: SqliteOutbox) -> None:
    chance = random.Random(1)
    for day in range(VISITS):
        rows = sorted(_visits(chance, users, AT + day * DAY), key=lambda row: row[0])
        write(connection, [row for _, row in rows], outbox.add)
    write(connection, [LastSeen(TENANT, f"user{number}", AT, AT, AT, AT) for number in range(users)], outbox.add)


def _visits(chance: random.Random, users: int, day_at: int) -> Iterator[tuple[int, Any]]:
    for number in range(users):
        user, session = f"user{number}", f"{day_at}.{number}"
        at = day_at + chance.randrange(20 * HOUR)
        yield at, SessionOpened(TENANT, session, user, "n1", "web", at, chance.choice(("eu", "us", "asia")))
        yield at, Transition(TENANT, user, "offline", "online", None, at)
        yield at + HOUR, Transition(TENANT, user, "online", "idle", None, at + HOUR)
        yield at + 2 * HOUR, Transition(TENANT, user, "idle", "online", None, at + 2 * HOUR)
        yield at + 3 * HOUR, Transition(TENANT, user, "online", "offline", "leave", at + 3 * HOUR)
        yield at + 3 * HOUR, SessionClosed(TENANT, session, at + 3 * HOUR, "leave", at + 3 * HOUR)


async def _measure(journal: SqliteJournal, history: History, users: int) -> list[Figure]:
    last = Window(AT + (VISITS - 1) * DAY, AT + VISITS * DAY, UTC)
    whole = Bucket(AT, AT + VISITS * DAY)
    day = Bucket(*last[:2])
    questions: dict[str, tuple[Awaitable[Any], float | None]] = {
        "a day's curve in minutes": (history.online(TENANT, last.buckets(60)), 2),
        "a day's curve in hours": (history.online(TENANT, last.buckets(3_600)), 2),
        "the curve of all days in hours": (history.online(TENANT, Window(*whole, UTC).buckets(3_600)), 4),
        "session lengths of all days": (history.lengths(TENANT, whole), 4),
        "time in each status of 500 users, a day": (history.statuses(TENANT, day, Pick(500)), 2),
        "sessions of 500 users, all days": (history.spans(TENANT, whole, Pick(500), AT), 2),
        "who was here at noon, 500 users": (history.at(TENANT, day.start_at + DAY // 2, Pick(500)), 2),
        "regions of a day": (history.regions(TENANT, day, 5), 2),
    }
    figures = [Figure(NAME, "transitions in the record", users * VISITS * 4, "")]
    for what, (answer, most) in questions.items():
        began = time.perf_counter()
        await answer
        figures.append(Figure(NAME, what, time.perf_counter() - began, "s", most, "at most"))
    return [*figures, await _disturbed(journal, history, whole)]


async def _disturbed(journal: SqliteJournal, history: History, whole: Bucket) -> Figure:
    """How long reading last seen takes while a long question is answered."""
    asking = asyncio.create_task(history.online(TENANT, Window(*whole, UTC).buckets(3_600)))
    waits: list[float] = []
    while not asking.done():
        began = time.perf_counter()
        await journal.last_seen(TENANT, [f"user{len(waits)}"])
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(0.002)
    await asking
    return Figure(NAME, "p99 of reading last seen meanwhile", quantile(waits, 0.99) * 1000, "ms", 100, "at most")
