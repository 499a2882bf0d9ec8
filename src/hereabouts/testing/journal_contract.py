"""What every `Journal` does, wherever it keeps its rows; and what those do that keep them for good.

Subclass `JournalContract`, or `DurableJournalContract`, in a test module and give its method `journal`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hereabouts.journal.base import Declared, Journal, LastSeen, Row, SessionClosed, SessionOpened, Transition
from hereabouts.protocol.codes import Status

T = "default"
AT = 1_800_000_000_000
HOUR = 3_600_000

ODD_IDS = ("a" * 200, "日本", "'; DROP TABLE last_seen; --", "\x00", "%", "a\u202eb", "👋🏽", " ")
"""Ids that stores have tripped over."""


def seen(user_id: str, at: int | None, active_at: int | None = None, public_at: int | None = None) -> LastSeen:
    """A row of last seen."""
    return LastSeen(T, user_id, at, active_at, public_at, None)


def opened(session_id: str, user_id: str, at: int, node: str = "n1") -> SessionOpened:
    """A session's begin."""
    return SessionOpened(T, session_id, user_id, node, "web", at)


def turned(user_id: str, before: Status, after: Status, at: int, cause: str | None = None) -> Transition:
    """A change of status."""
    return Transition(T, user_id, before, after, cause, at)


class JournalContract(ABC):
    """The suite of every journal; its subclasses are collected when they are named `Test…`."""

    @abstractmethod
    def journal(self) -> Journal:
        """A journal that is not open; within one test each has what an earlier one kept for good."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Journal]:
        """The journal while it is in use."""
        journal = self.journal()
        await journal.open()
        try:
            yield journal
        finally:
            await journal.close()

    async def test_what_was_taken_is_read_at_once(self) -> None:
        async with self.opened() as journal:
            journal.record([seen("ada", AT, AT - 1, AT), Declared(T, "ada", "busy", "lunch", "🍕", AT + HOUR, AT)])
            assert await journal.last_seen(T, ["ada"]) == {"ada": seen("ada", AT, AT - 1, AT)}
            assert await journal.declared(T, "ada") == Declared(T, "ada", "busy", "lunch", "🍕", AT + HOUR, AT)

    async def test_what_was_taken_is_read_the_same_after_a_flush(self) -> None:
        async with self.opened() as journal:
            for at in (AT, AT + 1):
                journal.record([seen("ada", at), Declared(T, "ada", "away", str(at), None, None, at)])
                await journal.flush()
                assert await journal.last_seen(T, ["ada"]) == {"ada": seen("ada", at)}
                assert await journal.declared(T, "ada") == Declared(T, "ada", "away", str(at), None, None, at)

    async def test_who_was_never_seen_is_not_there(self) -> None:
        async with self.opened() as journal:
            journal.record([seen("ada", AT), LastSeen("other", "bob", AT, AT, AT, AT)])
            assert set(await journal.last_seen(T, ["ada", "bob"])) == {"ada"}
            assert await journal.last_seen(T, []) == {}
            assert await journal.declared(T, "ada") is None
            assert await journal.transitions(T, "nobody") == []

    async def test_many_are_asked_for_at_once(self) -> None:
        async with self.opened() as journal:
            names = [f"user{number}" for number in range(1_200)]
            journal.record([seen(name, AT + number) for number, name in enumerate(names)])
            await journal.flush()
            assert await journal.last_seen(T, [*names, "eve"]) == {
                name: seen(name, AT + number) for number, name in enumerate(names)
            }

    async def test_last_seen_never_goes_back_and_public_is_as_given(self) -> None:
        async with self.opened() as journal:
            journal.record([seen("ada", AT + 5, AT + 3, AT + 5)])
            await journal.flush()
            journal.record([seen("ada", AT, AT + 4, AT + 1)])
            assert await journal.last_seen(T, ["ada"]) == {"ada": seen("ada", AT + 5, AT + 4, AT + 1)}
            await journal.flush()
            journal.record([seen("ada", None, None, None), seen("ada", AT + 2, None, AT)])
            assert await journal.last_seen(T, ["ada"]) == {"ada": seen("ada", AT + 5, AT + 4, AT)}
            await journal.flush()
            assert await journal.last_seen(T, ["ada"]) == {"ada": seen("ada", AT + 5, AT + 4, AT)}

    async def test_any_text_is_an_id(self) -> None:
        async with self.opened() as journal:
            journal.record([seen(name, AT + number) for number, name in enumerate(ODD_IDS)])
            await journal.flush()
            assert await journal.last_seen(T, ODD_IDS) == {
                name: seen(name, AT + number) for number, name in enumerate(ODD_IDS)
            }
            assert journal.health().lost_rows == 0

    async def test_rows_are_counted_by_kind(self) -> None:
        async with self.opened() as journal:
            rows: list[Row] = [
                opened("s1", "ada", AT), turned("ada", "offline", "online", AT), seen("ada", AT), seen("ada", AT + 1),
                SessionClosed(T, "s1", AT + 2, "leave", AT + 1),
            ]  # fmt: skip
            journal.record(rows)
            assert journal.counts == {"session_opened": 1, "transition": 1, "last_seen": 2, "session_closed": 1}

    async def test_a_revoked_token_is_revoked_alone(self) -> None:
        async with self.opened() as journal:
            assert not await journal.revoked(T, "ada", "t1", AT)
            await journal.revoke(T, "token", "t1", AT, AT + HOUR)
            assert await journal.revoked(T, "ada", "t1", AT + 1)
            assert not await journal.revoked(T, "ada", "t2", AT)
            assert not await journal.revoked(T, "ada", None, None)
            assert not await journal.revoked("other", "ada", "t1", AT)
            assert not await journal.revoked(T, "t1", None, AT), "a user is not a token of the same name"

    async def test_a_revoked_user_keeps_tokens_that_were_issued_later(self) -> None:
        async with self.opened() as journal:
            await journal.revoke(T, "user", "ada", AT, AT + HOUR)
            assert await journal.revoked(T, "ada", "t1", AT - 1)
            assert await journal.revoked(T, "ada", "t1", AT)
            assert await journal.revoked(T, "ada", None, None), "of unknown age"
            assert not await journal.revoked(T, "ada", "t1", AT + 1)
            assert not await journal.revoked(T, "bob", "t1", AT)
            assert not await journal.revoked("other", "ada", "t1", AT)

    async def test_an_older_revocation_takes_nothing_back(self) -> None:
        async with self.opened() as journal:
            await journal.revoke(T, "user", "ada", AT, AT + HOUR)
            await journal.revoke(T, "user", "ada", AT - 5, AT)
            assert await journal.revoked(T, "ada", None, AT)

    async def test_it_is_healthy_and_says_so(self) -> None:
        async with self.opened() as journal:
            journal.record([seen("ada", AT)])
            await journal.flush()
            health = journal.health()
            assert (health.is_writable, health.queued_rows, health.lost_rows) == (True, 0, 0)
            assert (health.failing_since_at, health.error) == (None, None)

    async def test_what_is_asked_of_an_empty_one_is_answered(self) -> None:
        async with self.opened() as journal:
            await journal.flush()
            await journal.alive("n1", AT)
            assert await journal.recover("n1", AT) == 0
            assert await journal.take_over(AT) == []
            assert await journal.prune({"sessions": AT, "transitions": AT}) == 0


class DurableJournalContract(JournalContract):
    """The suite of journals that keep what they were given."""

    async def test_it_is_all_there_after_a_restart(self) -> None:
        async with self.opened() as journal:
            journal.record([
                opened("s1", "ada", AT), turned("ada", "offline", "online", AT), seen("ada", AT, AT, AT),
                Declared(T, "ada", "dnd", None, None, None, AT),
            ])  # fmt: skip
            await journal.revoke(T, "token", "t1", AT, AT + HOUR)
            await journal.revoke(T, "user", "bob", AT, AT + HOUR)
        async with self.opened() as journal:
            assert await journal.last_seen(T, ["ada"]) == {"ada": seen("ada", AT, AT, AT)}
            assert await journal.declared(T, "ada") == Declared(T, "ada", "dnd", None, None, None, AT)
            assert await journal.transitions(T, "ada") == [turned("ada", "offline", "online", AT)]
            assert await journal.revoked(T, "ada", "t1", AT)
            assert await journal.revoked(T, "bob", None, AT)

    async def test_transitions_come_newest_first_written_or_not(self) -> None:
        async with self.opened() as journal:
            rows = [
                turned("ada", "offline", "online", AT), turned("ada", "online", "idle", AT),
                turned("ada", "idle", "online", AT + 1), turned("ada", "online", "offline", AT + 2, "leave"),
            ]  # fmt: skip
            journal.record(rows[:2])
            await journal.flush()
            journal.record([*rows[2:], turned("bob", "offline", "online", AT)])
            assert await journal.transitions(T, "ada") == rows[::-1]
            assert await journal.transitions(T, "ada", 3) == rows[:0:-1]
            await journal.flush()
            assert await journal.transitions(T, "ada") == rows[::-1]
            assert await journal.transitions(T, "ada", 1) == rows[3:]

    async def test_a_hand_over_is_taken_once(self) -> None:
        payloads = [b"one", b"\x00\xff", b"", b"one"]
        async with self.opened() as journal:
            await journal.hand_over([b"old"], AT, AT + HOUR)
            await journal.hand_over(payloads, AT, AT + HOUR)
        async with self.opened() as journal:
            assert await journal.take_over(AT + 1) == payloads
            assert await journal.take_over(AT + 1) == []
        async with self.opened() as journal:
            assert await journal.take_over(AT + 1) == []

    async def test_a_hand_over_that_is_too_old_is_void(self) -> None:
        async with self.opened() as journal:
            await journal.hand_over([b"one"], AT, AT + 10)
            assert await journal.take_over(AT + 10) == []
            assert await journal.take_over(AT + 1) == [], "what is void is gone"
            await journal.hand_over([b"one"], AT, AT + 10)
            assert await journal.take_over(AT + 11) == []

    async def test_what_a_crash_left_open_ends_when_its_node_was_last_alive(self) -> None:
        async with self.opened() as journal:
            journal.record([
                opened("s1", "ada", AT), turned("ada", "offline", "online", AT), seen("ada", AT, AT, AT),
                opened("s2", "bob", AT + 30), turned("bob", "offline", "online", AT + 30),
            ])  # fmt: skip
            await journal.alive("n1", AT + 20)
            await journal.alive("n2", AT + 99)
        async with self.opened() as journal:
            assert await journal.recover("n1", AT + 50) == 2
            assert (await journal.transitions(T, "ada"))[0] == turned("ada", "online", "offline", AT + 20, "node_lost")
            assert (await journal.transitions(T, "bob"))[0] == turned("bob", "online", "offline", AT + 30, "node_lost")
            assert await journal.last_seen(T, ["ada", "bob"]) == {
                "ada": seen("ada", AT + 20, AT, AT + 20),
                "bob": seen("bob", AT + 30, None, AT + 30),
            }
            assert await journal.recover("n1", AT + 50) == 0

    async def test_a_crash_ends_nothing_after_now(self) -> None:
        async with self.opened() as journal:
            journal.record([opened("s1", "ada", AT), turned("ada", "offline", "online", AT)])
            await journal.alive("n1", AT + HOUR)
            assert await journal.recover("n1", AT + 5) == 1
            assert (await journal.last_seen(T, ["ada"]))["ada"].seen_at == AT + 5

    async def test_history_stays_in_order_where_the_last_change_is_younger_than_the_last_sign_of_life(self) -> None:
        async with self.opened() as journal:
            journal.record([
                opened("s1", "ada", AT), turned("ada", "offline", "online", AT),
                turned("ada", "online", "idle", AT + 25),
            ])  # fmt: skip
            await journal.alive("n1", AT + 20)
            assert await journal.recover("n1", AT + 50) == 1
            assert (await journal.transitions(T, "ada"))[0] == turned("ada", "idle", "offline", AT + 25, "node_lost")

    async def test_a_crash_takes_nobody_offline_who_has_another_session(self) -> None:
        async with self.opened() as journal:
            journal.record([
                opened("s1", "ada", AT), opened("s2", "ada", AT, node="n2"), turned("ada", "offline", "online", AT),
                opened("s3", "bob", AT), opened("s4", "bob", AT), turned("bob", "offline", "online", AT),
            ])  # fmt: skip
            await journal.alive("n1", AT + 20)
            assert await journal.recover("n1", AT + 50, ["s4"]) == 2
            assert len(await journal.transitions(T, "ada")) == len(await journal.transitions(T, "bob")) == 1
            assert await journal.recover("n1", AT + 50) == 1
            assert (await journal.transitions(T, "bob"))[0].cause == "node_lost"

    async def test_a_crash_tells_nothing_of_somebody_invisible(self) -> None:
        async with self.opened() as journal:
            journal.record([
                opened("s1", "ada", AT), turned("ada", "offline", "online", AT),
                turned("ada", "online", "offline", AT + 5), Declared(T, "ada", "invisible", None, None, None, AT + 5),
                seen("ada", AT + 5, AT, AT + 4),
            ])  # fmt: skip
            await journal.alive("n1", AT + 20)
            assert await journal.recover("n1", AT + 50) == 1
            assert await journal.last_seen(T, ["ada"]) == {"ada": seen("ada", AT + 20, AT, AT + 4)}
            assert len(await journal.transitions(T, "ada")) == 2

    async def test_a_session_that_ended_is_not_recovered(self) -> None:
        async with self.opened() as journal:
            journal.record([opened("s1", "ada", AT), SessionClosed(T, "s1", AT + 5, "leave", AT + 4)])
            await journal.alive("n1", AT + 20)
            assert await journal.recover("n1", AT + 50) == 0

    async def test_what_is_old_enough_is_forgotten_and_nothing_else(self) -> None:
        async with self.opened() as journal:
            for number in range(1_500):
                name, at = f"s{number}", AT + number
                journal.record([opened(name, "ada", at), turned("ada", "offline", "online", at)])
                if number != 3:
                    journal.record([SessionClosed(T, name, at, "leave", at)])
            journal.record([seen("ada", AT)])
            await journal.flush()
            assert await journal.prune({"sessions": AT + 1_200}) == 1_199, "all but the open one"
            assert await journal.prune({"sessions": AT + 1_200, "transitions": AT + 1_400}) == 1_400
            assert len(await journal.transitions(T, "ada", 2_000)) == 100
            assert await journal.prune({"sessions": AT + HOUR}) == 300
            await journal.alive("n1", AT)
            assert await journal.recover("n1", AT) == 1
            assert "ada" in await journal.last_seen(T, ["ada"])

    async def test_a_row_that_cannot_be_written_takes_no_other_with_it(self) -> None:
        async with self.opened() as journal:
            journal.record([seen("ada", AT), seen("eve", 2**70), seen("bob", AT), opened("s1", "\ud800", AT)])
            await journal.flush()
            assert set(await journal.last_seen(T, ["ada", "eve", "bob"])) == {"ada", "bob"}
            assert journal.health().lost_rows == 2
            assert journal.health().is_writable
