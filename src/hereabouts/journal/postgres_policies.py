"""The versions of the policy in the PostgreSQL journal."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from hereabouts.journal.policies import PolicyVersion, PolicyVersions
from hereabouts.journal.postgres_pool import Connection, Transactions


class PostgresPolicies(PolicyVersions):
    """See `PolicyVersions`."""

    def __init__(self, journal: Transactions) -> None:
        self._journal = journal

    async def newest(self) -> PolicyVersion | None:
        """See `PolicyVersions.newest`."""
        return next(iter(await self.list(1)), None)

    async def add(self, policy: dict[str, Any] | None, at: int, actor: str, reason: str | None) -> PolicyVersion:
        """See `PolicyVersions.add`."""
        return await self._journal.write(partial(_add, policy=policy, at=at, actor=actor, reason=reason))

    async def list(self, limit: int = 100) -> list[PolicyVersion]:
        """See `PolicyVersions.list`."""
        return await self._journal.look(partial(_list, limit=limit))


async def _add(
    connection: Connection, policy: dict[str, Any] | None, at: int, actor: str, reason: str | None
) -> PolicyVersion:
    text = None if policy is None else msgspec.json.encode(policy).decode()
    # One after the other, so that the newest version is the one that was set last.
    await connection.execute("LOCK TABLE policy_versions IN EXCLUSIVE MODE")
    version: int = await connection.fetchval(
        "INSERT INTO policy_versions (at, actor, reason, policy) VALUES ($1, $2, $3, $4) RETURNING version",
        *(at, actor, reason, text),
    )
    return PolicyVersion(version, at, actor, reason, policy)


async def _list(connection: Connection, limit: int) -> list[PolicyVersion]:
    rows = await connection.fetch(
        "SELECT version, at, actor, reason, policy FROM policy_versions ORDER BY version DESC LIMIT $1", limit
    )
    return [
        PolicyVersion(version, at, actor, reason, None if policy is None else msgspec.json.decode(policy))
        for version, at, actor, reason, policy in rows
    ]
