"""What a server still writes as it ends, and forgets while it runs, when the record takes one thing and not another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hereabouts.errors import JournalUnavailable
from hereabouts.runtime.census import Census
from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually


def kept_in(folder: Path) -> dict[str, Any]:
    return {"journal": {"url": f"sqlite:///{folder}/journal.db", "flush_seconds": 1}}


async def test_sessions_that_cannot_be_handed_over_keep_nothing_else_from_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(payloads: Sequence[bytes], at: int, valid_until_at: int) -> None:
        raise JournalUnavailable("it took too long")

    async with Arena(kept_in(tmp_path)) as arena:
        await arena.enter("ada", "lobby")
        monkeypatch.setattr(arena.node.context.journal, "hand_over", fails)
    assert arena.node.context.journal.counts["transition"] > 0
    health = arena.node.context.journal.health()
    assert (health.queued_rows, health.lost_rows) == (0, 0)


async def test_one_class_of_rows_that_cannot_be_forgotten_keeps_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Arena(kept_in(tmp_path)) as arena:
        journal, forgotten = arena.node.context.journal, set[str]()

        async def fails(before_at: Mapping[str, int]) -> int:
            if "events" in before_at:
                raise JournalUnavailable("it took too long")
            forgotten.update(before_at)
            return 0

        monkeypatch.setattr(journal, "prune", fails)
        census = Census(arena.node.context, {"events": 1, "sessions": 1, "audit": 1, "origins": 0})
        census.start()
        await eventually(lambda: forgotten >= {"sessions", "audit"} and journal.stored_rows)
        await census.stop()
