"""One day in the life of each system that Hereabouts replaces, with that system's preset: docs/ledger.md, A0 to A4."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hereabouts.engine.identity import Grants, Identity
from hereabouts.journal.base import Row, SessionClosed, SessionOpened
from hereabouts.journal.none import NoJournal
from hereabouts.runtime.beats import HttpBeat
from hereabouts.testing import virtual_time
from hereabouts.testing.world import ScriptedClient, World


class Notebook(NoJournal):
    """Keeps every row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []

    def record(self, rows: Sequence[Row]) -> None:
        super().record(rows)
        self.rows += rows


class Story(World):
    """A world with a preset, in which everybody beats as its policy says."""

    def __init__(self, preset: str) -> None:
        self.book = Notebook()
        super().__init__(policy={"default": {"preset": preset}}, journal=self.book)

    async def __aenter__(self) -> Story:
        await super().__aenter__()
        return self

    def keep_alive(self, client: ScriptedClient, every_seconds: float = 0.0) -> None:
        super().keep_alive(client, every_seconds or self.policy.beat_visible_seconds)

    async def _beat(self, client: ScriptedClient, every_seconds: float) -> None:
        """Beats that tell of input: whoever is here is at work."""
        while True:
            await asyncio.sleep(every_seconds)
            client.beat(active=True)

    def close(self, client: ScriptedClient) -> None:
        """The tab is gone; its beacon is lost."""
        self.silence(client)
        client.drop()


def status(watcher: ScriptedClient, user_id: str) -> str:
    return str(watcher.users[user_id]["status"])


def test_the_support_inbox_hidden_tabs_are_away_and_a_killed_browser_is_offline_within_its_bound() -> None:
    async def scene() -> None:
        async with Story("support-inbox") as world:
            agent = await world.observer(user_id="agent")
            await agent.ask("watch", users=["customer", "caller"])
            tabs = [await world.enter("customer") for _ in range(2)]
            caller = Identity("default", "caller", grants=Grants({}))
            begun = await world.nodes[0].beats.beat(caller, HttpBeat())
            await asyncio.sleep(1)
            assert (status(agent, "customer"), status(agent, "caller")) == ("online", "online")

            for tab in tabs:  # an open page that is hidden goes on beating, as the preset asks of no HTTP session
                tab.beat(visible=False)
            await world.nodes[0].beats.beat(caller, HttpBeat(resume=begun.resume, visible=False))
            await asyncio.sleep(1)
            assert (status(agent, "customer"), status(agent, "caller")) == ("away", "away")
            await asyncio.sleep(world.policy.lease_hidden_seconds + world.policy.grace_seconds + world.bound_seconds)
            assert (status(agent, "customer"), status(agent, "caller")) == ("away", "offline")

            for tab in tabs:
                world.silence(tab)
            await asyncio.sleep(world.policy.lease_hidden_seconds + world.policy.grace_seconds + world.bound_seconds)
            assert status(agent, "customer") == "offline"

    virtual_time.run(scene())


def test_the_list_of_collaborators_shows_nothing_until_the_last_of_three_tabs_and_then_one_leave() -> None:
    async def scene() -> None:
        async with Story("collab-list") as world:
            bob = await world.observer("project")
            tabs = [await world.enter("ada", "project") for _ in range(3)]
            for tab in tabs[:2]:
                world.close(tab)
            await asyncio.sleep(3 * world.policy.lease_visible_seconds)
            assert [happened.what for happened in bob.room("project").history] == ["join"]

            world.silence(tabs[2])  # neither a close nor a beacon comes through
            silent = world.tick
            lease, grace = world.policy.lease_visible_seconds, world.policy.grace_seconds
            await world.until(silent + lease + grace + world.bound_seconds)
            assert [happened.what for happened in bob.room("project").history] == ["join", "leave"]
            closed = [row for row in world.book.rows if isinstance(row, SessionClosed)]
            assert [row.cause for row in closed] == ["closed", "closed", "lease_expired"]

    virtual_time.run(scene())


def test_the_family_beats_for_ten_minutes_and_nothing_is_written_and_nothing_told() -> None:
    async def scene() -> None:
        async with Story("family") as world:
            parent = await world.observer(user_id="parent")
            await parent.ask("watch", users=[f"child{n}" for n in range(500)])
            for n in range(1_000):
                await world.enter(f"child{n}")
            await asyncio.sleep(1)
            assert len([row for row in world.book.rows if isinstance(row, SessionOpened)]) == 1_001
            rows, heard = len(world.book.rows), len(parent.heard_of("users"))
            beats = world.nodes[0].context.telemetry.beats
            await asyncio.sleep(600)
            assert world.nodes[0].context.telemetry.beats - beats >= 9_000
            assert (len(world.book.rows) - rows, len(parent.heard_of("users")) - heard) == (0, 0)

    virtual_time.run(scene())


def test_the_chat_types_in_one_room_and_idles_in_another_until_the_phone_dies() -> None:
    async def scene() -> None:
        async with Story("chat") as world:
            bob = await world.enter("bob", "a", "b")
            ada = await world.enter("ada", "a", "b")
            ada.say("typing", room="a", on=True)
            await asyncio.sleep(0.1)
            died, died_at = world.tick, int(world.wall() * 1000)
            world.silence(ada)
            assert [message["user_ids"] for message in bob.heard_of("typing")] == [["ada"]]

            await world.until(died + world.policy.typing_lease_seconds + world.bound_seconds)
            assert bob.heard_of("typing")[-1]["user_ids"] == []
            lease, grace = world.policy.lease_visible_seconds, world.policy.grace_seconds
            await world.until(died + lease + grace - 1)
            assert [bob.room(room).members["ada"]["status"] for room in "ab"] == ["online", "online"]

            await world.until(died + lease + grace + world.bound_seconds)
            assert ["ada" in bob.room(room).members for room in "ab"] == [False, False]
            seen = (await world.journal.last_seen("default", ["ada"]))["ada"]
            assert died_at - 1_000 <= (seen.public_seen_at or 0) <= died_at

    virtual_time.run(scene())
