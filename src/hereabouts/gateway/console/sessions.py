"""Who is signed in to the console: sessions in memory, each behind a cookie and a second secret for what acts."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Final, NamedTuple

from hereabouts.errors import Refusal
from hereabouts.runtime.callers import Caller

LIFE_SECONDS: Final = 8 * 3600
"""A session ends so long after the login, used or not."""

SESSIONS_MOST: Final = 1_000
"""So many at a time; beyond them the oldest ends."""

_RANDOM_BYTES: Final = 32


class Session(NamedTuple):
    """Somebody who is signed in, the token that each act must carry, and until when."""

    caller: Caller
    csrf: str
    until_tick: float

    @property
    def may_act(self) -> bool:
        """Whether it is an operator's, or one that only reads."""
        key = self.caller.key
        return key is None or key.has("admin")

    def check(self, csrf: str | None) -> None:
        """Raise `Refusal` with `forbidden` unless this is the session's token."""
        if csrf is None or not compare_digest(csrf.encode(), self.csrf.encode()):
            raise Refusal("forbidden", "what changes something needs the session's token in the header X-CSRF-Token")


class Sessions:
    """The sessions of this process. `tick` is a monotonic clock in seconds. Ids are kept as hashes alone."""

    def __init__(self, tick: Callable[[], float]) -> None:
        self._tick = tick
        self._open: dict[bytes, Session] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self, caller: Caller) -> tuple[str, Session]:
        """A new session, and the id for its cookie. What has run out is forgotten."""
        now = self._tick()
        self._open = {key: held for key, held in self._open.items() if held.until_tick > now}
        while len(self._open) >= SESSIONS_MOST:
            del self._open[next(iter(self._open))]
        id, session = token_urlsafe(_RANDOM_BYTES), Session(caller, token_urlsafe(_RANDOM_BYTES), now + LIFE_SECONDS)
        self._open[_digest(id)] = session
        return id, session

    def find(self, id: str | None) -> Session:
        """The session of a cookie. Raises `Refusal` with `unauthenticated`."""
        session = self._open.get(_digest(id)) if id is not None else None
        if session is None or session.until_tick <= self._tick():
            raise Refusal("unauthenticated", "sign in to the console first")
        return session

    def close(self, id: str | None) -> None:
        """End the session of a cookie, if there is one."""
        if id is not None:
            self._open.pop(_digest(id), None)


def _digest(id: str) -> bytes:
    return sha256(id.encode("utf-8", "surrogatepass")).digest()
