"""The seam between what happened and where it is kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct, structs

from hereabouts.engine.status import newest
from hereabouts.journal.audit import Audit
from hereabouts.journal.cooldowns import Cooldown, Cooldowns
from hereabouts.journal.history import History
from hereabouts.journal.occupancies import Occupancies
from hereabouts.journal.outbox import Outbox, OutboxRow
from hereabouts.journal.policies import PolicyVersions
from hereabouts.journal.relations import RelationBook
from hereabouts.journal.subjects import Subjects
from hereabouts.protocol.codes import Declared as DeclaredStatus
from hereabouts.protocol.codes import Status

if TYPE_CHECKING:
    from hereabouts.journal.revocations import Revocation


class SessionOpened(Struct, frozen=True):
    """A session began."""

    tenant: str
    session_id: str
    user_id: str
    node: str
    platform: str | None
    opened_at: int
    region: str | None = None


class SessionClosed(Struct, frozen=True):
    """A session's life is over."""

    tenant: str
    session_id: str
    closed_at: int
    cause: str
    last_seen_at: int
    is_approximate: bool = False


class Origin(Struct, frozen=True):
    """From where a session was reached: an address and a program. Only where the settings ask to keep it."""

    tenant: str
    session_id: str
    user_id: str
    address: str
    agent: str
    at: int


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


Row = SessionOpened | SessionClosed | Origin | Transition | LastSeen | Declared | OutboxRow

ROW_KINDS: Final[dict[type[Row], str]] = {
    SessionOpened: "session_opened",
    SessionClosed: "session_closed",
    Origin: "origin",
    Transition: "transition",
    LastSeen: "last_seen",
    Declared: "declared",
    OutboxRow: "outbox",
}
"""What each kind of row is called in `Journal.counts` and in the metrics."""

Revocable = Literal["user", "token"]


def merge(earlier: LastSeen | None, later: LastSeen) -> LastSeen:
    """What two rows of one user come to: the times never go back, the public ones are as they were given last."""
    if earlier is None:
        return later
    return structs.replace(
        later,
        seen_at=newest((earlier.seen_at, later.seen_at)),
        active_at=newest((earlier.active_at, later.active_at)),
    )


class JournalHealth(Struct, frozen=True):
    """Whether rows get where they belong. `lost_rows` counts those that could not be kept at all."""

    is_writable: bool = True
    failing_since_at: int | None = None
    queued_rows: int = 0
    lost_rows: int = 0
    last_flush_at: int | None = None
    error: str | None = None


class Journal(ABC):
    """The durable record. What waits for it raises `JournalUnavailable` when it cannot be written or read."""

    counts: Counter[str]
    """Rows taken, by kind (`ROW_KINDS`)."""

    stored_rows: Mapping[str, int] = MappingProxyType({})
    """How many rows each table had when that was last looked at."""

    is_shared: bool = False
    """Whether other nodes read and write the same."""

    outbox: Outbox | None = None
    """Events for other servers, and where they are to go; `None` where nothing is kept."""

    # Parts with a seam of their own; `None` where nothing is kept.
    audit: Audit | None = None
    cooldowns: Cooldowns
    policies: PolicyVersions | None = None
    occupancies: Occupancies | None = None
    """Who holds what, where that is kept."""
    history: History | None = None
    subjects: Subjects | None = None
    relations: RelationBook | None = None
    """Who may watch whom; `None` where nothing is kept."""

    @abstractmethod
    async def open(self) -> None:
        """Make ready. Raises `ConfigError` for a journal that is not ours to write."""

    @abstractmethod
    async def close(self) -> None:
        """Write what waits, and let go. Raises `JournalUnavailable` when rows were left that could not be written."""

    @abstractmethod
    def record(self, rows: Sequence[Row]) -> None:
        """Take rows to write. Never waits; rows beyond the bound of the memory are refused and counted as lost."""

    @abstractmethod
    async def flush(self) -> None:
        """Return when every row taken so far is on disk. Raises `JournalUnavailable` after a bounded wait."""

    @abstractmethod
    async def last_seen(self, tenant: str, user_ids: Sequence[str]) -> dict[str, LastSeen]:
        """When these users were last seen, rows that wait to be written included. Who never was is not in it."""

    @abstractmethod
    async def declared(self, tenant: str, user_id: str) -> Declared | None:
        """What a user declared last, also when that has run out."""

    @abstractmethod
    async def transitions(self, tenant: str, user_id: str, limit: int = 100) -> list[Transition]:
        """The newest changes of a user's status, newest first."""

    @abstractmethod
    async def revoke(self, tenant: str, kind: Revocable, id: str, at: int, until_at: int) -> None:
        """From now on refuse a token, or all tokens that a user was issued until `at`. On disk when it returns.

        After `until_at` the tokens have run out by themselves and the revocation may be forgotten.
        """

    @abstractmethod
    async def revoked(self, tenant: str, user_id: str, token_id: str | None, issued_at: int | None) -> bool:
        """Whether a token was revoked, itself or with its user. One of unknown age is as old as can be."""

    async def look_again(self) -> Sequence[Revocation | Cooldown]:
        """Take up what other nodes wrote of tokens and cooldowns, and was not told here; what came into force by it.

        Nothing where no other node writes.
        """
        return ()

    @abstractmethod
    async def hand_over(self, payloads: Sequence[bytes], at: int, valid_until_at: int) -> None:
        """Keep live sessions for the next process, instead of what was kept before."""

    @abstractmethod
    async def take_over(self, at: int) -> list[bytes]:
        """Read and delete what was kept, in one step; what is no longer valid is dropped."""

    @abstractmethod
    async def alive(self, node: str, at: int) -> None:
        """Note that a node is alive."""

    @abstractmethod
    async def recover(self, node: str, at: int, kept: Collection[str] = ()) -> int:
        """End the node's sessions that a crash left open, but for those that were `kept` by a hand-over; how many.

        They end when the node was last alive, approximately, with cause `node_lost`; who has no other session goes
        offline then. `at` is now: nothing ended later, and it is when the ends were noticed. Source:
        `spec/semantics.md`, rule 15.
        """

    async def recover_silent(self, node: str, since_at: int, at: int) -> int:
        """The same for another node of a shared journal, if it has not said since then that it lives; how many.

        Its name may be one under which nobody starts again.
        """
        return 0

    @abstractmethod
    async def prune(self, before_at: Mapping[str, int]) -> int:
        """Forget what ended before these moments, by class (`sessions`, `transitions`, `occupancies`, `audit`).

        Gives back how many rows.
        """

    async def examine(self) -> list[tuple[bool, str]]:
        """What `hereabouts doctor` says of the database itself: whether it may stay so, and what to change if not."""
        return []

    @abstractmethod
    def health(self) -> JournalHealth:
        """How it stands with writing. Cheap."""
