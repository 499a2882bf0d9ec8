"""What a node hears of the store, on a real one: a deaf subscription is noticed, and what it missed is made up for."""

from __future__ import annotations

import pytest

from hereabouts.backends.valkey.backend import ValkeyBackend
from hereabouts.backends.valkey.codec import owner_text
from hereabouts.engine.records import Put
from hereabouts.errors import ConfigError, StoreUnavailable
from hereabouts.testing.backend_contract import ELSEWHERE, HERE, ROOM, record, removal
from hereabouts.testing.mirror import follow
from hereabouts.testing.process import free_port
from hereabouts.testing.valkey import ValkeyServer
from hereabouts.testing.waiting import eventually, stall


async def test_a_subscription_that_is_connected_and_deaf_is_replaced(store: ValkeyServer) -> None:
    hearing, speaking = ValkeyBackend(store.url, HERE), ValkeyBackend(store.url, ELSEWHERE)
    await hearing.open()
    await speaking.open()
    mirror = await follow(hearing, ROOM)
    # It does not hear itself any more; nothing else is wrong with the connection.
    hearing.listening.lines[""].pulse = "elsewhere"
    await eventually(lambda: hearing.readings()["store_breaks_total"] == 1, within=10)
    done = await speaking.commit(ROOM, Put(record("s1", owner=ELSEWHERE)))
    await eventually(lambda: mirror.position == done.position)
    done = await speaking.commit(ROOM, removal(record("s1", owner=ELSEWHERE)))
    await eventually(lambda: mirror.position == done.position)
    assert not mirror.picture
    await hearing.close()
    await speaking.close()


async def test_a_channel_that_the_store_ends_is_asked_for_again(store: ValkeyServer) -> None:
    hearing, speaking = ValkeyBackend(store.url, HERE), ValkeyBackend(store.url, ELSEWHERE)
    await hearing.open()
    await speaking.open()
    mirror = await follow(hearing, ROOM)
    await hearing.listening.lines[""].remove(hearing.keys.feed(ROOM))
    done = await speaking.commit(ROOM, Put(record("s1", owner=ELSEWHERE)))
    await eventually(lambda: mirror.position == done.position)
    done = await speaking.commit(ROOM, removal(record("s1", owner=ELSEWHERE)))
    await eventually(lambda: mirror.position == done.position)
    assert hearing.readings()["store_breaks_total"] == 0
    await hearing.close()
    await speaking.close()


async def test_a_join_is_at_most_three_commands_and_one_round_trip(store: ValkeyServer) -> None:
    backend = ValkeyBackend(store.url, HERE)
    await backend.open()
    await backend.commit(ROOM, Put(record("warm")))
    before = backend.readings()["store_commands_total"]
    await backend.commit(ROOM, Put(record("s1")))
    first = backend.readings()["store_commands_total"]
    await backend.commit(ROOM, Put(record("s1", seen_at=2)))
    # The node calls itself once a second, which may fall in between.
    assert first - before <= 3 + 1
    assert backend.readings()["store_commands_total"] - first <= 1 + 1
    await backend.close()


async def test_no_key_is_left_of_a_session_that_is_gone(store: ValkeyServer) -> None:
    backend = ValkeyBackend(store.url, HERE)
    await backend.open()
    await backend.commit(ROOM, Put(record()))
    await backend.peers.keep("s1", b"{}")
    assert await backend.peers.kept("s1") is not None
    await backend.commit(ROOM, removal(record()))
    with store.client as client:
        await eventually(lambda: {key.split(b":")[1] for key in client.scan_iter()} == {b"nodes", b"{room"})
        assert client.ttl(backend.keys.feed(ROOM)) > 0
    await backend.close()


async def test_another_programs_key_is_an_error_and_no_empty_list(store: ValkeyServer) -> None:
    backend = ValkeyBackend(store.url, HERE)
    await backend.open()
    with store.client as client:
        client.set(backend.keys.feed(ROOM), "theirs")
    with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
        await backend.snapshot(ROOM)
    with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
        await backend.commit(ROOM, Put(record()))
    await backend.close()


async def test_a_store_that_refuses_the_login_or_is_not_there_is_told_at_the_start(store: ValkeyServer) -> None:
    port = store.port
    for url in (f"valkey://ada:wrong@127.0.0.1:{port}/0", f"valkey://127.0.0.1:{free_port()}/0"):
        with pytest.raises(ConfigError, match=r"127\.0\.0\.1") as caught:
            await ValkeyBackend(url, HERE).open()
        assert "wrong@" not in str(caught.value)


async def test_sentinels_that_are_not_there_are_told_in_words() -> None:
    url = f"valkey+sentinel://127.0.0.1:{free_port()}/main"
    with pytest.raises(ConfigError) as caught:
        await ValkeyBackend(url, HERE).open()
    assert str(caught.value) == f"backend.url {url}: no Sentinel named there answers and knows a master of that name"


async def test_the_lease_is_renewed_while_the_event_loop_stands_still(store: ValkeyServer) -> None:
    backend = ValkeyBackend(store.url, HERE, lease_seconds=0.8)
    await backend.open()
    assert await backend.peers.renew() is not None
    stall(1.6)
    with store.client as client:
        seconds, micros = client.time()
        renewed_at = int(client.hget(backend.keys.nodes, owner_text(HERE)).partition(b" ")[0])
    assert seconds * 1000 + micros / 1000 - renewed_at < 800
    await backend.close()


async def test_nodes_see_each_others_leases_and_ask_each_other(store: ValkeyServer) -> None:
    one, two = (ValkeyBackend(store.url, owner, lease_seconds=0.8) for owner in (HERE, ELSEWHERE))
    await one.open()
    await two.open()

    async def answer(question: bytes) -> bytes:
        return b'{"to":%s}' % question

    two.peers.on_asked(answer)
    await two.peers.renew()
    await one.peers.renew()
    assert one.peers.lives(ELSEWHERE)
    assert await one.peers.ask(ELSEWHERE, b'"who?"') == b'{"to":"who?"}'
    await two.close()
    assert await one.peers.ask(ELSEWHERE, b'"who?"') is None
    await eventually(lambda: not one.peers.lives(ELSEWHERE))
    await one.close()
