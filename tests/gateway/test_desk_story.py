"""The story of the desks, on real sockets: docs/ledger.md, A2."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from secrets import token_bytes

import pytest

from hereabouts.auth.api_keys import new_key
from hereabouts.testing.admins import admin
from hereabouts.testing.arena import Arena
from hereabouts.testing.wire import Refused, Wire

SECONDS = {"release_after_seconds": 3_600, "cooldown_seconds": 30}


async def seated(arena: Arena, name: str) -> Wire:
    """Somebody who has come in and looks at the accounts."""
    wire = await arena.enter(name)
    await wire.ask("watch", occupancy=["account"])
    return wire


async def asks(wire: Wire, resource: str) -> bool:
    try:
        await wire.ask("occupy", resource=resource)
    except Refused as refused:
        assert refused.error["code"] == "occupied"
        return False
    return True


async def test_two_race_for_one_account_and_what_was_cleared_does_not_come_back(tmp_path: Path) -> None:
    policy = {"preset": "desk", "beat.visible_seconds": 1, "occupancy": SECONDS}
    settings = {"journal": {"url": f"sqlite:///{tmp_path}/journal.db"}, "policy": {"default": policy}}
    async with Arena(settings) as arena:
        looker = await seated(arena, "lou")
        ada, bob = await seated(arena, "ada-of-the-desk"), await seated(arena, "bob-of-the-desk")
        won = await asyncio.gather(asks(ada, "account:7"), asks(bob, "account:7"))
        assert sorted(won) == [False, True]
        winner, loser = (ada, bob) if won[0] else (bob, ada)

        await winner.ask("occupy", resource="account:8")
        moved = await looker.expect("occupancy", where=lambda message: len(message.get("events", ())) == 2)
        assert [(event["event"], event["resource"]) for event in moved["events"]] == [
            ("released", "account:7"),
            ("occupied", "account:8"),
        ]

        async with admin(arena) as eve:
            await eve.delete("/admin/presence/8")
        free = [{"event": "released", "resource": "account:8"}]
        await looker.expect("occupancy", where=lambda message: message.get("events") == free)
        with pytest.raises(Refused) as refused:
            await winner.ask("occupy", resource="account:8")
        assert 0 < refused.value.error["retry_after_seconds"] <= 30
        assert await asks(loser, "account:8")

        told = json.dumps([frame.message for frame in looker.frames])
        assert [word for word in ("of-the-desk", "since_at", "last_active_at", "fencing") if word in told] == []


async def test_a_server_takes_a_desk_for_somebody_who_clocks_in_and_gives_it_back(tmp_path: Path) -> None:
    key = new_key("door", ["write", "read"], [], token_bytes)
    api_key = {"name": "door", "hash": key.line.split('hash = "')[1][:64], "scopes": ["write", "read"]}
    settings = {"journal": {"url": f"sqlite:///{tmp_path}/journal.db"}, "auth": {"api_keys": [api_key]}}
    async with Arena(settings) as arena, admin(arena, key.key) as door, admin(arena, "dev:bob") as bob:
        came = await door.put("/v1/occupancy/desk/12", user_id="ada", name="Ada")
        assert (came["resource"], came["user_id"]) == ("desk:12", "ada")
        again = await door.put("/v1/occupancy/desk/12", user_id="ada", name="Ada")
        assert (again["since_at"], again["fencing"]) == (came["since_at"], came["fencing"])
        assert (await bob.refused("PUT", "/v1/occupancy/desk/13", user_id="ada"))["code"] == "forbidden"
        (held,) = (await door.get("/v1/occupancy/desk"))["held"]
        assert (held["user_id"], held["name"]) == ("ada", "Ada")
        assert (await bob.get("/v1/occupancy/desk"))["held"] == [{"resource": "desk:12", "occupied": True}]
        await door.delete("/v1/occupancy/desk/12", user_id="ada")
        assert (await bob.get("/v1/occupancy/desk"))["held"] == []
        twice = await door.refused("DELETE", "/v1/occupancy/desk/12?user_id=ada")
        assert twice["code"] == "lease_lost"
