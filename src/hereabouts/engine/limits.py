"""How much one may ask for, and how fast: limits, and the buckets that hold to them."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct


class Limits(Struct, frozen=True, kw_only=True):
    """The limits that clients are told in `welcome`. Source: `spec/protocol.md`, "Limits"."""

    frame_bytes: Annotated[int, Meta(ge=1024, description="a frame from a client, reassembled")] = 65_536
    state_bytes: Annotated[int, Meta(ge=2, description="a session's state in one room")] = 4_096
    info_bytes: Annotated[int, Meta(ge=2, description="the `info` of a token")] = 1_024
    rooms_per_session: Annotated[int, Meta(ge=1, description="rooms that a session joins, or looks at")] = 100
    watched_users: Annotated[int, Meta(ge=0, description="users that a session watches")] = 500
    id_bytes: Annotated[int, Meta(ge=1, le=1_024, description="the id of a user, room or resource")] = 200
    depth: Annotated[int, Meta(ge=3, le=64, description="nesting of the JSON in a frame")] = 16
    joins_per_second: Annotated[float, Meta(gt=0, description="joins of a session; bursts of `rooms_per_session`")] = 20
    updates_per_second: Annotated[float, Meta(gt=0, description="updates and statuses of a session")] = 10
    frames_per_second: Annotated[float, Meta(gt=0, description="frames of a connection; bursts of twice as many")] = 100
    sessions_per_user: Annotated[int, Meta(ge=1, description="sessions of a user on a node")] = 50
    hello_seconds: Annotated[float, Meta(gt=0, description="time for the `hello` of a new connection")] = 5
    unauthenticated_per_address: Annotated[
        int, Meta(ge=1, description="connections of an address before their welcome")
    ] = 256


ABUSE_TIMES: Final = 10
"""So many times a rate is abuse."""

ABUSE_SECONDS: Final = 5.0
"""When it goes on for so long."""


class TokenBucket:
    """Lets `rate` things a second pass, and `burst` at once. Time is an argument."""

    __slots__ = ("_burst", "_filled_tick", "_level", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._filled_tick = float("-inf")

    def take(self, tick: float, n: float = 1.0) -> float:
        """Take `n`: 0.0 if they were there, else the seconds until they will be."""
        # A measured stall sets the tick back; what was there stays there.
        level = self._level + max(tick - self._filled_tick, 0.0) * self._rate
        if level > self._burst:
            level = self._burst
        self._filled_tick = tick
        if level >= n:
            self._level = level - n
            return 0.0
        self._level = level
        return (n - level) / self._rate


class Abuse:
    """Counts what came over the rate; ten times the rate over five seconds is abuse (close 4004)."""

    __slots__ = ("_count", "_rate", "_since_tick")

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._since_tick: float | None = None
        self._count = 0

    def note(self, tick: float) -> bool:
        """One more came too fast; whether that makes it abuse."""
        if self._since_tick is None or tick - self._since_tick > 2 * ABUSE_SECONDS:
            self._since_tick, self._count = tick, 0
        self._count += 1
        return self._count >= self._rate * ABUSE_TIMES * ABUSE_SECONDS
