"""The seam of questions about the past. They may read much, so they never stand in the way of what presence reads.

What is answered is what is on disk: rows of the last moment (`journal.flush_seconds`) may not be in it yet.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from hereabouts.engine.analytics import Lengths, Online
from hereabouts.engine.attendance import Span
from hereabouts.engine.buckets import Bucket
from hereabouts.protocol.codes import Status

USERS_MOST: Final = 500
"""Users of one page, at most."""

SESSIONS_MOST: Final = 20_000
"""Sessions of one answer, at most."""

REGIONS_MOST: Final = 1_000
"""Regions of one answer, at most: the ones with most users."""

UNSAID_CAUSES: Final = ("closed", "lease_expired", "node_lost")
"""Ends that nobody said: they lie between the last proof of life and the moment at which they were noticed."""


class Pick(NamedTuple):
    """Which users: at most `limit`, those whose ids come after `after`, or the one `user_id`."""

    limit: int = USERS_MOST
    after: str = ""
    user_id: str | None = None


class UserStatuses(Struct, frozen=True):
    """For how many seconds a user had each status; those that the user did not have are not in it."""

    user_id: str
    seconds: dict[Status, float]


class SessionThen(Struct, frozen=True):
    """A session that was open at a moment."""

    session_id: str
    node: str
    platform: str | None
    opened_at: int


class UserThen(Struct, frozen=True):
    """Somebody who was here at a moment, with the status that others were told.

    `is_approximate`: the user's node died without a word around that moment; the status is the last one told.
    """

    user_id: str
    status: Status
    is_approximate: bool
    sessions: tuple[SessionThen, ...]


class Region(Struct, frozen=True):
    """How many users, and sessions of theirs, came from a region."""

    region: str
    users: int
    sessions: int


class History(ABC):
    """Answers about the past of a tenant; users come in the order of their ids.

    Raises `JournalUnavailable` when it cannot be read; `Refusal` with `limit_exceeded` for an answer that would be too
    long to give or to work out, and with `rate_limited` when too many ask.
    """

    @abstractmethod
    async def online(self, tenant: str, buckets: Sequence[Bucket]) -> list[Online]:
        """How many users were here in each piece of time. The pieces follow one another without a gap."""

    @abstractmethod
    async def lengths(self, tenant: str, span: Bucket) -> Lengths:
        """How long the sessions were that ended then, until the last proof of life where nobody said the end."""

    @abstractmethod
    async def statuses(self, tenant: str, span: Bucket, pick: Pick) -> list[UserStatuses]:
        """For how long users had each status. Who was offline all the time is not in it."""

    @abstractmethod
    async def spans(self, tenant: str, span: Bucket, pick: Pick, now_at: int) -> list[tuple[str, list[Span]]]:
        """The sessions of users that touch this time, cut to it. Open ones go on until `now_at`."""

    @abstractmethod
    async def held(
        self, tenant: str, span: Bucket, pick: Pick, now_at: int, kind: str, resource: str | None = None
    ) -> list[tuple[str, list[Span]]]:
        """From when to when users held resources of a kind, or this one, cut to this time. Like `spans`."""

    @abstractmethod
    async def at(self, tenant: str, at: int, pick: Pick) -> list[UserThen]:
        """Who was here at a moment."""

    @abstractmethod
    async def regions(self, tenant: str, span: Bucket, users_least: int) -> list[Region]:
        """The regions of sessions that touch this time, largest first, without those of fewer users."""

    @abstractmethod
    async def sizes(self) -> dict[str, int]:
        """How many rows each table has, of all tenants, as well as the database knows it without much work."""
