"""Resources over restarts and crowds, and as the Python client shows them."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from hereabouts.client import (
    AsyncPresence,
    AsyncPresenceServer,
    HoldingEvent,
    Occupied,
    Presence,
    Reading,
    Refused,
    Released,
    Synced,
)
from hereabouts.engine.identity import Identity
from hereabouts.engine.occupancy import Granted
from hereabouts.errors import Refusal
from hereabouts.testing.arena import Arena
from hereabouts.testing.process import ServerProcess, serving
from hereabouts.testing.waiting import pause
from hereabouts.testing.wire import Refused as RefusedFrame

PATIENCE_SECONDS = 5.0


def settings(folder: Path, **policy: Any) -> dict[str, Any]:
    return {"journal": {"url": f"sqlite:///{folder}/h.db"}, "policy": {"default": policy}}


async def put(server: ServerProcess, user_id: str, name: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.http, headers={"Authorization": f"Bearer dev:{user_id}"}) as http:
        return await http.put(f"/v1/occupancy/account/{name}", json={})


async def read(server: ServerProcess, user_id: str) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=server.http, headers={"Authorization": f"Bearer {user_id}"}) as http:
        held: list[dict[str, Any]] = (await http.get("/v1/occupancy/account")).json()["held"]
        return held


async def test_a_grant_survives_a_kill_and_a_stop(tmp_path: Path) -> None:
    long = '[policy.default]\npreset = "test"\noccupancy.release_after_seconds = 600\n'
    async with serving(tmp_path, long) as server:
        granted = (await put(server, "ada", "7")).json()
        # The server dies while it answers: the grant is on disk, or it never was.
        asked = asyncio.create_task(put(server, "bob", "8"))
        await asyncio.sleep(0)
        await server.end(signal.SIGKILL)
        answered = (await asyncio.gather(asked, return_exceptions=True))[0]
        await server.start()
        held = {holding["resource"]: holding for holding in await read(server, "dev:boss:admin")}
        assert held["account:7"]["fencing"] == granted["fencing"]
        assert held["account:7"]["since_at"] == granted["since_at"]
        if isinstance(answered, httpx.Response):
            assert held["account:8"]["user_id"] == "bob"
        await server.end()
        await server.start()
        assert (await put(server, "ada", "7")).json()["fencing"] == granted["fencing"]
        newest = max(holding["fencing"] for holding in await read(server, "dev:boss:admin"))
        assert (await put(server, "cy", "9")).json()["fencing"] > newest


async def test_a_holder_who_does_not_come_back_after_a_crash_has_lost_it(tmp_path: Path) -> None:
    # In a store it is the lease of the dead process that runs out first.
    config = settings(tmp_path, occupancy={"release_after_seconds": 30})
    first = Arena(config)
    async with first:
        ada = await first.enter("ada")
        await ada.ask("occupy", resource="account:7")
        # As a crash leaves it: nothing is handed over.
        first.node.holdings.departed = lambda feed, cause: None  # type: ignore[method-assign]
        await ada.reset()
        for owned in first.node.registry:
            first.node.registry.drop(owned)
    async with Arena(config) as second:
        boss = await second.connect()
        await boss.hello("dev:boss:admin")
        boss.beat_every(0.5)
        await boss.ask("watch", occupancy=["account"])
        snapshot = await boss.expect("occupancy")
        assert [holding["user_id"] for holding in snapshot["held"]] == ["ada"]
        # A lease and a grace: 3 s + 2 s in the test profile.
        while True:
            message = await boss.expect("occupancy", within=2 * PATIENCE_SECONDS)
            if (event := message["events"][0])["event"] == "released":
                break
        assert event["cause"] == "node_lost"


async def test_a_thousand_contenders_for_a_hundred_places(tmp_path: Path) -> None:
    async with Arena(settings(tmp_path, occupancy={"capacity": 100})) as arena:
        boss = await arena.connect()
        await boss.hello("dev:boss:admin")
        boss.beat_every(0.5)
        await boss.ask("watch", occupancy=["desk"])
        holdings = arena.node.holdings
        asked = (holdings.occupy(Identity("default", f"user{n}"), "desk:1") for n in range(1_000))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        granted = [answer.holding for answer in answers if isinstance(answer, Granted)]
        refused = [answer.code for answer in answers if isinstance(answer, Refusal)]
        assert (len(granted), refused) == (100, ["occupied"] * 900)
        told: set[str] = set()
        while len(told) < 100:
            message = await boss.expect("occupancy", where=lambda message: "events" in message)
            told |= {event["user_id"] for event in message["events"]}
        assert told == {holding.user_id for holding in granted}
        assert arena.node.readings()["holdings"] == 100


async def test_two_race_over_real_connections(tmp_path: Path) -> None:
    async with Arena(settings(tmp_path) | {"limits": {"updates_per_second": 1_000}}) as arena:
        wires = [await arena.enter("ada"), await arena.enter("bob")]
        newest = 0
        for _ in range(50):
            asked = (wire.ask("occupy", resource="account:7") for wire in wires)
            answers = await asyncio.gather(*asked, return_exceptions=True)
            (won,) = [place for place, answer in enumerate(answers) if isinstance(answer, dict)]
            answer = answers[won]
            assert isinstance(answer, dict)
            assert answer["fencing"] > newest
            newest = answer["fencing"]
            await wires[won].ask("release", resource="account:7", fencing=newest)


async def next_event(events: Reading[Any]) -> HoldingEvent | Synced:
    async with asyncio.timeout(PATIENCE_SECONDS):
        event: HoldingEvent | Synced = await anext(events)
        return event


async def test_the_client_holds_moves_and_hears_of_it(tmp_path: Path) -> None:
    async with Arena(settings(tmp_path)) as arena:
        url = f"http://127.0.0.1:{arena.port}"
        async with (
            AsyncPresence(url, "dev:ada") as ada,
            AsyncPresence(url, "dev:boss:admin") as boss,
            AsyncPresence(url, "dev:bob") as bob,
            boss.watch(occupancy=["account"]) as watch,
            bob.watch(occupancy=["account"]) as bare,
        ):
            events, bare_events = watch.events(), bare.events()
            first = await ada.occupy("account:1")
            assert isinstance(event := await next_event(events), Occupied)
            assert (event.holding.user_id, event.holding.fencing) == ("ada", first.fencing)
            with pytest.raises(Refused, match="occupied"):
                await bob.occupy("account:1")
            moved = await ada.occupy("account:2")
            assert moved.moved_from == "account:1"
            assert isinstance(event := await next_event(events), Occupied)
            assert event.moved_from == "account:1"
            assert [holding.resource for holding in watch.holdings("account")] == ["account:2"]
            taken = await boss.occupy("account:2", take_over=True)
            assert isinstance(event := await next_event(events), Occupied)
            assert event.holding.is_self
            assert [holding.user_id for holding in watch.holdings("account")] == ["boss"]
            await boss.release("account:2", fencing=taken.fencing)
            assert isinstance(event := await next_event(events), Released)
            assert watch.holdings("account") == ()
            # Who sees no holders: occupied, moved, and free; the take-over is no change.
            told = [await next_event(bare_events) for _ in range(4)]
            assert [
                (type(event).__name__, event.holding.resource) for event in told if not isinstance(event, Synced)
            ] == [
                ("Occupied", "account:1"),
                ("Released", "account:1"),
                ("Occupied", "account:2"),
                ("Released", "account:2"),
            ]


async def test_the_client_watches_again_after_a_broken_connection(tmp_path: Path) -> None:
    async with Arena(settings(tmp_path)) as arena:
        proxy = await arena.proxy()
        ada = await arena.enter("ada")
        async with (
            AsyncPresence(f"http://127.0.0.1:{proxy.port}", "dev:boss:admin") as boss,
            boss.watch(occupancy=["account"]) as watch,
        ):
            events = watch.events()
            await ada.ask("occupy", resource="account:1")
            assert isinstance(await next_event(events), Occupied)
            for link in proxy.links:
                link.cut()
            await ada.ask("occupy", resource="account:2")
            seen = [await next_event(events)]
            while not (isinstance(seen[-1], Occupied) and seen[-1].holding.resource == "account:2"):
                seen.append(await next_event(events))
            assert [holding.resource for holding in watch.holdings("account")] == ["account:2"]


async def test_a_back_end_holds_on_behalf_of_a_user(tmp_path: Path) -> None:
    key = "hk_" + "k" * 43
    keys = [{"name": "app", "hash": hashlib.sha256(key.encode()).hexdigest(), "scopes": ["read", "write", "admin"]}]
    config = settings(tmp_path) | {"auth": {"api_keys": keys, "secret": "s" * 40, "algorithms": ["HS256"]}}
    async with Arena(config) as arena:
        url = f"http://127.0.0.1:{arena.port}"
        async with AsyncPresenceServer(url, key) as server, httpx.AsyncClient(base_url=url) as http:
            grant = await server.occupy("account:7", "ada", name="Ada")
            (holding,) = await server.holdings("account")
            assert (holding.user_id, holding.name, holding.fencing) == ("ada", "Ada", grant.fencing)
            with pytest.raises(Refused, match="occupied"):
                await server.occupy("account:7", "bob")
            with pytest.raises(Refused, match="lease_lost"):
                await server.release("account:7", "bob")
            headers = {"Authorization": f"Bearer {key}"}
            old = await http.delete("/admin/presence/7", headers=headers)
            assert (old.status_code, "Deprecation" in old.headers) == (204, True)
            assert await server.holdings("account") == []
            denied = await http.delete("/admin/presence/7", headers={"Authorization": "Bearer dev:ada"})
            assert denied.status_code == 403


async def test_what_an_admin_clears_cools_down(tmp_path: Path) -> None:
    async with Arena(settings(tmp_path)) as arena:
        ada, headers = await arena.enter("ada"), {"Authorization": "Bearer dev:eve:admin"}
        await ada.ask("occupy", resource="account:7")
        told = {"what": "holding", "id": "account:7", "reason": "a ghost", "mode": "cooldown", "cooldown_seconds": 1}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", headers=headers) as http:
            dry = (await http.post("/v1/admin/clear", json=told | {"dry_run": True})).json()
            assert (dry["users"], dry["audited"]) == (["ada"], False)
            assert len(arena.node.holdings) == 1
            done = (await http.post("/v1/admin/clear", json=told)).json()
            assert (done["users"], done["audited"]) == (["ada"], True)
        lost = await ada.expect("occupancy", where=lambda message: message["events"][0]["event"] == "released")
        assert lost["events"][0]["cause"] == "cleared"
        with pytest.raises(RefusedFrame, match="forbidden") as refused:
            await ada.ask("occupy", resource="account:7")
        await pause(refused.value.error["retry_after_seconds"])
        await ada.ask("occupy", resource="account:7")


async def test_without_an_event_loop(tmp_path: Path) -> None:
    async with Arena(settings(tmp_path)) as arena:
        url = f"http://127.0.0.1:{arena.port}"

        def program() -> list[str]:
            with Presence(url, "dev:ada") as presence, presence.watch(occupancy=["account"]) as watch:
                presence.occupy("account:1")
                presence.release("account:1")
                presence.occupy("account:2")
                for event in watch.events(timeout_seconds=PATIENCE_SECONDS):
                    if isinstance(event, Occupied) and event.holding.resource == "account:2":
                        break
                return [holding.resource for holding in watch.holdings("account")]

        assert await asyncio.to_thread(program) == ["account:2"]
