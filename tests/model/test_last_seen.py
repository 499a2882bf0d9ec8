"""Whatever the order in which rows come, are written, are read and crash: last seen never goes back."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hereabouts.journal.base import Journal, LastSeen, merge
from hereabouts.journal.none import NoJournal
from hereabouts.journal.sqlite import SqliteJournal

Times = tuple[int | None, int | None, int | None, int | None]
Step = str | tuple[str, int | None, int | None, int | None, int | None]

times = st.none() | st.integers(0, 50)
steps = st.lists(
    st.tuples(st.sampled_from(["ada", "bob"]), times, times, times, times) | st.sampled_from(["flush", "reopen"]),
    max_size=30,
)


def newest(earlier: int | None, later: int | None) -> int | None:
    return max((time for time in (earlier, later) if time is not None), default=None)


async def play(make: Callable[[], Journal], script: list[Step], is_durable: bool) -> None:
    """Plays a history against a journal and against a naive one."""
    journal = make()
    await journal.open()
    known: dict[str, Times] = {}
    try:
        for step in script:
            if step == "flush":
                await journal.flush()
            elif step == "reopen" and is_durable:
                await journal.close()
                journal = make()
                await journal.open()
            elif isinstance(step, tuple):
                user, *told = step
                journal.record([LastSeen("default", user, *told)])
                was = known.get(user, (None, None, None, None))
                known[user] = (newest(was[0], told[0]), newest(was[1], told[1]), told[2], told[3])
            found = await journal.last_seen("default", ["ada", "bob", "eve"])
            assert found == {user: LastSeen("default", user, *expected) for user, expected in known.items()}
    finally:
        await journal.close()


@given(steps)
@settings(max_examples=60, deadline=None)
def test_sqlite_knows_what_a_naive_journal_knows(script: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        asyncio.run(play(lambda: SqliteJournal(path, flush_seconds=0.001), script, is_durable=True))


@given(steps)
@settings(max_examples=100, deadline=None)
def test_memory_knows_what_a_naive_journal_knows(script: list[Step]) -> None:
    asyncio.run(play(NoJournal, script, is_durable=False))


@given(st.lists(st.tuples(times, times, times, times), min_size=1))
def test_merging_keeps_the_newest_times_and_the_last_public_ones(rows: list[Times]) -> None:
    row: LastSeen | None = None
    for told in rows:
        row = merge(row, LastSeen("default", "ada", *told))
    assert row is not None
    assert row.seen_at == max((told[0] for told in rows if told[0] is not None), default=None)
    assert row.active_at == max((told[1] for told in rows if told[1] is not None), default=None)
    assert (row.public_seen_at, row.public_active_at) == rows[-1][2:]
