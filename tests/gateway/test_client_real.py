"""The Python client and the real server, with a network between them that fails."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import pytest

from hereabouts.client import (
    AsyncPresence,
    Cleared,
    CountChanged,
    Joined,
    Left,
    Reading,
    Refused,
    TypingChanged,
    Updated,
    UserChanged,
)
from hereabouts.client.world import Lost, Socket, World, open_socket
from hereabouts.protocol import codes
from hereabouts.testing.arena import Arena
from hereabouts.testing.fault_proxy import FaultProxy, Faults
from hereabouts.testing.waiting import eventually, never

E = TypeVar("E")


def presence(arena: Arena, user_id: str, through: FaultProxy | None = None, **options: object) -> AsyncPresence:
    port = arena.port if through is None else through.port
    return AsyncPresence(f"http://127.0.0.1:{port}", f"dev:{user_id}", **options)  # type: ignore[arg-type]


async def next_of(reading: Reading[Any], kind: type[E]) -> E:
    async with asyncio.timeout(10):
        async for event in reading:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"the reader ended without {kind.__name__}")


def is_connected(client: AsyncPresence) -> bool:
    return client.connection == "connected"


async def test_two_people_in_a_room(arena: Arena) -> None:
    async with presence(arena, "ada") as ada, ada.room("doc:42", state={"cursor": [0, 0]}) as room:
        assert room.self is not None
        assert room.self.state == {"cursor": [0, 0]}
        events = room.events()
        async with presence(arena, "bob") as bob, bob.room("doc:42") as other:
            joined = await next_of(events, Joined)
            assert joined.member.user_id == "bob"
            assert [member.user_id for member in other.members if not member.is_self] == ["ada"]
            await other.update(cursor=[3, 4])
            updated = await next_of(events, Updated)
            assert updated.member.state == {"cursor": [3, 4]}
            await other.set_typing(True)
            assert (await next_of(events, TypingChanged)).user_ids == ("bob",)
            assert room.typing == ("bob",)
            assert room.count == 2
        left = await next_of(events, Left)
        assert (left.user_id, left.cause) == ("bob", "leave")
        assert (await next_of(events, CountChanged)).count == 1


async def test_status_and_watching_users(arena: Arena) -> None:
    async with presence(arena, "ada") as ada, ada.users.watch(["bob"]) as watch:
        assert [user.status for user in watch.users] == ["offline"]
        events = watch.events()
        async with presence(arena, "bob") as bob:
            assert (await next_of(events, UserChanged)).user.status == "online"
            await bob.set_status("dnd", text="exam")
            changed = await next_of(events, UserChanged)
            assert (changed.user.status, changed.user.text) == ("dnd", "exam")
        while (await next_of(events, UserChanged)).user.status != "offline":
            pass


async def test_a_broken_connection_flickers_nowhere(arena: Arena) -> None:
    proxy = await arena.proxy()
    async with (
        presence(arena, "ada") as ada,
        ada.watch(rooms=["r"]) as watch,
        presence(arena, "bob", through=proxy) as bob,
        bob.room("r", state={"n": 1}) as room,
    ):
        await eventually(lambda: watch.count("r") == 1)
        session_id, events = bob.session_id, watch.events()
        proxy.links[-1].cut()
        await eventually(lambda: not is_connected(bob))
        await eventually(lambda: is_connected(bob))
        assert bob.session_id == session_id
        await room.update(n=2)
        assert (await next_of(events, Updated)).member.state == {"n": 2}
        assert watch.members("r")[0].joined_at == room.members[0].joined_at


async def test_a_silent_network_is_noticed_and_changes_are_not_missed(arena: Arena) -> None:
    proxy = await arena.proxy()
    async with (
        presence(arena, "ada", through=proxy) as ada,
        ada.room("r") as room,
        presence(arena, "bob") as bob,
    ):
        proxy.links[-1].down = Faults(is_black_hole=True)
        async with bob.room("r"):
            await never(lambda: room.count == 2, during=0.5)
            await eventually(lambda: not is_connected(ada), within=10)
            await eventually(lambda: room.count == 2, within=10)


async def test_a_session_that_is_gone_is_replaced_and_its_room_joined_again(arena: Arena) -> None:
    proxy = await arena.proxy()
    async with (
        presence(arena, "ada") as ada,
        ada.watch(rooms=["r"]) as watch,
        presence(arena, "bob", through=proxy) as bob,
        bob.room("r", state={"n": 1}),
    ):
        await eventually(lambda: watch.count("r") == 1)
        session_id = bob.session_id
        await proxy.stop_accepting()
        proxy.links[-1].cut()
        await eventually(lambda: watch.count("r") == 0, within=15)
        await proxy.start_accepting()
        await eventually(lambda: watch.count("r") == 1, within=15)
        assert bob.session_id != session_id
        assert watch.members("r")[0].state == {"n": 1}


async def test_an_idle_client_stays(arena: Arena) -> None:
    async with (
        presence(arena, "ada") as ada,
        ada.watch(rooms=["r"]) as watch,
        presence(arena, "bob") as bob,
        bob.room("r"),
    ):
        await eventually(lambda: watch.count("r") == 1)
        await never(lambda: watch.count("r") != 1, during=4)


async def test_a_cleared_session_stays_away(arena: Arena) -> None:
    async with presence(arena, "ada") as ada, ada.room("r") as room:
        events = room.events()
        owned = next(iter(arena.node.registry))
        arena.node.driver.end(owned, "cleared", codes.CLEARED, "by an admin")
        with pytest.raises(Cleared):
            await next_of(events, Joined)
        assert ada.connection == "closed"


async def test_a_refusal_is_an_exception(arena: Arena) -> None:
    async with presence(arena, "ada") as ada:
        with pytest.raises(Refused) as caught:
            async with ada.room("bad\nname"):
                pass
        assert caught.value.code == "bad_request"


async def test_a_real_connection_that_cannot_be_had_is_lost(arena: Arena) -> None:
    with pytest.raises(Lost):
        await open_socket(f"ws://127.0.0.1:{arena.port}/elsewhere")
    with pytest.raises(Lost):
        await open_socket("ws://127.0.0.1:9/v1/ws")


async def test_a_world_may_count_connections(arena: Arena) -> None:
    opened: list[str] = []

    async def connect(url: str) -> Socket:
        opened.append(url)
        return await open_socket(url)

    async with presence(arena, "ada", world=World(connect=connect)) as ada:
        assert is_connected(ada)
    assert opened == [arena.url]
