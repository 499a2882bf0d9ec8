"""What was revoked: few enough to be held in memory, so that no hello waits for a database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hereabouts.journal.base import Revocable


class Revocation(NamedTuple):
    """Hits a token, or all tokens that a user was issued until `at`; after `until_at` they have run out anyway."""

    tenant: str
    kind: Revocable
    id: str
    at: int
    until_at: int


class Revocations:
    """Those in force, by what they hit."""

    def __init__(self) -> None:
        self._standing: dict[tuple[str, Revocable, str], Revocation] = {}
        self.newest_at = 0
        """When the newest one was said."""

    def add(self, added: Revocation) -> None:
        """Put one in force, and forget those that ran out before it. A second one for the same extends the first."""
        self._standing = {k: standing for k, standing in self._standing.items() if standing.until_at > added.at}
        self.take([added])

    def take(self, stored: Iterable[Revocation]) -> list[Revocation]:
        """Put in force what a journal holds; which of them hit more than was hit before."""
        new: list[Revocation] = []
        for one in stored:
            key = one.tenant, one.kind, one.id
            earlier = self._standing.get(key)
            if earlier is None or earlier.at < one.at:
                new.append(one)
            latest = earlier or one
            self._standing[key] = one._replace(at=max(one.at, latest.at), until_at=max(one.until_at, latest.until_at))
            self.newest_at = max(self.newest_at, one.at)
        return new

    def hit(self, tenant: str, user_id: str, token_id: str | None, issued_at: int | None) -> bool:
        """See `Journal.revoked`."""
        if token_id is not None and (tenant, "token", token_id) in self._standing:
            return True
        revoked = self._standing.get((tenant, "user", user_id))
        return revoked is not None and (issued_at is None or issued_at <= revoked.at)
