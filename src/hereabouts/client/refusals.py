"""What can go wrong for a client, as exceptions. Time-outs are the built-in `TimeoutError`."""

from __future__ import annotations

from hereabouts.errors import HereaboutsError
from hereabouts.protocol import codes


class Refused(HereaboutsError):
    """The server said no. `code` is stable (spec, "Codes"); `limit` names the limit that was met."""

    def __init__(
        self, code: str, message: str, limit: str | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds


class Closed(HereaboutsError):
    """The client was closed, or never opened: use it inside `with`."""


class SessionEnded(HereaboutsError):
    """The server ended the session for good (close codes 4000 to 4099); the client does not come back by itself."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"the server ended the session with {number}: {reason}")
        self.number = number
        self.reason = reason


class Superseded(SessionEnded):
    """The session was resumed on another connection."""


class Revoked(SessionEnded):
    """The user or the token was revoked."""


class Cleared(SessionEnded):
    """An admin ended the session."""


class TokenRefused(SessionEnded):
    """The token does not verify or ran out, and there is no callable to ask for another."""


_KINDS: dict[int, type[SessionEnded]] = {
    codes.SUPERSEDED.number: Superseded,
    codes.REVOKED.number: Revoked,
    codes.CLEARED.number: Cleared,
}


def ended(number: int, reason: str) -> SessionEnded:
    """The exception for a close code that is final."""
    return _KINDS.get(number, SessionEnded)(number, reason)
