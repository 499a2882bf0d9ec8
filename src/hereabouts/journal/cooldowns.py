"""The seam for who must stay out for a while, and what of it is held in memory so that no hello waits for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from msgspec import Struct

Cooled = Literal["session", "user", "room", "member", "holding"]
"""What cools down: a session that was cleared, a user, a room, a user in one room (`ROOM\\nUSER`), a resource."""


class Cooldown(Struct, frozen=True):
    """Until `until_at` this stays out."""

    tenant: str
    kind: Cooled
    id: str
    at: int
    until_at: int
    reason: str | None = None


class Cooldowns(ABC):
    """Those in force. Raises `JournalUnavailable` when one cannot be written."""

    def __init__(self) -> None:
        self._standing: dict[tuple[str, Cooled, str], Cooldown] = {}

    def keep(self, cooldown: Cooldown) -> None:
        """Put one in force in this process, and forget those that ran out before it."""
        self._standing = {k: standing for k, standing in self._standing.items() if standing.until_at > cooldown.at}
        self._standing[cooldown.tenant, cooldown.kind, cooldown.id] = cooldown

    def standing(self, tenant: str, kind: Cooled, id: str, at: int) -> Cooldown | None:
        """The one in force for this at a moment, or `None`."""
        found = self._standing.get((tenant, kind, id))
        return found if found is not None and found.until_at > at else None

    def all(self, tenant: str, at: int) -> list[Cooldown]:
        """Every one that is in force in a tenant, the first to end first."""
        found = [c for c in self._standing.values() if c.tenant == tenant and c.until_at > at]
        return sorted(found, key=lambda cooldown: cooldown.until_at)

    @abstractmethod
    async def load(self, at: int) -> list[Cooldown]:
        """Take up those that an earlier process, or another node, put in force; which of them are new here."""

    @abstractmethod
    async def add(self, cooldown: Cooldown) -> None:
        """Put one in force. On disk when it returns; in force here even if it cannot be written."""

    @abstractmethod
    async def end(self, tenant: str, kind: Cooled, id: str) -> bool:
        """End one before its time; whether there was one."""


class HeldCooldowns(Cooldowns):
    """Cooldowns for the life of the process alone."""

    async def load(self, at: int) -> list[Cooldown]:
        """See `Cooldowns.load`."""
        return []

    async def add(self, cooldown: Cooldown) -> None:
        """See `Cooldowns.add`."""
        self.keep(cooldown)

    async def end(self, tenant: str, kind: Cooled, id: str) -> bool:
        """See `Cooldowns.end`."""
        return self._standing.pop((tenant, kind, id), None) is not None


def member_id(room: str, user_id: str) -> str:
    """The id of a user in one room. No id holds a line break."""
    return f"{room}\n{user_id}"
