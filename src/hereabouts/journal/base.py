"""The seam between what happened and where it is kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from hereabouts.protocol.codes import Declared as DeclaredStatus
from hereabouts.protocol.codes import Status


class SessionOpened(Struct, frozen=True):
    """A session began."""

    tenant: str
    session_id: str
    user_id: str
    node: str
    platform: str | None
    opened_at: int


class SessionClosed(Struct, frozen=True):
    """A session's life is over."""

    tenant: str
    session_id: str
    closed_at: int
    cause: str
    last_seen_at: int
    is_approximate: bool = False


class Transition(Struct, frozen=True):
    """A user's status changed."""

    tenant: str
    user_id: str
    before: Status
    after: Status
    cause: str | None
    at: int


class LastSeen(Struct, frozen=True):
    """When a user was last seen; the public values are what others are told."""

    tenant: str
    user_id: str
    seen_at: int | None
    active_at: int | None
    public_seen_at: int | None
    public_active_at: int | None


class Declared(Struct, frozen=True):
    """What a user declared."""

    tenant: str
    user_id: str
    status: DeclaredStatus
    text: str | None
    emoji: str | None
    until_at: int | None
    at: int


Row = SessionOpened | SessionClosed | Transition | LastSeen | Declared


class JournalHealth(Struct, frozen=True):
    """Whether rows get where they belong. `lost_rows` counts those that could not be kept at all."""

    is_writable: bool = True
    failing_since_at: int | None = None
    queued_rows: int = 0
    lost_rows: int = 0
    error: str | None = None


class Journal(ABC):
    """The durable record."""

    counts: Counter[str]
    """Rows taken, by kind."""

    @abstractmethod
    async def open(self) -> None:
        """Make ready."""

    @abstractmethod
    async def close(self) -> None:
        """Write what waits, and let go."""

    @abstractmethod
    def record(self, rows: Sequence[Row]) -> None:
        """Take rows to write."""

    @abstractmethod
    async def last_seen(self, tenant: str, user_ids: Sequence[str]) -> dict[str, LastSeen]:
        """When these users were last seen."""

    @abstractmethod
    async def declared(self, tenant: str, user_id: str) -> Declared | None:
        """What a user declared last."""

    @abstractmethod
    async def revoked(self, tenant: str, user_id: str, token_id: str | None, issued_at: int | None) -> bool:
        """Whether a token was revoked."""

    @abstractmethod
    async def hand_over(self, payloads: Sequence[bytes], at: int, valid_until_at: int) -> None:
        """Keep live sessions for the next process."""

    @abstractmethod
    async def take_over(self, at: int) -> list[bytes]:
        """Read and delete what was kept; what is no longer valid is dropped."""

    @abstractmethod
    async def alive(self, node: str, at: int) -> None:
        """Note that a node is alive."""

    @abstractmethod
    async def recover(self, node: str, at: int, kept: Collection[str] = ()) -> int:
        """End the node's sessions that a crash left open, but for those that were `kept` by a hand-over; how many."""

    @abstractmethod
    async def prune(self, before_at: Mapping[str, int]) -> int:
        """Forget what ended before these moments, by class (`sessions`, `transitions`); how many rows."""

    @abstractmethod
    def health(self) -> JournalHealth:
        """How it stands with writing. Cheap."""
