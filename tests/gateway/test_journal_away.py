"""A hello while the journal cannot be read: it is refused as an outage, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hereabouts.engine.records import FeedKey
from hereabouts.errors import HereaboutsError, JournalUnavailable, StoreUnavailable
from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually, pause
from hereabouts.testing.wire import Refused

IDLE_SECONDS = 0.5
SWEEP_SECONDS = 0.25


async def cannot_be_read(*_: Any) -> Any:
    raise JournalUnavailable("the disk is gone")


@pytest.mark.parametrize("question", ["last_seen", "declared"])
async def test_a_hello_that_the_journal_holds_up_is_degraded_and_leaves_no_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    async with Arena({"journal": {"url": f"sqlite:///{tmp_path}/h.db"}}) as arena:
        node, faults = arena.node, arena.node.context.telemetry.faults
        with monkeypatch.context() as patched:
            patched.setattr(node.context.journal, question, cannot_be_read)
            for _ in range(3):
                wire = await arena.connect()
                with pytest.raises(Refused, match=r"degraded: .*journal.*the disk is gone"):
                    await wire.hello("dev:ada")
                assert await wire.closed() == 4203
        await eventually(lambda: not (node.registry or node.people), what="nobody is here")
        assert node.context.telemetry.faults == faults
        await arena.enter("ada")


async def test_who_is_let_in_after_so_long_that_they_would_be_idle_and_then_is_not_stands_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cannot_be_read_for_long(*_: Any) -> Any:
        await pause(IDLE_SECONDS + 2 * SWEEP_SECONDS)
        await cannot_be_read()

    policy = {"default": {"idle_after_seconds": IDLE_SECONDS, "sweep_seconds": SWEEP_SECONDS}}
    async with Arena({"journal": {"url": f"sqlite:///{tmp_path}/h.db"}, "policy": policy}) as arena:
        monkeypatch.setattr(arena.node.context.journal, "declared", cannot_be_read_for_long)
        wire = await arena.connect()
        with pytest.raises(Refused, match="degraded"):
            await wire.hello("dev:ada")
        await wire.closed()
        feed, backend = FeedKey("default", "user", "ada"), arena.node.context.backend
        await pause(SWEEP_SECONDS)  # what was decided is done
        assert (await backend.snapshot(feed)).records == ()


@pytest.mark.parametrize("error", [JournalUnavailable("it is gone"), StoreUnavailable("it is gone")])
async def test_an_outage_is_one_line_a_second_however_many_sessions_suffer_from_it(error: HereaboutsError) -> None:
    async with Arena() as arena:
        context, faults = arena.node.context, arena.node.context.telemetry.faults
        with capture_logs() as logged:
            for _ in range(1_000):
                context.failed(error)
        assert len(logged) < 5 and context.telemetry.faults == faults
