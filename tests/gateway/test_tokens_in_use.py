"""Tokens over the life of a session: running out, renewed, another's; and one session on two connections."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from hereabouts.client import AsyncPresence
from hereabouts.client import Refused as ClientRefused
from hereabouts.testing.arena import Arena
from hereabouts.testing.issuer import Issuer
from hereabouts.testing.wire import Refused, Wire

SECRET = "q7Vx2Lk9ZpT4mWc8RbN1yHs6JdG3fAeU"
ISSUER = Issuer("HS256", kid=None, secret=SECRET)
EVERYWHERE = {"*": ["join", "watch"]}
AFTER_GRACE = 3.0


def signed_arena() -> Arena:
    return Arena({"auth": {"secret": SECRET}})


def token(user_id: str, lives_seconds: float, rooms: dict[str, list[str]] = EVERYWHERE, **claims: Any) -> str:
    now = time.time()
    return ISSUER.sign({"sub": user_id, "iat": int(now), "exp": now + lives_seconds, "rooms": rooms, **claims})


async def enter(arena: Arena, token: str) -> Wire:
    wire = await arena.connect()
    await wire.hello(token)
    wire.beat_every(0.5)
    await wire.join("lobby")
    return wire


async def test_a_token_that_runs_out_closes_and_the_session_goes_on_with_a_new_one() -> None:
    async with signed_arena() as arena:
        ada = await arena.enter("ada", "lobby")
        started = time.monotonic()
        bob = await enter(arena, token("bob", 2))
        await ada.event("lobby", "join", "bob")
        assert (await bob.expect("error"))["code"] == "token_expired"
        assert await bob.closed() == 4100
        # `exp` is in seconds, and the sweep comes every half of one.
        assert 1.0 <= time.monotonic() - started <= 3.0
        again = await arena.connect(folds=bob.folds)
        with pytest.raises(Refused) as refused:
            await again.resume(bob, token("bob", -1))
        assert refused.value.code == "token_expired"
        assert await again.closed() == 4100
        back = await arena.connect(folds=bob.folds)
        assert (await back.resume(bob, token("bob", 60)))["resumed"]
        back.beat_every(0.5)
        await ada.no_event("lobby", "leave", "bob", during=AFTER_GRACE)
        assert ada.folds.told("lobby") == [("join", "bob")]


async def test_a_refresh_changes_nothing_for_others_and_the_session_outlives_the_old_token() -> None:
    async with signed_arena() as arena:
        ada = await arena.enter("ada", "lobby")
        bob = await enter(arena, token("bob", 2))
        await ada.event("lobby", "join", "bob")
        answer = await bob.ask("refresh", token=token("bob", 60))
        assert answer["expires_at"] > (time.time() + 50) * 1000
        await bob.never("error", "ended", during=AFTER_GRACE)
        await bob.ask("sync", room="lobby")
        assert ada.folds.told("lobby") == [("join", "bob")]


async def test_a_refresh_that_grants_less_leaves_what_is_no_longer_granted() -> None:
    async with signed_arena() as arena:
        ada = await arena.enter("ada", "lobby", "hall")
        bob = await enter(arena, token("bob", 60))
        await bob.join("hall")
        await ada.event("hall", "join", "bob")
        await bob.ask("refresh", token=token("bob", 60, {"hall": ["join", "watch"]}))
        await ada.event("lobby", "leave", "bob")
        assert ada.folds.rooms["lobby"].events[-1].body["cause"] == "revoked"
        await ada.no_event("hall", "leave", "bob", during=0.2)
        with pytest.raises(Refused) as refused:
            await bob.join("lobby")
        assert refused.value.code == "forbidden"
        carol = await arena.enter("carol", "lobby", "hall")
        await bob.event("hall", "join", "carol")
        await bob.no_event("lobby", "join", "carol", during=0.3)
        await carol.say("bye")


async def test_a_refresh_as_another_user_ends_the_session() -> None:
    async with signed_arena() as arena:
        ada = await arena.enter("ada", "lobby")
        bob = await enter(arena, token("bob", 60))
        await ada.event("lobby", "join", "bob")
        await bob.say("refresh", id=9, token=token("eve", 60))
        assert (await bob.expect("ended"))["code"] == "revoked"
        assert await bob.closed() == 4002
        await ada.event("lobby", "leave", "bob", within=3)
        back = await arena.connect()
        assert not (await back.resume(bob, token("bob", 60)))["resumed"]


async def test_a_bad_refresh_is_an_error_and_the_old_token_stays_good() -> None:
    async with signed_arena() as arena:
        bob = await enter(arena, token("bob", 60))
        for bad, code in ((token("bob", -1), "token_expired"), ("x.y.z", "unauthenticated"), ("", "unauthenticated")):
            with pytest.raises(Refused) as refused:
                await bob.ask("refresh", token=bad)
            assert refused.value.code == code
        await bob.ask("sync", room="lobby")


async def test_the_token_of_the_upgrade_serves_for_hello() -> None:
    async with signed_arena() as arena:
        wire = await arena.connect(additional_headers={"Authorization": f"Bearer {token('bob', 60)}"})
        await wire.say("hello")
        assert (await wire.expect("welcome"))["user"]["id"] == "bob"


async def test_a_token_in_the_address_is_no_token(arena: Arena) -> None:
    wire = await Wire.open(f"{arena.url}?token=dev:ada")
    arena.wires.append(wire)
    await wire.say("hello")
    assert (await wire.expect("error"))["code"] == "unauthenticated"
    assert await wire.closed() == 4100


async def test_a_second_connection_takes_the_session_over_and_the_first_is_told(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    first = await arena.enter("bob", "lobby")
    await ada.event("lobby", "join", "bob")
    second = await arena.come_back(first, "bob")
    assert (second.welcome["resumed"], second.welcome["incarnation"]) == (True, 2)
    assert second.welcome["session_id"] == first.welcome["session_id"]
    assert second.welcome["rooms"] == ["lobby"]
    assert (await first.expect("ended"))["code"] == "superseded"
    assert await first.closed() == 4001
    await ada.no_event("lobby", "leave", "bob", during=AFTER_GRACE)
    assert ada.folds.told("lobby") == [("join", "bob")]
    await second.ask("update", room="lobby", state={"alive": True})
    await ada.event("lobby", "update", "bob")


async def test_a_client_is_told_which_rooms_its_new_token_no_longer_shows() -> None:
    lives: list[tuple[float, dict[str, list[str]]]] = [(4, EVERYWHERE), (600, {"kept": ["join"]})]

    def next_token() -> str:
        return token("bob", *(lives.pop(0) if len(lives) > 1 else lives[0]))

    async with (
        signed_arena() as arena,
        AsyncPresence(arena.url, next_token) as bob,
        bob.room("kept") as kept,
        bob.room("taken") as taken,
    ):
        events = taken.events()
        with pytest.raises(ClientRefused) as refused:
            async with asyncio.timeout(10):
                async for _ in events:
                    pass
        assert refused.value.code == "forbidden"
        await kept.update(still="here")
        assert bob.connection == "connected"
