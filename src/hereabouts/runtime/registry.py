"""The sessions that this node owns, by id and by user."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterator

from hereabouts.runtime.link import OwnedSession


class Registry:
    """Finds sessions by what a client can name, and checks the secret that goes with the name.

    `sessions` and `users` say how many there are of each tenant that has any.
    """

    def __init__(self) -> None:
        self.sessions: Counter[str] = Counter()
        self.users: Counter[str] = Counter()
        self._sessions: dict[str, OwnedSession] = {}
        self._users: dict[tuple[str, str], dict[str, OwnedSession]] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[OwnedSession]:
        return iter(tuple(self._sessions.values()))

    def add(self, owned: OwnedSession) -> None:
        """Take a session in."""
        session = owned.session
        self.sessions[session.tenant] += session.session_id not in self._sessions
        self._sessions[session.session_id] = owned
        user = self._users.setdefault((session.tenant, session.user_id), {})
        self.users[session.tenant] += not user
        user[session.session_id] = owned

    def drop(self, owned: OwnedSession) -> None:
        """Forget a session whose life is over."""
        session = owned.session
        if self._sessions.pop(session.session_id, None) is None:
            return
        self.sessions[session.tenant] -= 1
        user = self._users[session.tenant, session.user_id]
        del user[session.session_id]
        if not user:
            del self._users[session.tenant, session.user_id]
            self.users[session.tenant] -= 1
        if not self.users[session.tenant]:
            del self.users[session.tenant], self.sessions[session.tenant]

    def find(self, session_id: str) -> OwnedSession | None:
        """The session of this id, if it is here."""
        return self._sessions.get(session_id)

    def of_user(self, tenant: str, user_id: str) -> tuple[OwnedSession, ...]:
        """All sessions of a user here."""
        return tuple(self._users.get((tenant, user_id), {}).values())

    def by_resume(self, secret: str) -> OwnedSession | None:
        """The session that this resume secret is for, if it is right."""
        found = self._sessions.get(secret.partition(".")[0])
        return found if found is not None and is_secret(secret, found.session.resume_hash) else None

    def by_leave_token(self, token: str) -> OwnedSession | None:
        """The session that this leave token is for, if it is right."""
        found = self._sessions.get(token.partition(".")[0])
        return found if found is not None and is_secret(token, found.session.leave_hash) else None


def leave_token(session_id: str, resume: str, incarnation: int) -> str:
    """The leave token of one incarnation of a session.

    It follows from the resume secret, so that only the secret's holder can make it and each incarnation has its own:
    a beacon that arrives after its page has come back ends nothing.
    """
    derived = hmac.new(resume.encode(), f"leave {session_id} {incarnation}".encode(), hashlib.sha256)
    return f"{session_id}.{derived.hexdigest()[:32]}"


def hash_secret(secret: str) -> bytes:
    """What is kept of a secret: its SHA-256."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def is_secret(secret: str, kept: bytes) -> bool:
    """Whether this is the secret, told in constant time."""
    return hmac.compare_digest(hash_secret(secret), kept)
