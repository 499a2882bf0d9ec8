"""Resources over real sockets: who gets them, who hears of it, and what each is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from hereabouts.testing.arena import Arena
from hereabouts.testing.wire import Refused, Wire


@asynccontextmanager
async def arena(folder: Path, **policy: Any) -> AsyncIterator[Arena]:
    settings = {"journal": {"url": f"sqlite:///{folder}/h.db"}, "policy": {"default": policy}}
    async with Arena(settings) as running:
        yield running


async def watch(wire: Wire, kind: str = "account") -> dict[str, Any]:
    await wire.ask("watch", occupancy=[kind])
    return await wire.expect("occupancy", where=lambda message: "held" in message)


async def events(wire: Wire, within: float = 5.0) -> list[dict[str, Any]]:
    message = await wire.expect("occupancy", where=lambda message: "events" in message, within=within)
    found: list[dict[str, Any]] = message["events"]
    return found


async def test_one_holds_and_the_other_is_told_that_it_is_occupied(tmp_path: Path) -> None:
    async with arena(tmp_path) as running:
        ada, bob = await running.enter("ada"), await running.enter("bob")
        granted = await ada.ask("occupy", resource="account:7")
        assert granted["resource"] == "account:7"
        with pytest.raises(Refused, match="occupied") as refused:
            await bob.ask("occupy", resource="account:7")
        assert refused.value.error["holder"] == {"resource": "account:7", "occupied": True}
        again = await ada.ask("occupy", resource="account:7")
        assert (again["since_at"], again["fencing"]) == (granted["since_at"], granted["fencing"])
        await ada.ask("release", resource="account:7")
        assert (await bob.ask("occupy", resource="account:7"))["fencing"] > granted["fencing"]


async def test_each_role_is_shown_its_own_picture(tmp_path: Path) -> None:
    views = {"admin": "full", "agent": "status", "default": "existence", "guest": "none"}
    async with arena(tmp_path, views_occupancy=views) as running:
        ada = await running.enter("ada")
        boss, agent, guest = (
            [await running.connect() for _ in range(3)]
        )  # fmt: skip
        for wire, name in ((boss, "boss:admin"), (agent, "al:agent"), (guest, "gus:guest")):
            await wire.hello(f"dev:{name}")
            wire.beat_every(0.5)
        bob = await running.enter("bob")
        for wire in (ada, boss, agent, guest, bob):
            assert (await watch(wire))["held"] == []
        granted = await ada.ask("occupy", resource="account:7")
        (own,) = await events(ada)
        assert own["self"] is True
        assert own["fencing"] == granted["fencing"]
        (full,) = await events(boss)
        assert full == {key: value for key, value in own.items() if key != "self"}
        (status,) = await events(agent)
        assert status == {"event": "occupied", "resource": "account:7", "user_id": "ada"}
        (seen,) = await events(bob)
        assert seen == {"event": "occupied", "resource": "account:7", "occupied": True}
        await guest.never("occupancy", during=0.3)
        await ada.ask("release", resource="account:7")
        assert (await events(bob)) == [{"event": "released", "resource": "account:7"}]
        assert (await events(agent)) == [{"event": "released", "resource": "account:7", "user_id": "ada"}]
        assert (await events(boss))[0]["cause"] == "released"


async def test_a_move_is_one_frame_for_fifty_observers(tmp_path: Path) -> None:
    async with arena(tmp_path) as running:
        ada = await running.enter("ada")
        boss = await running.connect()
        await boss.hello("dev:boss:admin")
        boss.beat_every(0.5)
        await watch(boss)
        observers = [await running.enter(f"viewer{number}") for number in range(50)]
        await ada.ask("occupy", resource="account:0")
        for wire in observers:
            await watch(wire)
        for number in range(1, 16):
            moved = await ada.ask("occupy", resource=f"account:{number}")
            assert moved["moved_from"] == f"account:{number - 1}"

        async def follow(wire: Wire) -> None:
            held, steps = {"account:0"}, 0
            while "account:15" not in held:
                for event in await events(wire):
                    if event["event"] == "released":
                        held.discard(event["resource"])
                    else:
                        held.add(event["resource"])
                steps += 1
                # After every frame there is one, neither both nor neither.
                assert len(held) == 1, held
            assert steps >= 1

        await asyncio.gather(*map(follow, observers))
        (occupied,) = await events(boss)
        assert occupied["event"] == "occupied"


async def test_an_admin_takes_over_and_the_loser_is_told(tmp_path: Path) -> None:
    async with arena(tmp_path) as running:
        ada, bob = await running.enter("ada"), await running.enter("bob")
        boss = await running.connect()
        await boss.hello("dev:boss:admin")
        boss.beat_every(0.5)
        first = await ada.ask("occupy", resource="account:7")
        await watch(bob)
        await watch(boss)
        with pytest.raises(Refused, match="forbidden"):
            await bob.ask("occupy", resource="account:7", on_conflict="take_over")
        taken = await boss.ask("occupy", resource="account:7", on_conflict="take_over")
        assert taken["fencing"] > first["fencing"]
        # The first notice is of its own grant.
        assert [event["event"] for event in await events(ada)] == ["occupied"]
        (lost,) = await events(ada)
        assert (lost["event"], lost["cause"], lost["self"]) == ("released", "taken_over", True)
        (event,) = await events(boss)
        assert (event["event"], event["cause"], event["replaces"]) == ("occupied", "taken_over", "ada")
        # Who sees no holders sees no change.
        await bob.never("occupancy", during=0.3)
        with pytest.raises(Refused, match="lease_lost"):
            await ada.ask("release", resource="account:7", fencing=first["fencing"])


async def test_a_holder_that_was_silent_beyond_its_lease_has_lost_it(tmp_path: Path) -> None:
    async with arena(tmp_path) as running:
        ada = await running.enter("ada", beats=False)
        bob = await running.enter("bob")
        granted = await ada.ask("occupy", resource="account:7")
        await watch(bob)
        # Nothing before lease and grace are over (3 s + 2 s in the test profile).
        await bob.never("occupancy", during=4.0)
        assert [event["event"] for event in await events(bob)] == ["released"]
        back = await running.come_back(ada, "ada")
        with pytest.raises(Refused, match="lease_lost"):
            await back.ask("release", resource="account:7", fencing=granted["fencing"])
        assert (await back.ask("occupy", resource="account:7"))["fencing"] > granted["fencing"]


async def test_a_leave_ends_what_belongs_to_the_session_and_a_reload_does_not(tmp_path: Path) -> None:
    async with arena(tmp_path) as running:
        ada = await running.enter("ada")
        bob = await running.enter("bob")
        granted = await ada.ask("occupy", resource="account:7")
        await watch(bob)
        await ada.reset()
        back = await running.come_back(ada, "ada")
        await bob.never("occupancy", during=2.5)
        again = await back.ask("occupy", resource="account:7")
        assert again["fencing"] == granted["fencing"]
        await back.say("bye")
        assert [event["event"] for event in await events(bob)] == ["released"]


async def test_without_human_input_it_ends_and_beats_alone_do_not_keep_it(tmp_path: Path) -> None:
    async with arena(tmp_path, occupancy={"release_after_seconds": 5}) as running:
        ada = await running.enter("ada", beats=False)
        eve = await running.enter("eve", beats=False)
        boss = await running.connect()
        await boss.hello("dev:boss:admin")
        boss.beat_every(0.5)
        ada.beat_every(0.5)
        eve.beat_every(0.5, active=True)
        await ada.ask("occupy", resource="account:7")
        await eve.ask("occupy", resource="account:8")
        await watch(boss)
        await boss.never("occupancy", during=3.0)
        (event,) = await events(boss)
        assert (event["event"], event["user_id"], event["cause"]) == ("released", "ada", "inactivity")
        await boss.never("occupancy", during=2.0)
        assert [event["event"] for event in await events(ada)] == ["occupied"]
        assert (await events(ada))[0]["cause"] == "inactivity"


async def test_without_a_journal_nobody_holds_anything() -> None:
    async with Arena() as running:
        ada = await running.enter("ada")
        with pytest.raises(Refused, match="unsupported"):
            await ada.ask("occupy", resource="account:7")
        with pytest.raises(Refused, match="unsupported"):
            await ada.ask("watch", occupancy=["account"])


@pytest.mark.parametrize("resource", ["", "account", ":7", "account:", "a" * 201, "account:\n"])
async def test_what_is_no_resource_is_refused(tmp_path: Path, resource: str) -> None:
    async with arena(tmp_path) as running:
        ada = await running.enter("ada")
        with pytest.raises(Refused, match=r"bad_request|too_large"):
            await ada.ask("occupy", resource=resource)


async def test_by_http_for_oneself(tmp_path: Path) -> None:
    async with arena(tmp_path) as running, httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}") as http:
        ada, bob = ({"Authorization": f"Bearer dev:{name}"} for name in ("ada", "bob"))
        granted = (await http.put("/v1/occupancy/account/7", json={}, headers=ada)).json()
        assert (granted["resource"], granted["user_id"]) == ("account:7", "ada")
        refused = await http.put("/v1/occupancy/account/7", json={}, headers=bob)
        assert refused.status_code == 409
        assert refused.json()["holder"] == {"resource": "account:7", "occupied": True}
        read = (await http.get("/v1/occupancy/account", headers=bob)).json()
        assert (read["view"], read["held"]) == ("existence", [{"resource": "account:7", "occupied": True}])
        own = (await http.get("/v1/occupancy/account", headers=ada)).json()["held"][0]
        assert (own["self"], own["fencing"]) == (True, granted["fencing"])
        # It was taken without a session, so that none can end it.
        ada_wire = await running.enter("ada")
        await ada_wire.say("bye")
        assert (await http.delete("/v1/occupancy/account/7", headers=bob)).json()["code"] == "lease_lost"
        assert (await http.delete("/v1/occupancy/account/7", headers=ada)).status_code == 204
        forbidden = await http.put("/v1/occupancy/account/7", json={"user_id": "bob"}, headers=ada)
        assert forbidden.status_code == 403


async def test_an_event_stream_follows_a_kind(tmp_path: Path) -> None:
    async with arena(tmp_path) as running, httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}") as http:
        headers = {"Authorization": "Bearer dev:bob"}
        async with asyncio.timeout(10), http.stream("GET", "/v1/events?occupancy=account", headers=headers) as stream:
            lines = (line async for line in stream.aiter_lines() if line.startswith("data:"))
            assert '"held":[]' in await anext(lines)
            ada = await running.enter("ada")
            await ada.ask("occupy", resource="account:7")
            assert '"occupied":true' in await anext(lines)
