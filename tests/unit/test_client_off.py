"""A client that is switched off: every call works, nobody is there, and nothing is connected."""

from __future__ import annotations

import asyncio

from hereabouts.client import AsyncPresence, Presence

NOWHERE = "https://nowhere.invalid"


def no_token() -> str:
    raise AssertionError("no token is to be asked for")


async def test_every_call_of_a_client_that_is_switched_off_works() -> None:
    async with AsyncPresence(NOWHERE, no_token, enabled=False) as presence:
        assert presence.connection == "connected"
        async with presence.room("doc:1", state={"n": 1}) as room:
            assert (room.members, room.count, room.typing, room.is_stale) == ((), 0, (), False)
            await room.update(n=2)
            await room.set_typing(True)
        async with presence.watch(["doc:1"], ["bob"], occupancy=["desk"]) as watch:
            assert (watch.members("doc:1"), watch.count("doc:1"), watch.holdings("desk")) == ((), 0, ())
            assert [user.status for user in watch.users] == ["offline"]
        async with presence.watch(["doc:2"], mode="count") as watch:
            assert watch.count("doc:2") == 0
        assert [(user.user_id, user.status) for user in await presence.users.get(["bob"])] == [("bob", "offline")]
        await presence.set_status("dnd", text="deep work")
        presence.set_visible(False)
        presence.set_active()
        grant = await presence.occupy("desk:7")
        assert (grant.resource, grant.fencing) == ("desk:7", 0)
        await presence.release("desk:7", fencing=0)
        assert abs(presence.server_offset_seconds) < 5


async def test_without_an_event_loop_too() -> None:
    def program() -> int:
        with Presence(NOWHERE, no_token, enabled=False) as presence, presence.room("doc:1") as room:
            return room.count

    assert await asyncio.to_thread(program) == 0
