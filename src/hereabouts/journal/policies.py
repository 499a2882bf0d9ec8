"""The seam for the policy that is set at run time: every version of it, and who set it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from msgspec import Struct


class PolicyVersion(Struct, frozen=True):
    """An overlay as it was set. `policy` has the shape of the file's `[policy]`; `None` says that it was taken away."""

    version: int
    at: int
    actor: str
    reason: str | None
    policy: dict[str, Any] | None


class PolicyVersions(ABC):
    """The versions. Raises `JournalUnavailable` when they cannot be written or read."""

    @abstractmethod
    async def newest(self) -> PolicyVersion | None:
        """The one that is in force, or `None` where nothing was ever set."""

    @abstractmethod
    async def add(self, policy: dict[str, Any] | None, at: int, actor: str, reason: str | None) -> PolicyVersion:
        """Put a new one in force. On disk when it returns."""

    @abstractmethod
    async def list(self, limit: int = 100) -> list[PolicyVersion]:
        """The newest versions, newest first."""
