"""Every error once, with the code that goes on the wire.

    HereaboutsError
    ├─ Refusal            the peer asked for something it cannot have; becomes an `error` message or a problem answer
    ├─ ConfigError        the operator's settings cannot be served
    ├─ StoreUnavailable   the live store could not be reached; views are degraded, nobody is gone
    └─ JournalUnavailable the durable record could not be written or read

A `Refusal` is the other side's doing and is always answered; anything else that escapes is a bug of ours
and is answered with `internal`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct


class ErrorCode(NamedTuple):
    """What a code means, and which HTTP status carries it."""

    status: int
    meaning: str


ERROR_CODES: Final[dict[str, ErrorCode]] = {
    "bad_request": ErrorCode(400, "The message or call is malformed; the text says where."),
    "unsupported": ErrorCode(400, "The message type or option is not known to this server."),
    "too_large": ErrorCode(413, "The frame, body, state or id is over the limit that `limit` names."),
    "unauthenticated": ErrorCode(401, "No credential, or one that does not verify."),
    "token_expired": ErrorCode(401, "The token was good and has run out: get a new one."),
    "forbidden": ErrorCode(403, "The credential does not grant this."),
    "not_joined": ErrorCode(409, "The session is not a member of that room."),
    "occupied": ErrorCode(409, "Somebody else holds the resource."),
    "lease_lost": ErrorCode(409, "The holding had lapsed or is another's; nothing was changed."),
    "room_full": ErrorCode(409, "The room has reached its member limit."),
    "limit_exceeded": ErrorCode(429, "A limit on how much one may hold is reached; `limit` names it."),
    "rate_limited": ErrorCode(429, "Too often; `retry_after_seconds` says when again."),
    "superseded": ErrorCode(409, "A newer connection has taken this session over."),
    "session_expired": ErrorCode(410, "The session is over; say hello again."),
    "cursor_gone": ErrorCode(410, "The page cursor is no longer good; start from the first page."),
    "not_found": ErrorCode(404, "There is no such call."),
    "degraded": ErrorCode(503, "The server cannot see its store and will not guess."),
    "internal": ErrorCode(500, "A fault of the server; it is in its log."),
}


class HereaboutsError(Exception):
    """Base of everything this package raises on purpose."""


class Refusal(HereaboutsError):
    """A request that is answered with an error.

    `code` is a key of `ERROR_CODES`; `limit` names the limit that was met; `retry_after_seconds` tells when
    the same request may succeed; `holder` is who holds the resource that is occupied, as far as the asker may see.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        limit: str | None = None,
        retry_after_seconds: float | None = None,
        holder: Struct | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds
        self.holder = holder

    @property
    def status(self) -> int:
        """The HTTP status that carries this refusal."""
        return ERROR_CODES[self.code].status

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class ConfigError(HereaboutsError):
    """Settings that cannot be served; the text names the key, what was found and what would be right."""


class StoreUnavailable(HereaboutsError):
    """The live store did not answer. Nobody is gone because of it."""


class JournalUnavailable(HereaboutsError):
    """The durable record did not take or give a row."""
