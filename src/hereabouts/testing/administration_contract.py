"""What a journal keeps for admins, wherever it keeps it: the audit, the versions of the policy, the cooldowns.

Subclass `AdministrationContract` in a test module and give its method `journal`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hereabouts.journal.audit import Act, Audit, AuditFilter
from hereabouts.journal.base import Journal
from hereabouts.journal.cooldowns import Cooldown, Cooldowns, member_id
from hereabouts.journal.policies import PolicyVersions

T = "default"
AT = 1_800_000_000_000


def act(at: int, action: str = "clear", user_id: str | None = "ada", tenant: str = T) -> Act:
    """Something that the admin eve did."""
    return Act(tenant, at, "user:eve", action, f"user:{user_id}", user_id, "a ghost", "127.0.0.1", {"sessions": 2})


class AdministrationContract(ABC):
    """The suite; its subclasses are collected when they are named `Test…`."""

    @abstractmethod
    def journal(self) -> Journal:
        """A journal that is not open; within one test each has what an earlier one kept."""

    @asynccontextmanager
    async def audit(self) -> AsyncIterator[Audit]:
        """The audit while its journal is open."""
        async with self._opened() as journal:
            assert journal.audit is not None
            yield journal.audit

    @asynccontextmanager
    async def policies(self) -> AsyncIterator[PolicyVersions]:
        """The versions of the policy while their journal is open."""
        async with self._opened() as journal:
            assert journal.policies is not None
            yield journal.policies

    @asynccontextmanager
    async def cooldowns(self, at: int = AT) -> AsyncIterator[Cooldowns]:
        """The cooldowns in force at a moment, while their journal is open."""
        async with self._opened() as journal:
            await journal.cooldowns.load(at)
            yield journal.cooldowns

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Journal]:
        journal = self.journal()
        await journal.open()
        try:
            yield journal
        finally:
            await journal.close()

    # The audit

    async def test_what_was_done_is_read_newest_first_by_a_later_process_too(self) -> None:
        async with self.audit() as audit:
            await audit.note([act(AT), act(AT + 1)])
            await audit.note([act(AT + 2)])
        async with self.audit() as audit:
            assert [entry.act for entry in await audit.find(T)] == [act(AT + 2), act(AT + 1), act(AT)]

    async def test_a_tenant_reads_its_own(self) -> None:
        async with self.audit() as audit:
            await audit.note([act(AT), act(AT, tenant="other")])
            assert [entry.act for entry in await audit.find("other")] == [act(AT, tenant="other")]

    async def test_each_filter_holds(self) -> None:
        async with self.audit() as audit:
            acts = [act(AT), act(AT + 1, "sweep", None), act(AT + 2, user_id="bob")]
            await audit.note(acts)
            for which, expected in (
                (AuditFilter(action="sweep"), [1]),
                (AuditFilter(user_id="bob"), [2]),
                (AuditFilter(target="user:ada"), [0]),
                (AuditFilter(actor="user:eve"), [2, 1, 0]),
                (AuditFilter(actor="user:nobody"), []),
                (AuditFilter(since_at=AT + 1), [2, 1]),
                (AuditFilter(until_at=AT + 1), [0]),
                (AuditFilter(since_at=AT, until_at=AT + 2, action="clear"), [0]),
            ):
                assert [entry.act for entry in await audit.find(T, which)] == [acts[n] for n in expected], which

    async def test_pages_meet_without_gap_or_repetition(self) -> None:
        async with self.audit() as audit:
            await audit.note([act(AT + n) for n in range(7)])
            read, before_id = [], None
            while page := await audit.find(T, before_id=before_id, limit=3):
                read += [entry.act.at - AT for entry in page]
                before_id = page[-1].id
            assert read == [6, 5, 4, 3, 2, 1, 0]

    async def test_an_erased_user_stands_nowhere(self) -> None:
        async with self.audit() as audit:
            await audit.note([act(AT), act(AT + 1, user_id="bob")])
            assert await audit.rename(T, "ada", "erased-1") == 1
            assert await audit.rename(T, "eve", "erased-2") == 2
            told = str(await audit.find(T))
            assert "ada" not in told and "eve" not in told and "bob" in told and "erased-1" in told

    async def test_what_is_old_is_forgotten(self) -> None:
        async with self._opened() as journal:
            assert journal.audit is not None
            await journal.audit.note([act(AT + n) for n in range(5)])
            assert await journal.prune({"audit": AT + 3}) == 3
            assert [entry.act.at for entry in await journal.audit.find(T)] == [AT + 4, AT + 3]

    # The policy

    async def test_the_newest_version_is_in_force_in_a_later_process_too(self) -> None:
        async with self.policies() as policies:
            assert await policies.newest() is None
            first = await policies.add({"default": {"grace_seconds": 5}}, AT, "user:eve", "calmer")
            second = await policies.add(None, AT + 1, "key:ops", None)
            assert second.version > first.version
        async with self.policies() as policies:
            assert await policies.newest() == second
            assert await policies.list() == [second, first]
            assert await policies.list(1) == [second]

    # Cooldowns

    async def test_a_cooldown_stands_until_it_ends_in_a_later_process_too(self) -> None:
        cooldown = Cooldown(T, "user", "ada", AT, AT + 1_000, "too loud")
        async with self.cooldowns() as cooldowns:
            await cooldowns.add(cooldown)
        async with self.cooldowns() as cooldowns:
            assert cooldowns.standing(T, "user", "ada", AT + 999) == cooldown
            assert cooldowns.standing(T, "user", "ada", AT + 1_000) is None
            assert cooldowns.standing("other", "user", "ada", AT) is None
            assert cooldowns.standing(T, "room", "ada", AT) is None
        async with self.cooldowns(AT + 1_000) as cooldowns:
            assert cooldowns.all(T, AT + 1_000) == []

    async def test_a_cooldown_is_ended_before_its_time(self) -> None:
        async with self.cooldowns() as cooldowns:
            await cooldowns.add(Cooldown(T, "member", member_id("lobby", "ada"), AT, AT + 1_000))
            assert await cooldowns.end(T, "member", member_id("lobby", "ada"))
            assert not await cooldowns.end(T, "member", member_id("lobby", "ada"))
        async with self.cooldowns() as cooldowns:
            assert cooldowns.all(T, AT) == []

    async def test_a_later_cooldown_replaces_an_earlier_one(self) -> None:
        async with self.cooldowns() as cooldowns:
            await cooldowns.add(Cooldown(T, "room", "lobby", AT, AT + 1_000))
            await cooldowns.add(Cooldown(T, "room", "lobby", AT + 1, AT + 500, "shorter"))
            await cooldowns.add(Cooldown(T, "room", "attic", AT + 1, AT + 400))
            assert [(one.id, one.until_at) for one in cooldowns.all(T, AT + 1)] == [
                ("attic", AT + 400),
                ("lobby", AT + 500),
            ]
