"""What every `History` answers, whatever journal it is of. Subclass `HistoryContract` and give its method `journal`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from hereabouts.engine.analytics import Online
from hereabouts.engine.attendance import Span
from hereabouts.engine.buckets import Bucket
from hereabouts.engine.occupancy import Ask, Terms
from hereabouts.journal.base import Journal, Row, SessionClosed, SessionOpened
from hereabouts.journal.history import History, Pick, Region, SessionThen, UserStatuses, UserThen
from hereabouts.testing.journal_contract import AT, HOUR, ODD_IDS, T, opened, turned
from hereabouts.testing.waiting import pause

MINUTE = 60_000
DAY = Bucket(AT, AT + 24 * HOUR)


def closed(session_id: str, at: int, cause: str = "leave", seen_at: int | None = None) -> SessionClosed:
    """A session's end."""
    return SessionClosed(T, session_id, at, cause, at if seen_at is None else seen_at)


class HistoryContract(ABC):
    """The suite; its subclasses are collected when they are named `Test…`."""

    @abstractmethod
    def journal(self) -> Journal:
        """A journal that is not open, and is the same within one test."""

    @asynccontextmanager
    async def past(self, rows: Sequence[Row]) -> AsyncIterator[History]:
        """A history of these rows."""
        journal = self.used = self.journal()
        await journal.open()
        try:
            journal.record(rows)
            await journal.flush()
            assert journal.health().lost_rows == 0
            assert journal.history is not None
            yield journal.history
        finally:
            await journal.close()

    async def test_an_empty_history_answers_with_nothing(self) -> None:
        async with self.past([]) as history:
            assert await history.online(T, [DAY]) == [Online(*DAY, 0, 0.0)]
            assert (await history.lengths(T, DAY)).sessions == 0
            assert await history.statuses(T, DAY, Pick()) == []
            assert await history.spans(T, DAY, Pick(), AT) == []
            assert await history.at(T, AT, Pick()) == []
            assert await history.regions(T, DAY, 1) == []

    async def test_it_says_how_large_each_table_is(self) -> None:
        async with self.past([opened("s1", "ada", AT), opened("s2", "bob", AT)]) as history:
            async with asyncio.timeout(30):  # PostgreSQL gathers its statistics for up to ten seconds
                while (await history.sizes())["sessions"] != 2:
                    await pause(0.05)
            assert (await history.sizes())["transitions"] == 0

    async def test_the_curve_counts_who_was_here_before_and_who_came_and_went(self) -> None:
        rows = [
            turned("ada", "offline", "online", AT - HOUR),
            turned("bob", "offline", "online", AT + 30 * MINUTE),
            turned("bob", "online", "idle", AT + 40 * MINUTE),
            turned("ada", "online", "offline", AT + HOUR, "leave"),
            turned("bob", "idle", "offline", AT + 90 * MINUTE, "leave"),
        ]
        async with self.past(rows) as history:
            hours = [Bucket(AT + place * HOUR, AT + (place + 1) * HOUR) for place in range(3)]
            assert await history.online(T, hours) == [
                Online(*hours[0], 2, 1.5),
                Online(*hours[1], 1, 0.5),
                Online(*hours[2], 0, 0.0),
            ]

    async def test_what_is_forgotten_is_told_by_the_change_after_it(self) -> None:
        async with self.past([turned("ada", "busy", "offline", AT + HOUR, "leave")]) as history:
            assert await history.online(T, [Bucket(AT, AT + 2 * HOUR)]) == [Online(AT, AT + 2 * HOUR, 1, 0.5)]
            assert await history.at(T, AT, Pick()) == [UserThen("ada", "busy", False, ())]
            assert await history.at(T, AT + HOUR, Pick()) == []
            (ada,) = await history.statuses(T, Bucket(AT, AT + 2 * HOUR), Pick())
            assert ada == UserStatuses("ada", {"busy": 3_600.0, "offline": 3_600.0})

    async def test_time_in_each_status_is_of_the_span_alone(self) -> None:
        rows = [
            turned("ada", "offline", "online", AT - HOUR),
            turned("ada", "online", "dnd", AT + HOUR),
            turned("ada", "dnd", "offline", AT + 30 * HOUR),
            turned("bob", "offline", "online", AT + 48 * HOUR),
        ]
        async with self.past(rows) as history:
            assert await history.statuses(T, DAY, Pick()) == [
                UserStatuses("ada", {"online": 3_600.0, "dnd": 23 * 3_600.0})
            ]

    async def test_who_was_here_is_told_with_the_sessions(self) -> None:
        rows: list[Row] = [
            opened("s1", "ada", AT),
            turned("ada", "offline", "online", AT),
            opened("s2", "ada", AT + HOUR),
            closed("s1", AT + 2 * HOUR),
            opened("s3", "eve", AT),
        ]
        async with self.past(rows) as history:
            assert await history.at(T, AT - 1, Pick()) == []
            (ada,) = await history.at(T, AT + HOUR, Pick())
            assert ada == UserThen(
                "ada",
                "online",
                False,
                (SessionThen("s1", "n1", "web", AT), SessionThen("s2", "n1", "web", AT + HOUR)),
            )
            (ada,) = await history.at(T, AT + 2 * HOUR, Pick())
            assert [session.session_id for session in ada.sessions] == ["s2"]

    async def test_users_come_in_pages_and_one_by_one(self) -> None:
        names = sorted(ODD_IDS)
        rows: list[Row] = [turned(name, "offline", "online", AT) for name in names]
        rows += [opened(f"s{place}", name, AT) for place, name in enumerate(names)]
        async with self.past(rows) as history:
            found: list[str] = []
            while page := await history.at(T, AT, Pick(3, found[-1] if found else "")):
                found += [user.user_id for user in page]
            assert found == names
            for name in names:
                assert [user.user_id for user in await history.at(T, AT, Pick(user_id=name))] == [name]
                assert [user.user_id for user in await history.statuses(T, DAY, Pick(user_id=name))] == [name]
                assert [user for user, _ in await history.spans(T, DAY, Pick(user_id=name), AT + 1)] == [name]
            assert [user for user, _ in await history.spans(T, DAY, Pick(2, names[1]), AT + 1)] == names[2:4]

    async def test_an_end_that_nobody_said_lies_between_the_last_proof_and_its_detection(self) -> None:
        rows: list[Row] = [
            opened("s1", "ada", AT),
            closed("s1", AT + HOUR, "lease_expired", seen_at=AT + HOUR - MINUTE),
            opened("s2", "ada", AT + 2 * HOUR),
            closed("s2", AT + 3 * HOUR, "leave", seen_at=AT + 3 * HOUR - 5),
            opened("s3", "ada", AT + 4 * HOUR),
        ]
        async with self.past(rows) as history:
            ((user_id, spans),) = await history.spans(T, DAY, Pick(), AT + 5 * HOUR)
            assert user_id == "ada"
            assert spans == [
                Span(AT, AT + HOUR - MINUTE, AT + HOUR),
                Span(AT + 2 * HOUR, AT + 3 * HOUR, AT + 3 * HOUR),
                Span(AT + 4 * HOUR, AT + 5 * HOUR, AT + 5 * HOUR, is_open=True),
            ]
            told = await history.lengths(T, DAY)
            assert (told.sessions, told.median_seconds, told.longest_seconds) == (2, 59 * 60.0, 3_600.0)

    async def test_a_crash_is_uncertain_until_it_was_noticed(self) -> None:
        journal = self.journal()
        await journal.open()
        journal.record([opened("s1", "ada", AT), turned("ada", "offline", "idle", AT)])
        await journal.alive("n1", AT + MINUTE)
        assert await journal.recover("n1", AT + HOUR) == 1
        history = journal.history
        assert history is not None
        assert [user.is_approximate for user in await history.at(T, AT + MINUTE - 1, Pick())] == [False]
        (ada,) = await history.at(T, AT + MINUTE, Pick())
        assert (ada.status, ada.is_approximate, len(ada.sessions)) == ("idle", True, 1)
        assert await history.at(T, AT + HOUR, Pick()) == []
        ((_, spans),) = await history.spans(T, DAY, Pick(), AT + 2 * HOUR)
        assert spans == [Span(AT, AT + MINUTE, AT + HOUR)]
        assert await history.spans(T, Bucket(AT + 2 * MINUTE, AT + HOUR), Pick(), AT) != []
        await journal.close()

    async def test_an_open_session_of_a_node_that_fell_silent_is_proven_until_then(self) -> None:
        journal = self.journal()
        await journal.open()
        journal.record([opened("s1", "ada", AT)])
        await journal.flush()
        await journal.alive("n1", AT + MINUTE)
        assert journal.history is not None
        ((_, soon),) = await journal.history.spans(T, DAY, Pick(), AT + 2 * MINUTE)
        ((_, late),) = await journal.history.spans(T, DAY, Pick(), AT + HOUR)
        assert soon == [Span(AT, AT + 2 * MINUTE, AT + 2 * MINUTE, is_open=True)]
        assert late == [Span(AT, AT + MINUTE, AT + HOUR, is_open=True)]
        await journal.close()

    async def test_holdings_are_told_like_sessions_also_those_that_began_before_and_that_go_on(self) -> None:
        async with self.past([]) as history:
            occupancies = self.used.occupancies
            assert occupancies is not None
            for at, user, resource in ((0, "ada", "desk:1"), (1, "bob", "desk:2"), (3, "ada", "desk:3")):
                await occupancies.occupy(Ask(T, resource, user, may_take_over=True), Terms(), AT + at * HOUR)
            await occupancies.occupy(Ask(T, "desk:3", "bob", may_take_over=True), Terms(), AT + 5 * HOUR)
            await occupancies.occupy(Ask(T, "lamp:1", "eve"), Terms(), AT + HOUR)
            late, now_at = Bucket(AT + 2 * HOUR, AT + 9 * HOUR), AT + 7 * HOUR

            def hours(first: int, last: int, is_open: bool = False) -> Span:
                return Span(AT + first * HOUR, AT + last * HOUR, AT + last * HOUR, is_open)

            assert await history.held(T, late, Pick(), now_at, "desk") == [
                ("ada", [hours(2, 3), hours(3, 5)]),
                ("bob", [hours(2, 5), hours(5, 7, is_open=True)]),
            ]
            assert await history.held(T, late, Pick(), now_at, "desk", "desk:3") == [
                ("ada", [hours(3, 5)]),
                ("bob", [hours(5, 7, is_open=True)]),
            ]
            assert [user for user, _ in await history.held(T, late, Pick(1, "ada"), now_at, "desk")] == ["bob"]
            assert await history.held("other", late, Pick(), now_at, "desk") == []

    async def test_regions_of_few_users_are_not_told(self) -> None:
        rows: list[Row] = [
            SessionOpened(T, f"s{number}", f"user{number % 6}", "n1", "web", AT, "eu") for number in range(9)
        ]
        rows += [SessionOpened(T, f"t{number}", f"user{number}", "n1", "web", AT, "us") for number in range(4)]
        rows += [SessionOpened(T, f"u{number}", "ada", "n1", "web", AT, "moon") for number in range(20)]
        rows += [opened("nowhere", "bob", AT)]
        async with self.past(rows) as history:
            assert await history.regions(T, DAY, 5) == [Region("eu", 6, 9)]
            assert [region.region for region in await history.regions(T, DAY, 1)] == ["eu", "us", "moon"]
            assert await history.regions(T, Bucket(AT - HOUR, AT), 1) == []

    async def test_tenants_do_not_see_each_other(self) -> None:
        rows: list[Row] = [opened("s1", "ada", AT), turned("ada", "offline", "online", AT), closed("s1", AT + HOUR)]
        async with self.past(rows) as history:
            assert await history.online("other", [DAY]) == [Online(*DAY, 0, 0.0)]
            assert (await history.lengths("other", DAY)).sessions == 0
            assert await history.statuses("other", DAY, Pick()) == []
            assert await history.spans("other", DAY, Pick(), AT) == []
            assert await history.at("other", AT, Pick()) == []
