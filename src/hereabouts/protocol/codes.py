"""Close codes, causes and the words of the protocol, once.

Source: `spec/protocol.md`, "Codes". The band of a close code tells a client what to do without knowing the code.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

SUBPROTOCOL: Final = "hereabouts.v1"
PROTOCOL: Final = 1


class CloseCode(NamedTuple):
    """A WebSocket close code: its number, name, whether the client comes back, and why it is sent."""

    number: int
    name: str
    comes_back: bool
    meaning: str


NORMAL = CloseCode(1000, "normal", True, "Closed by RFC 6455's ordinary close; for a session it is a loss.")
GOING_AWAY = CloseCode(1001, "going_away", True, "The page or the server is going away.")
PROTOCOL_ERROR = CloseCode(1002, "protocol_error", True, "A frame that RFC 6455 forbids.")
UNSUPPORTED_DATA = CloseCode(1003, "unsupported_data", True, "A binary frame; this protocol is text.")
INVALID_TEXT = CloseCode(1007, "invalid_text", True, "A text frame that is not UTF-8.")
POLICY = CloseCode(1008, "policy", True, "The first message was not `hello`.")
TOO_BIG = CloseCode(1009, "too_big", True, "A frame over `frame_bytes`.")
INTERNAL = CloseCode(1011, "internal", True, "A fault of the server.")
ENDED = CloseCode(4000, "ended", False, "The session was ended by `bye` or by its leave token.")
SUPERSEDED = CloseCode(4001, "superseded", False, "The session was resumed on another connection.")
REVOKED = CloseCode(4002, "revoked", False, "The user or token was revoked.")
CLEARED = CloseCode(4003, "cleared", False, "An admin ended the session.")
ABUSE = CloseCode(4004, "abuse", False, "Ten times a rate limit for five seconds.")
UNAUTHENTICATED = CloseCode(4100, "unauthenticated", True, "No good token, or it ran out: come back with a new one.")
NO_HELLO = CloseCode(4101, "no_hello", True, "No `hello` within `hello_seconds`.")
DRAIN = CloseCode(4200, "drain", True, "The node is draining; come back after `after_seconds`.")
SESSION_EXPIRED = CloseCode(4201, "session_expired", True, "The session gave no sign of life; say hello again.")
SLOW_READER = CloseCode(4202, "slow_reader", True, "The connection did not take what was sent to it.")
OVERLOADED = CloseCode(4203, "overloaded", True, "The server or a limit has no room; come back with back-off.")

CLOSE_CODES: Final[tuple[CloseCode, ...]] = (
    NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED_DATA, INVALID_TEXT, POLICY, TOO_BIG, INTERNAL,
    ENDED, SUPERSEDED, REVOKED, CLEARED, ABUSE, UNAUTHENTICATED, NO_HELLO,
    DRAIN, SESSION_EXPIRED, SLOW_READER, OVERLOADED,
)  # fmt: skip

KEEPS_LEASE: Final = frozenset({4100, 4200, 4202, 4203})
"""Closes that the server asked for: they start no grace, the lease runs on (semantics, rule 15)."""

Cause = Literal[
    "leave", "beacon", "closed", "lease_expired", "node_lost", "released", "taken_over",
    "inactivity", "cleared", "revoked", "drained",
]  # fmt: skip

CAUSES: Final[dict[str, str]] = {
    "leave": "The client left or said bye, or the user went invisible.",
    "beacon": "The page's leave token was handed in.",
    "closed": "The connection closed without a leave and nobody came back within the grace.",
    "lease_expired": "No application frame for the lease and the grace.",
    "node_lost": "The node that owned the session died.",
    "released": "The holding was given back.",
    "taken_over": "Another user took the holding over.",
    "inactivity": "No human input for `occupancy.release_after_seconds`.",
    "cleared": "An admin ended it.",
    "revoked": "The grant, the token or the user was revoked.",
    "drained": "The node drained and the session did not come back within lease and grace.",
}

Status = Literal["online", "idle", "away", "busy", "dnd", "offline"]
Declared = Literal["available", "busy", "dnd", "away", "invisible"]
View = Literal["full", "status", "existence", "none"]
