"""The seam of what is stored of one user: all of it told, or all of it gone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

Stored = dict[str, list[dict[str, Any]]]
"""Rows by class: `sessions`, `transitions`, `last_seen`, `declared`, `relations` and so on."""


class Subjects(ABC):
    """Finds a user wherever the record has a place for one. Raises `JournalUnavailable`."""

    @abstractmethod
    async def export(self, tenant: str, user_id: str) -> Stored:
        """Everything that is stored of this user, rows that wait to be written included. Only classes with rows."""

    @abstractmethod
    async def erase(self, tenant: str, user_id: str, alias: str) -> dict[str, int]:
        """Delete the user's rows, and let `alias` stand where a row is another's too; how many, by class.

        On disk when it returns. Revocations and cooldowns stay until they run out: they keep the user out.
        """
