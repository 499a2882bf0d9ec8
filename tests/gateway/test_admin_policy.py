"""The policy at run time: set by call, read again from the file, told to everybody; and nobody is lost by it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hereabouts.auth.tokens import EVERYTHING
from hereabouts.engine.identity import Identity
from hereabouts.errors import ConfigError
from hereabouts.runtime.beats import HttpBeat
from hereabouts.testing.admins import Admin, admin
from hereabouts.testing.arena import Arena
from hereabouts.testing.process import TEST_PROFILE, serving
from hereabouts.testing.waiting import eventually
from hereabouts.testing.wire import Wire

POLICY = "/v1/admin/policy"


def kept_in(folder: Path, **policy: Any) -> dict[str, Any]:
    return {"journal": {"url": f"sqlite:///{folder / 'journal.db'}"}, "policy": policy}


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Arena]:
    """A server with a journal."""
    async with Arena(kept_in(tmp_path)) as arena:
        yield arena


def in_force(answer: Any, layer: str = "default") -> Any:
    return next(row for row in answer["in_force"] if row["layer"] == layer)


# Setting


async def test_a_policy_is_set_told_and_taken_away(kept: Arena) -> None:
    ada = await kept.enter("ada", "lobby")
    async with admin(kept) as eve:
        policy = {"default": {"grace_seconds": 1, "lease": {"hidden_seconds": 9}}}
        told = await eve.put(POLICY, policy=policy, reason="calmer")
        assert told["version"] == 1
        changed = (await ada.expect("policy"))["policy"]
        assert (changed["grace_seconds"], changed["lease_hidden_seconds"]) == (1, 9)
        read = await eve.get(POLICY)
        row = in_force(read)
        assert (read["overlay"], row["values"]["grace_seconds"]) == (policy, 1)
        assert row["winners"]["grace_seconds"] == "overlay default"
        assert row["winners"]["beat.visible_seconds"] == "default"
        assert row["ghost_seconds"] == pytest.approx(3 + 1 + 0.5 + 0.3)
        (version,) = read["versions"]
        assert (version["actor"], version["reason"], version["policy"]) == ("user:eve", "calmer", policy)
        await eve.delete(POLICY, reason="enough")
        assert (await ada.expect("policy"))["policy"]["grace_seconds"] == 2
        read = await eve.get(POLICY)
        assert (read["overlay"], [one["policy"] for one in read["versions"]]) == (None, [None, policy])
        acts = [entry["action"] for entry in (await eve.get("/v1/admin/audit"))["entries"]]
        assert acts == ["delete_policy", "set_policy"]


async def test_a_session_without_a_socket_hears_it_with_its_next_beat(kept: Arena) -> None:
    async with admin(kept, "dev:ada") as ada, admin(kept) as eve:
        first = await ada.post("/v1/heartbeat", rooms=["lobby"])
        assert first["next_beat_seconds"] == 1
        await eve.put(POLICY, policy={"default": {"beat.visible_seconds": 0.5}}, reason="faster")
        assert (await ada.post("/v1/heartbeat", resume=first["resume"]))["next_beat_seconds"] == 0.5


async def test_a_beat_by_http_names_the_clocks_in_force(kept: Arena) -> None:
    async with admin(kept, "dev:ada") as ada, admin(kept) as eve:
        first = await ada.post("/v1/heartbeat")
        versions = [first["policy_version"]]
        for policy in ({"default": {"views": {"default": "none"}}}, {"default": {"grace_seconds": 1}}, None):
            await (eve.put(POLICY, policy=policy, reason="so") if policy else eve.delete(POLICY, reason="so"))
            versions.append((await ada.post("/v1/heartbeat", resume=first["resume"]))["policy_version"])
    assert versions[0] == versions[1] == versions[3] != versions[2]


@pytest.mark.parametrize(
    ("policy", "texts"),
    [
        ({"default": {"lease.visible_seconds": 1}}, ["lease.visible_seconds", "1", "allow_unsafe"]),
        ({"default": {"grace_seconds": 90}}, ["grace_seconds", "90"]),
        ({"default": {"grace_second": 1}}, ["grace_second", "did you mean 'grace_seconds'"]),
        ({"default": {"sweep_seconds": 1}}, ["stands still while it runs"]),
        ({"roles": {"agent": {"grace_seconds": "long"}}}, ["grace_seconds"]),
        ({"people": {}}, ["policy.people"]),
    ],
)
async def test_a_policy_that_cannot_be_is_refused_and_the_old_one_stays(
    kept: Arena, policy: dict[str, Any], texts: list[str]
) -> None:
    ada = await kept.enter("ada", "lobby")
    async with admin(kept) as eve:
        before = await eve.get(POLICY)
        for dry_run in (True, False):
            problem = await eve.refused("PUT", POLICY, policy=policy, reason="a slip", dry_run=dry_run)
            assert problem["code"] == "bad_request"
            assert [text for text in texts if text not in problem["detail"]] == []
        assert await eve.get(POLICY) == before
    await ada.never("policy", during=0.2)


async def test_a_dry_run_says_what_would_be(kept: Arena) -> None:
    async with admin(kept) as eve:
        told = await eve.put(POLICY, policy={"roles": {"agent": {"grace_seconds": 1}}}, reason="to see", dry_run=True)
        assert (told["version"], in_force(told, "role agent")["values"]["grace_seconds"]) == (None, 1)
        assert (await eve.get(POLICY))["overlay"] is None


async def test_without_a_journal_it_is_not_set_but_read(arena: Arena) -> None:
    async with admin(arena) as eve:
        assert (await eve.refused("PUT", POLICY, policy={}, reason="x"))["code"] == "unsupported"
        assert in_force(await eve.get(POLICY))["values"]["grace_seconds"] == 2


# What it does to those who are there


async def test_a_shorter_lease_ends_who_heard_of_it_and_fell_silent(kept: Arena) -> None:
    bob = await kept.enter("bob", "lobby")
    ada = await kept.enter("ada", "lobby", beats=False)
    await bob.event("lobby", "join", "ada")
    async with admin(kept) as eve:
        short = {"default": {"beat.visible_seconds": 0.4, "lease.visible_seconds": 1, "grace_seconds": 0.2}}
        await eve.put(POLICY, policy={"default": {**short["default"], "allow_unsafe": True}}, reason="faster")
    await ada.expect("policy")
    await ada.say("beat")
    await ada.expect("beat")
    await ada.say("beat")
    await ada.expect("beat")
    since = time.monotonic()
    await bob.event("lobby", "leave", "ada", within=3)
    # By the lease of before it would have been 3 s and the new grace.
    assert 1.2 - 0.1 <= time.monotonic() - since < 3


async def test_other_views_are_sent_anew_and_nobody_leaves(kept: Arena) -> None:
    ada = await kept.enter("ada", "lobby")
    bob = await kept.enter("bob", "lobby")
    await ada.event("lobby", "join", "bob")
    await ada.ask("watch", users=["bob"])
    assert "last_seen_at" in (await ada.expect("users"))["users"][0]
    async with admin(kept) as eve:
        views = {"views_rooms": {"default": "status"}, "views_users": {"default": "none"}}
        await eve.put(POLICY, policy={"default": views}, reason="private")
        shown = await ada.expect("snapshot", where=lambda message: message["view"] == "status")
        assert {"user_id": "bob", "status": "online"} in shown["members"]
        card = (await ada.expect("users"))["users"][0]
        assert card == {"user_id": "bob", "status": "offline"}
        assert (await eve.http.get("/v1/rooms/lobby/members")).json()["view"] == "status"
        await eve.delete(POLICY)
        shown = await ada.expect("snapshot", where=lambda message: message["view"] == "full")
        assert {member["user_id"] for member in shown["members"]} == {"ada", "bob"}
        assert (await ada.expect("users"))["users"][0]["status"] == "online"
    await ada.no_event("lobby", "leave", "bob", during=0.2)
    await bob.ask("update", room="lobby", state={"still": "here"})


async def test_the_size_of_a_room_is_judged_by_the_new_policy(kept: Arena) -> None:
    ada = await kept.enter("ada", "lobby")
    for name in ("bob", "ivy"):
        await kept.enter(name, "lobby")
    async with admin(kept) as eve:
        await eve.put(POLICY, policy={"rooms": {"lobby": {"fanout.summary_above": 2}}}, reason="crowded")
        shown = await ada.expect("snapshot", where=lambda message: message["mode"] == "summary")
        assert shown["count"] == 3


async def test_a_reload_under_a_thousand_sessions_loses_nobody(tmp_path: Path) -> None:
    production = {"default": {"preset": "chat", "views": {"default": "full"}, "fanout.summary_above": 5_000}}
    async with Arena(kept_in(tmp_path, **production)) as arena:
        node = arena.node
        for number in range(980):
            await node.beats.beat(Identity("default", f"u{number}", grants=EVERYTHING), HttpBeat(rooms=["lobby"]))
        watching: list[Wire] = [await arena.enter(f"w{number}", "lobby") for number in range(20)]
        await eventually(lambda: len(watching[0].folds.names("lobby")) == 1_000, within=5, what="all are there")
        await node.context.journal.flush()
        joins, rows = node.context.telemetry.joins, dict(node.context.journal.counts)
        told = [len(wire.folds.told("lobby")) for wire in watching]
        overlay = {"default": {"lease.visible_seconds": 66, "grace_seconds": 3, "fanout.window_seconds": 0.1}}
        async with admin(arena) as eve:
            since = time.monotonic()
            await eve.put(POLICY, policy=overlay, reason="tighter")
            assert time.monotonic() - since < 2
        for wire in watching:
            assert (await wire.expect("policy"))["policy"]["grace_seconds"] == 3
        assert len(node.registry) == 1_000
        assert {owned.session.policy.grace_seconds for owned in node.registry} == {3}
        assert {owned.session.phase for owned in node.registry} == {"live"}
        await watching[0].never("delta", "snapshot", during=0.5, where=lambda m: m["seq"] > 10_000)
        assert [len(wire.folds.told("lobby")) for wire in watching] == told
        assert node.context.telemetry.joins == joins
        assert dict(node.context.journal.counts) == rows


# Over restarts, and from the file


async def test_it_outlives_the_process(tmp_path: Path) -> None:
    async with Arena(kept_in(tmp_path)) as arena, admin(arena) as eve:
        await eve.put(POLICY, policy={"default": {"grace_seconds": 1}}, reason="calmer")
    async with Arena(kept_in(tmp_path)) as arena:
        ada = await arena.enter("ada")
        assert ada.welcome["policy"]["grace_seconds"] == 1


async def test_a_file_that_does_not_go_with_it_is_not_served(tmp_path: Path) -> None:
    async with Arena(kept_in(tmp_path)) as arena, admin(arena) as eve:
        await eve.put(POLICY, policy={"roles": {"agent": {"lease.visible_seconds": 2.6}}}, reason="faster")
    with pytest.raises(ConfigError, match=r"user:eve set at run time \(version 1\) does not go with the file.*2.6"):
        async with Arena(kept_in(tmp_path, default={"beat.visible_seconds": 1.3})):
            pass


async def test_sighup_reads_the_policy_of_the_file_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        wire = await Wire.open(server.url)
        await wire.hello("dev:ada")
        server.hang_up(f"{TEST_PROFILE}grace_seconds = 1\n")
        assert (await wire.expect("policy"))["policy"]["grace_seconds"] == 1
        server.hang_up(f"{TEST_PROFILE}grace_seconds = 90\n")
        await eventually(lambda: "was read again and not taken" in server.log, within=5, what="the refusal")
        await wire.never("policy", during=0.2)
        async with httpx.AsyncClient(base_url=server.http, headers={"Authorization": "Bearer dev:eve:admin"}) as http:
            eve = Admin(http)
            assert in_force(await eve.get(POLICY))["values"]["grace_seconds"] == 1
            (entry,) = (await eve.get("/v1/admin/audit"))["entries"]
            assert (entry["action"], entry["actor"].partition(":")[0]) == ("reread_policy", "node")
        await wire.close()


async def test_what_is_held_is_shown_by_the_new_policy(kept: Arena) -> None:
    ada, bob = await kept.enter("ada"), await kept.enter("bob")
    await ada.ask("occupy", resource="account:12")
    await bob.ask("watch", occupancy=["account"])
    (held,) = (await bob.expect("occupancy"))["held"]
    assert held == {"resource": "account:12", "occupied": True}
    async with admin(kept) as eve:
        policy = {"default": {"views_occupancy": {"default": "full"}, "occupancy.release_after_seconds": 5}}
        await eve.put(POLICY, policy=policy, reason="open")
    (held,) = (await bob.expect("occupancy"))["held"]
    assert held["user_id"] == "ada"
