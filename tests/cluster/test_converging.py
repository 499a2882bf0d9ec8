"""What a node was not told at all it finds in the journal that it shares: two servers here over real stores."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import pytest

from hereabouts.protocol import codes
from hereabouts.runtime import converging, telling
from hereabouts.testing.admins import Admin, admin
from hereabouts.testing.arena import Arena
from hereabouts.testing.issuer import SECRET, Issuer
from hereabouts.testing.valkey import ValkeyServer
from hereabouts.testing.waiting import eventually, pause
from hereabouts.testing.wire import Refused, Wire

ROOM = "lobby"

Arenas = tuple[Arena, Arena]
Opened = Callable[[], AbstractAsyncContextManager[Arenas]]


@pytest.fixture
def sharing(store: ValkeyServer, database: str, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Two servers with one journal, of which `b` is told nothing and given up at once."""
    monkeypatch.setattr(telling, "TOLD_SECONDS", 0.0)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Arenas]:
        common = {
            "backend": {"url": store.url},
            "journal": {"url": database},
            "auth": {"secret": SECRET},
        }
        async with Arena({"server": {"node": "a"}, **common}) as a, Arena({"server": {"node": "b"}, **common}) as b:
            await eventually(lambda: bool(a.node.switchboard.others() and b.node.switchboard.others()))
            assert b.node.context.backend.peers is not None
            b.node.context.backend.peers.on_asked(never_answers)
            yield a, b

    return opened


async def never_answers(question: bytes) -> bytes:
    await pause(60)
    return b""


async def refused(wire: Wire, room: str) -> str:
    with pytest.raises(Refused) as refusal:
        await wire.join(room)
    return refusal.value.code


async def act(eve: Admin) -> None:
    """All that an admin may say for longer than a moment."""
    cooling = {"mode": "cooldown", "cooldown_seconds": 60, "reason": "over"}
    await eve.post("/v1/admin/revoke", user_id="ada", reason="stolen")
    await eve.post("/v1/admin/clear", what="user", id="cal", **cooling)
    await eve.post("/v1/admin/clear", what="room", id="hall", **cooling)
    await eve.post("/v1/admin/kick", room=ROOM, user_id="bob", **cooling)
    await eve.put("/v1/admin/policy", policy={"default": {"idle_after_seconds": 4}}, reason="sooner")


async def test_what_a_node_missed_while_it_was_cut_off_is_done_when_it_is_back(
    sharing: Opened, store: ValkeyServer
) -> None:
    async with sharing() as (a, b), admin(a) as eve:
        await a.node.acts.relate("default", "kim", "max", may_watch=True)
        ada, bob, cal = await b.enter("ada"), await b.enter("bob", ROOM, "hall"), await b.enter("cal", ROOM)
        kim, _ = await looking(b, "kim", "max"), await b.enter("max")
        await kim.expect("users", where=lambda told: told["users"][0]["status"] == "online")
        await a.node.acts.relate("default", "kim", "max", may_watch=False)
        await act(eve)
        # What comes after the word, with a fresh token, is not meant.
        await pause(1.1)
        again = await b.enter("ada", ROOM)
        store.cut_subscriptions()
        assert (await ada.closed(), await cal.closed()) == (codes.REVOKED.number, codes.CLEARED.number)
        assert {(await bob.expect("left"))["room"] for _ in range(2)} == {ROOM, "hall"}
        assert (await bob.expect("policy"))["policy"]["idle_after_seconds"] == 4
        await kim.expect("users", where=lambda told: told["users"][0]["status"] == "offline")
        assert (await refused(bob, "hall"), await refused(bob, ROOM)) == ("forbidden", "forbidden")
        await again.ask("update", room=ROOM, state={"hat": "red"})
        assert b.node.context.telemetry.faults == 0


async def looking(arena: Arena, user_id: str, watched: str) -> Wire:
    """A user whose token lets it watch nobody, and who watches all the same."""
    now = int(time.time())
    wire = await arena.connect()
    await wire.hello(Issuer("HS256", kid=None).sign({"sub": user_id, "iat": now, "exp": now + 600, "watch": []}))
    wire.beat_every(0.5)
    await wire.ask("watch", users=[watched])
    return wire


async def test_without_having_been_cut_off_it_is_found_within_a_minute(
    sharing: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converging, "AGAIN_SECONDS", 0.3)
    async with sharing() as (a, b), admin(a) as eve:
        ada, bob = await b.enter("ada"), await b.enter("bob", "hall")
        await act(eve)
        assert await ada.closed() == codes.REVOKED.number
        assert (await bob.expect("left"))["room"] == "hall"
        assert await refused(bob, "hall") == "forbidden"
        # A cooldown that was ended at the other node is over here too.
        await eve.delete("/v1/admin/cooldowns", kind="room", id="hall")
        cooling = partial(b.node.context.journal.cooldowns.standing, "default", "room", "hall")
        await eventually(lambda: cooling(b.node.context.now().at) is None)
        await bob.join("hall")
