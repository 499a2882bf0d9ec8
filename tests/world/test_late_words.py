"""What a node wrote and the store heard late: nobody is a ghost because of it, and nothing is kept for nobody."""

from __future__ import annotations

import asyncio

from hereabouts.backends.base import Place
from hereabouts.backends.valkey.codec import owner_text
from hereabouts.engine.records import FeedKey, Put
from hereabouts.testing import virtual_time
from hereabouts.testing.many_nodes import Cluster

LOBBY = FeedKey("default", "room", "lobby")


def test_a_late_word_of_an_older_life_makes_no_ghost_and_keeps_nothing() -> None:
    async def scene() -> None:
        async with Cluster() as world:
            watcher = await world.observer("lobby", node=1)
            ada = await world.enter("ada", "lobby")
            here = world.nodes[0]
            session = next(owned.session for owned in here.registry if owned.session.user_id == "ada")
            late = Put(session.membership("lobby"))
            await ada.hello(world.nodes[1], resume=True)
            await asyncio.sleep(1)
            await here.context.backend.commit(LOBBY, late)  # the newer life stands there
            await ada.ask("leave", room="lobby")
            await here.context.backend.commit(LOBBY, late)
            await asyncio.sleep(1)
            assert list(watcher.room("lobby").members) == ["ada"]
            await asyncio.sleep(world.policy.lease_visible_seconds + world.policy.grace_seconds)
            assert watcher.room("lobby").members == {}
            ada.say("bye")
            await asyncio.sleep(1)
            assert f"hb:session:{session.session_id}".encode() not in world.engine.keys

    virtual_time.run(scene())


def test_a_note_whose_write_came_to_nothing_is_kept_no_longer_than_the_session() -> None:
    async def scene() -> None:
        async with Cluster() as world:
            ada = await world.enter("ada")
            here, key = world.nodes[0].context.owner, f"hb:session:{ada.welcome['session_id']}"
            await ada.hello(world.nodes[1], resume=True)
            await asyncio.sleep(1)
            (field,) = world.engine.keys[key.encode()].keys() - {b"@session"}
            world.engine.execute("HSET", key, field, owner_text(here))
            world.engine.execute("SADD", f"hb:owned:{here.node}:{here.incarnation}", ada.welcome["session_id"])
            await asyncio.sleep(world.policy.lease_visible_seconds + world.policy.grace_seconds)
            ada.say("bye")
            await asyncio.sleep(1)
            assert not [kept for kept in world.engine.keys if b":session:" in kept or b":owned:" in kept]

    virtual_time.run(scene())


def test_a_write_that_was_under_way_when_the_store_was_emptied_is_noted_where_the_others_look() -> None:
    async def scene() -> None:
        async with Cluster() as world:
            ada = await world.enter("ada", "lobby")
            here, peers = world.nodes[0], world.nodes[1].context.backend.peers
            assert here.context.backend.peers is not None and peers is not None
            session = next(owned.session for owned in here.registry if owned.session.user_id == "ada")
            put = asyncio.create_task(here.context.backend.commit(LOBBY, Put(session.membership("lobby"))))
            await asyncio.sleep(0)
            here.context.backend.peers.lost()
            world.engine.keys.clear()
            await put
            await here.context.backend.commit(LOBBY, Put(session.membership("lobby")))
            place = Place(LOBBY, "ada", ada.welcome["session_id"])
            assert place in await peers.places(here.context.owner)

    virtual_time.run(scene())


def test_who_takes_back_what_was_declared_while_the_store_is_empty_is_not_away_again() -> None:
    async def scene() -> None:
        async with Cluster() as world:
            watcher = await world.observer(node=1)
            await watcher.ask("watch", users=["ada"])
            ada = await world.enter("ada")
            await ada.ask("status", status="away")
            await asyncio.sleep(1)
            assert watcher.users["ada"]["status"] == "away"
            world.engine.flush()
            assert (await ada.ask("status", status="available"))["type"] == "ok"
            await ada.heard(lambda message: message["type"] == "restored", within_seconds=20)
            await asyncio.sleep(2)
            assert watcher.users["ada"]["status"] in ("online", "idle")

    virtual_time.run(scene())


def test_who_takes_back_what_a_tab_elsewhere_declared_just_now_is_believed() -> None:
    async def scene() -> None:
        async with Cluster() as world:
            watcher = await world.observer()
            await watcher.ask("watch", users=["ada"])
            here, there = await world.enter("ada"), await world.enter("ada", node=1)
            await asyncio.sleep(1)
            world.processes[1].line.is_deaf = True
            await here.ask("status", status="dnd")
            await there.ask("status", status="available")
            await asyncio.sleep(1)
            assert watcher.users["ada"]["status"] == "online"

    virtual_time.run(scene())


def test_a_node_that_was_cut_off_declares_nothing_again_that_was_taken_back_meanwhile() -> None:
    async def scene() -> None:
        async with Cluster() as world:
            watcher = await world.observer(node=1)
            await watcher.ask("watch", users=["ada"])
            here, there = await world.enter("ada"), await world.enter("ada", node=1)
            await here.ask("status", status="away")
            await asyncio.sleep(1)
            world.processes[0].line.cut()
            await there.ask("status", status="available")
            await asyncio.sleep(1)
            world.processes[0].line.mend()
            await here.heard(lambda message: message["type"] == "restored")
            await asyncio.sleep(1)
            assert watcher.users["ada"]["status"] in ("online", "idle")

    virtual_time.run(scene())
