"""What everything does that keeps who holds what; and what those do that keep it for good.

Subclass `OccupanciesContract`, or `DurableOccupanciesContract`, in a test module and give its method `opened`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager

from hereabouts.engine.occupancy import Ask, Cooling, Ended, Giving, Granted, Holding, Lost, Refused, Terms
from hereabouts.journal.occupancies import Occupancies

T = "default"
AT = 1_800_000_000_000
ONE = Terms()


def ask(user_id: str, resource: str = "account:7", *, take_over: bool = False) -> Ask:
    """Somebody wants a resource."""
    return Ask(T, resource, user_id, name=user_id.title(), may_take_over=take_over)


async def grant(kept: Occupancies, user_id: str, resource: str = "account:7", at: int = AT) -> Holding:
    """Somebody gets a resource."""
    decision = await kept.occupy(ask(user_id, resource), ONE, at)
    assert isinstance(decision, Granted), decision
    return decision.holding


async def held(kept: Occupancies, kind: str = "account") -> set[tuple[str, str]]:
    """Which resource of the kind is whose."""
    return {
        (holding.resource, holding.user_id)
        for standing in await kept.standing()
        if standing.kind == kind
        for holding in standing.holdings
    }


class OccupanciesContract(ABC):
    """The suite of every one; its subclasses are collected when they are named `Test…`."""

    @abstractmethod
    def opened(self) -> AbstractAsyncContextManager[Occupancies]:
        """In use; within one test each has what an earlier one kept for good."""

    async def test_what_is_granted_stands(self) -> None:
        async with self.opened() as kept:
            holding = await grant(kept, "ada")
            (standing,) = await kept.standing()
            assert (standing.tenant, standing.kind, standing.holdings) == (T, "account", (holding,))
            assert standing.position.seq == 1
            assert (holding.since_at, holding.name) == (AT, "Ada")

    async def test_of_fifty_contenders_one_wins(self) -> None:
        async with self.opened() as kept:
            asked = [kept.occupy(ask(f"user{number}"), ONE, AT) for number in range(50)]
            decisions = await asyncio.gather(*asked)
            (won,) = [decision for decision in decisions if isinstance(decision, Granted)]
            assert [d for d in decisions if d != won] == [Refused(won.holding)] * 49

    async def test_of_many_contenders_as_many_win_as_there_is_room(self) -> None:
        async with self.opened() as kept:
            asked = [kept.occupy(ask(f"user{number}"), Terms(capacity=5), AT) for number in range(50)]
            decisions = await asyncio.gather(*asked)
            granted = [decision.holding for decision in decisions if isinstance(decision, Granted)]
            assert len({holding.fencing for holding in granted}) == len(granted) == 5

    async def test_of_two_who_race_a_thousand_times_one_wins_each_time(self) -> None:
        async with self.opened() as kept:
            newest = 0
            for turn in range(1_000):
                first, second = ("ada", "bob") if turn % 2 else ("bob", "ada")
                decisions = await asyncio.gather(kept.occupy(ask(first), ONE, AT), kept.occupy(ask(second), ONE, AT))
                (won,) = [decision.holding for decision in decisions if isinstance(decision, Granted)]
                assert [d.holder for d in decisions if isinstance(d, Refused)] == [won]
                assert won.fencing > newest
                newest = won.fencing
                assert isinstance(await kept.release(Giving(T, won.resource, won.user_id), AT), Ended)

    async def test_of_a_thousand_contenders_a_hundred_get_in(self) -> None:
        async with self.opened() as kept:
            terms = Terms(capacity=100)
            decisions = await asyncio.gather(*(kept.occupy(ask(f"user{n}"), terms, AT) for n in range(1_000)))
            granted = [decision.holding for decision in decisions if isinstance(decision, Granted)]
            assert len(granted) == 100
            assert await held(kept) == {(holding.resource, holding.user_id) for holding in granted}

    async def test_a_move_is_one_step(self) -> None:
        async with self.opened() as kept:
            await grant(kept, "ada", "account:1")
            await grant(kept, "ada", "account:2", AT + 5)
            assert await held(kept) == {("account:2", "ada")}
            rows = await kept.history(T, "account")
            assert [(row.seq, row.event, row.resource, row.from_resource) for row in rows] == [
                (1, "occupied", "account:1", None),
                (2, "moved", "account:2", "account:1"),
            ]

    async def test_a_holding_of_each_kind_is_allowed(self) -> None:
        async with self.opened() as kept:
            await grant(kept, "ada", "account:1")
            await grant(kept, "ada", "desk:1")
            assert await held(kept) == {("account:1", "ada")}
            assert await held(kept, "desk") == {("desk:1", "ada")}

    async def test_asking_again_changes_nothing(self) -> None:
        async with self.opened() as kept:
            first = await grant(kept, "ada")
            again = await grant(kept, "ada", at=AT + 60_000)
            assert (again.since_at, again.fencing) == (first.since_at, first.fencing)
            assert again.last_active_at == AT + 60_000
            assert len(await kept.history(T, "account")) == 1

    async def test_a_take_over_is_one_row(self) -> None:
        async with self.opened() as kept:
            await grant(kept, "ada")
            decision = await kept.occupy(ask("boss", take_over=True), ONE, AT + 1)
            assert isinstance(decision, Granted)
            assert await held(kept) == {("account:7", "boss")}
            row = (await kept.history(T, "account", since=1))[0]
            assert (row.event, row.user_id, row.loser_id, row.cause) == ("occupied", "boss", "ada", "taken_over")

    async def test_a_lapsed_number_changes_nothing(self) -> None:
        async with self.opened() as kept:
            old = await grant(kept, "ada")
            await kept.release(Giving(T, "account:7", "ada", "inactivity"), AT + 1)
            new = await grant(kept, "ada", at=AT + 2)
            assert new.fencing > old.fencing
            late = Giving(T, "account:7", "ada", fencing=old.fencing)
            assert await kept.release(late, AT + 3) == Lost(new)
            assert await held(kept) == {("account:7", "ada")}

    async def test_who_holds_nothing_releases_nothing(self) -> None:
        async with self.opened() as kept:
            assert await kept.release(Giving(T, "account:7", "ada"), AT) == Lost()
            await grant(kept, "ada")
            assert await kept.release(Giving("other", "account:7", "ada"), AT) == Lost()
            assert isinstance(await kept.release(Giving(T, "account:7", "ada"), AT), Ended)
            assert await held(kept) == set()

    async def test_who_had_to_give_up_waits(self) -> None:
        async with self.opened() as kept:
            terms = Terms(cooldown_seconds=10)
            await grant(kept, "ada")
            await kept.release(Giving(T, "account:7", "ada", "inactivity"), AT)
            assert await kept.occupy(ask("ada"), terms, AT + 1) == Cooling(AT + 10_000)
            assert isinstance(await kept.occupy(ask("bob"), terms, AT + 2), Granted)
            await kept.occupy(ask("boss", take_over=True), terms, AT + 3)
            await kept.release(Giving(T, "account:7", "boss"), AT + 4)
            assert await kept.occupy(ask("bob"), terms, AT + 5) == Cooling(AT + 10_003)
            assert isinstance(await kept.occupy(ask("boss"), terms, AT + 6), Granted)

    async def test_history_is_read_in_pieces(self) -> None:
        async with self.opened() as kept:
            for number in range(5):
                await grant(kept, "ada", f"account:{number}", AT + number)
            rows = await kept.history(T, "account", since=2, limit=2)
            assert [(row.seq, row.at) for row in rows] == [(3, AT + 2), (4, AT + 3)]
            assert await kept.history(T, "desk") == []

    async def test_a_step_comes_with_what_stands_of_it(self) -> None:
        async with self.opened() as kept:
            await grant(kept, "ada", "account:1")
            moved = await grant(kept, "ada", "account:2", AT + 1)
            await grant(kept, "bob", "account:1", AT + 2)
            await kept.release(Giving(T, "account:1", "bob"), AT + 3)
            again = await grant(kept, "bob", "account:1", AT + 4)
            steps = await kept.steps(T, "account", since=0)
            assert [step.row for step in steps] == await kept.history(T, "account")
            assert [step.holding for step in steps] == [None, moved, None, None, again]
            assert await kept.steps(T, "account", since=1, limit=2) == steps[1:3]
            assert await kept.steps(T, "desk", since=0) == []

    async def test_positions_are_those_of_what_stands(self) -> None:
        async with self.opened() as kept:
            assert await kept.positions() == {}
            await grant(kept, "ada")
            await grant(kept, "ada", "desk:1")
            await kept.release(Giving(T, "desk:1", "ada"), AT)
            standing = {(found.tenant, found.kind): found.position for found in await kept.standing()}
            assert await kept.positions() == standing
            assert {kind: position.seq for (_, kind), position in standing.items()} == {"account": 1, "desk": 2}

    async def test_all_that_a_user_holds(self) -> None:
        async with self.opened() as kept:
            own = [await grant(kept, "ada"), await grant(kept, "ada", "desk:1")]
            await grant(kept, "bob", "desk:2")
            assert sorted(await kept.of_user(T, "ada"), key=lambda holding: holding.resource) == own
            assert await kept.of_user("other", "ada") == []


class DurableOccupanciesContract(OccupanciesContract):
    """The suite of those that keep it for good."""

    async def test_a_restart_changes_nothing(self) -> None:
        async with self.opened() as kept:
            holding = await grant(kept, "ada")
            (before,) = await kept.standing()
        async with self.opened() as kept:
            assert await kept.standing() == [before]
            assert await grant(kept, "ada", at=AT + 1) == Holding(
                T, "account:7", "ada", AT, holding.fencing, AT + 1, "Ada"
            )

    async def test_numbers_and_places_grow_over_restarts_also_when_nothing_is_held(self) -> None:
        async with self.opened() as kept:
            fencing = (await grant(kept, "ada")).fencing
            await kept.release(Giving(T, "account:7", "ada"), AT)
            (before,) = await kept.standing()
        async with self.opened() as kept:
            assert (await grant(kept, "bob")).fencing > fencing
            (after,) = await kept.standing()
            assert after.position == (before.position.epoch, before.position.seq + 1)
