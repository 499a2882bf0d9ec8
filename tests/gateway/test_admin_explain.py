"""Why the server says what it says of a user, and what a viewer sees of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from hereabouts.engine.explaining import StatusExplained, replay
from hereabouts.testing.admins import admin
from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Arena]:
    """A server with a journal."""
    async with Arena({"journal": {"url": f"sqlite:///{tmp_path / 'journal.db'}"}}) as arena:
        yield arena


async def test_it_says_which_session_which_timer_and_which_rule(kept: Arena) -> None:
    ada = await kept.enter("ada", "lobby")
    await kept.enter("ada", visible=False)
    async with admin(kept) as eve:
        told = await eve.get("/v1/users/ada/explain")
        status = told["status"]
        assert (status["status"], status["axis"]) == ("online", "attention")
        assert status["because"] == [ada.welcome["session_id"]]
        assert status["rule"] == "a visible session has human input"
        by_id = {one["session"]["session_id"]: one for one in told["sessions"]}
        timers = {timer["does"]: timer for timer in by_id[ada.welcome["session_id"]]["timers"]}
        assert (timers["lost"]["clock"], timers["lost"]["clock_seconds"]) == ("lease.visible_seconds", 3)
        assert timers["lost"]["layer"] == "default" and 1 < timers["lost"]["in_seconds"] <= 3
        assert timers["removed"]["in_seconds"] == pytest.approx(timers["lost"]["in_seconds"] + 2, abs=0.01)
        assert 3 < timers["idle"]["in_seconds"] <= 5
        assert told["view"] is None


async def test_what_it_tells_replayed_gives_the_same_answer(kept: Arena) -> None:
    ada = await kept.enter("ada")
    async with admin(kept) as eve:
        for status in ("busy", "invisible", "available"):
            await ada.ask("status", status=status, text="x")
            told = await eve.get("/v1/users/ada/explain", viewer="ada")
            explained = msgspec.convert(told["status"], StatusExplained)
            assert replay(explained).status == explained.status == told["view"]["card"]["status"]


async def test_the_view_of_a_named_viewer_is_what_that_viewer_reads(kept: Arena) -> None:
    await kept.enter("ada")
    await kept.enter("bob")
    async with admin(kept) as eve, admin(kept, "dev:bob") as bob:
        view = (await eve.get("/v1/users/ada/explain", viewer="bob"))["view"]
        assert (view["view"], view["signed_in"], view["may_watch"], view["layer"]) == ("status", True, True, "shipped")
        assert view["card"].keys() == (await bob.get("/v1/users/ada")).keys()
        boss = (await eve.get("/v1/users/ada/explain", viewer="carol", role="admin"))["view"]
        assert (boss["view"], boss["signed_in"], boss["role"]) == ("full", False, "admin")
        await eve.put("/v1/admin/policy", policy={"default": {"views_users": {"default": "none"}}}, reason="private")
        view = (await eve.get("/v1/users/ada/explain", viewer="bob"))["view"]
        assert (view["view"], view["layer"]) == ("none", "overlay default")
        assert view["card"] == {"user_id": "ada", "status": "offline"}


async def test_somebody_who_is_gone_is_explained_by_the_past(kept: Arena) -> None:
    ada = await kept.enter("ada")
    await ada.say("bye")
    await eventually(lambda: len(kept.node.registry) == 0, within=5)
    async with admin(kept) as eve:
        await eve.post("/v1/admin/clear", what="user", id="ada", reason="noise", mode="cooldown")
        told = await eve.get("/v1/users/ada/explain")
        assert (told["status"]["rule"], told["sessions"]) == ("there is no live session", [])
        assert [(one["before"], one["after"], one["cause"]) for one in told["transitions"]] == [
            ("online", "offline", "leave"),
            ("offline", "online", None),
        ]
        assert [one["reason"] for one in told["held_out"]] == ["noise"]
        assert (await eve.get("/v1/users/nobody/explain"))["transitions"] == []


async def test_a_reader_is_no_admin(kept: Arena) -> None:
    async with admin(kept, "dev:bob") as bob:
        assert (await bob.refused("GET", "/v1/users/ada/explain"))["code"] == "forbidden"
