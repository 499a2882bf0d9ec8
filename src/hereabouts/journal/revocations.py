"""What was revoked: few enough to be held in memory, so that no hello waits for a database."""

from __future__ import annotations

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

    def add(self, added: Revocation) -> None:
        """Put one in force, and forget those that ran out before it. A second one for the same extends the first."""
        key = added.tenant, added.kind, added.id
        earlier = self._standing.pop(key, added)
        self._standing = {k: standing for k, standing in self._standing.items() if standing.until_at > added.at}
        self._standing[key] = added._replace(
            at=max(added.at, earlier.at), until_at=max(added.until_at, earlier.until_at)
        )

    def hit(self, tenant: str, user_id: str, token_id: str | None, issued_at: int | None) -> bool:
        """See `Journal.revoked`."""
        if token_id is not None and (tenant, "token", token_id) in self._standing:
            return True
        revoked = self._standing.get((tenant, "user", user_id))
        return revoked is not None and (issued_at is None or issued_at <= revoked.at)
