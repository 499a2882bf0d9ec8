"""The versions of the policy in the SQLite journal."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Any

import msgspec

from hereabouts.journal.policies import PolicyVersion, PolicyVersions
from hereabouts.journal.sqlite_file import Threads, transaction
from hereabouts.journal.sqlite_state import sync


class SqlitePolicies(PolicyVersions):
    """See `PolicyVersions`."""

    def __init__(self, journal: Threads) -> None:
        self._journal = journal

    async def newest(self) -> PolicyVersion | None:
        """See `PolicyVersions.newest`."""
        return next(iter(await self.list(1)), None)

    async def add(self, policy: dict[str, Any] | None, at: int, actor: str, reason: str | None) -> PolicyVersion:
        """See `PolicyVersions.add`."""
        return await self._journal.write(partial(_add, policy=policy, at=at, actor=actor, reason=reason))

    async def list(self, limit: int = 100) -> list[PolicyVersion]:
        """See `PolicyVersions.list`."""
        return await self._journal.read(partial(_list, limit=limit))


def _add(
    connection: sqlite3.Connection, policy: dict[str, Any] | None, at: int, actor: str, reason: str | None
) -> PolicyVersion:
    text = None if policy is None else msgspec.json.encode(policy).decode()
    with transaction(connection):
        version = connection.execute(
            "INSERT INTO policy_versions (at, actor, reason, policy) VALUES (?, ?, ?, ?)", (at, actor, reason, text)
        ).lastrowid
    sync(connection)
    assert version is not None
    return PolicyVersion(version, at, actor, reason, policy)


def _list(connection: sqlite3.Connection, limit: int) -> list[PolicyVersion]:
    rows = connection.execute(
        "SELECT version, at, actor, reason, policy FROM policy_versions ORDER BY version DESC LIMIT ?", (limit,)
    )
    return [
        PolicyVersion(version, at, actor, reason, None if policy is None else msgspec.json.decode(policy))
        for version, at, actor, reason, policy in rows
    ]
