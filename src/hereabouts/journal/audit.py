"""The seam for what admins did: who did what, to whom, why, from where and when."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from msgspec import Struct


class Act(Struct, frozen=True):
    """One thing that was done. `actor` is `user:ID`, `key:NAME` or `node:NAME`; `target` is `KIND:ID`.

    `user_id` is the user whom it concerned, where it was one. `origin` is the address that the call came from.
    `details` are what the action counted or was given.
    """

    tenant: str
    at: int
    actor: str
    action: str
    target: str
    user_id: str | None = None
    reason: str | None = None
    origin: str | None = None
    details: dict[str, Any] = {}


class AuditEntry(Struct, frozen=True):
    """An act as it was kept. A later one has a greater `id`."""

    id: int
    act: Act


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Which acts are asked for; what is `None` does not matter. `since_at` is included, `until_at` is not."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    user_id: str | None = None
    since_at: int | None = None
    until_at: int | None = None


ANYTHING = AuditFilter()


class Audit(ABC):
    """What admins did. Raises `JournalUnavailable` when it cannot be written or read."""

    @abstractmethod
    async def note(self, acts: Sequence[Act]) -> None:
        """Keep these. On disk when it returns."""

    @abstractmethod
    async def find(
        self, tenant: str, which: AuditFilter = ANYTHING, *, before_id: int | None = None, limit: int = 100
    ) -> list[AuditEntry]:
        """The newest acts that fit, newest first; with `before_id` those that are older than that one."""

    @abstractmethod
    async def rename(self, tenant: str, user_id: str, alias: str) -> int:
        """Let a user's name stand nowhere any more: the alias stands in its place, reasons and details that may name
        the user are gone. How many acts were changed.
        """
