"""The seam between what happened and the word of it to other servers: events, kept until they are delivered.

A row says where somebody now stands. What of it is an event is decided as it is written, against what was told last:
so per user events alternate, a row that is written twice tells once, and whoever was told of as here when a process
was killed is told of as gone later.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import Raw, Struct

from hereabouts.engine.records import Position
from hereabouts.journal.outbox_lease import OutboxLease

StandingKind = Literal["user", "member", "resource"]

EVENT_TYPES: Final[dict[str, str]] = {
    "user.online": "A user who was offline is here.",
    "user.offline": "A user has gone, or hides.",
    "user.status": "A user who is here has another status.",
    "room.occupied": "A room that was empty has a member.",
    "room.vacated": "A room's last member has left it.",
    "member.joined": "A user came into a room.",
    "member.left": "A user left a room.",
    "resource.occupied": "A user holds a resource.",
    "resource.released": "A user no longer holds a resource.",
}
"""Every type of event, and what it means."""


class OutboxRow(Struct, frozen=True):
    """Where a user, a member of a room or the holder of a resource stands from now on.

    `place` is the room or the resource, and empty for a user. `value` is what stands: a user's status, `"in"` for a
    member, the fencing number for a holder; `None` for whoever is gone. `position` is where the feed stood then: of
    rows that several nodes write the newest counts, in whatever order they come.
    """

    tenant: str
    kind: StandingKind
    place: str
    user_id: str
    value: str | None
    cause: str | None
    at: int
    position: Position | None = None


class Standing(Struct, frozen=True):
    """Whom the events so far left as present."""

    tenant: str
    kind: StandingKind
    place: str
    user_id: str
    value: str


class Delivery(Struct, frozen=True):
    """An event on its way to one endpoint. Those of one `subject` go one after the other.

    `body` is what is sent, to the byte. `first_tried_at` is when it failed first.
    """

    seq: int
    event_id: str
    tenant: str
    subject: str
    body: bytes
    attempts: int
    first_tried_at: int | None


class KeptEvent(Struct, frozen=True):
    """An event in the outbox. `waiting` and `dead` name the endpoints that have not had it, or never will unasked."""

    seq: int
    id: str
    type: str
    at: int
    body: bytes
    waiting: tuple[str, ...]
    dead: tuple[str, ...]


class Replayed(NamedTuple):
    """How many events go out again, and the position up to which was looked: more calls go on from there."""

    events: int
    seq: int


class EndpointState(Struct, frozen=True):
    """How it stands with an endpoint. `oldest_at` is when the oldest event that waits for it happened."""

    waiting: int = 0
    dead: int = 0
    oldest_at: int | None = None
    disabled_at: int | None = None


Route = Callable[[str, str, str | None], Collection[str]]
"""Which endpoints want an event, by its type, tenant and room."""


class Outbox(ABC):
    """Events and their deliveries. Rows come in by `Journal.record`; what waits raises `JournalUnavailable`."""

    route: Route
    """Set before the journal is opened. An event that no endpoint wants is not kept."""

    kinds: frozenset[StandingKind]
    """Of what rows are taken; set with `route`. Rows of others are dropped."""

    on_events: Callable[[], None]
    """Called on the event loop after rows were written that may be events."""

    lease: OutboxLease | None = None
    """Which node delivers; `None` where the outbox is this process's own."""

    @abstractmethod
    async def waiting(self, endpoint: str, after: int, limit: int) -> list[Delivery]:
        """What an endpoint has not had, after a position (`seq`) and in order."""

    @abstractmethod
    async def delivered(self, endpoint: str, seq: int) -> None:
        """The endpoint has the event."""

    @abstractmethod
    async def failed(self, endpoint: str, seq: int, at: int, error: str, *, is_dead: bool) -> None:
        """An attempt failed; it is tried again, or it was the last."""

    @abstractmethod
    async def disable(self, endpoint: str, at: int) -> None:
        """The endpoint wants no more: what waits for it is dead, and what comes does not go to it."""

    @abstractmethod
    async def keep_only(self, endpoints: Collection[str]) -> int:
        """Forget the deliveries to endpoints that are no longer configured; how many waited."""

    @abstractmethod
    async def state(self, endpoint: str) -> EndpointState:
        """How it stands with an endpoint."""

    @abstractmethod
    async def events(self, tenant: str, after: int, limit: int) -> list[KeptEvent]:
        """The tenant's events after a position (`seq`), oldest first."""

    @abstractmethod
    async def replay(self, tenant: str, endpoint: str, after: int, until: int | None, *, only_dead: bool) -> Replayed:
        """Let the tenant's events after one position, up to another, go to an endpoint again: 10,000 in one call.

        Only those that the endpoint wants; with `only_dead` only those that were given up. A disabled endpoint is
        enabled by it.
        """

    @abstractmethod
    async def standing(self) -> Sequence[Standing]:
        """Whom the events so far left as present. Rows that wait are written first."""

    @abstractmethod
    async def erase(self, tenant: str, user_id: str) -> list[int]:
        """Forget every event that names a user, delivered or not; their positions."""


def envelope(seq: int, event_id: str, type: str, at: int, data: bytes) -> bytes:
    """What is sent of an event, the same bytes each time. Source: Standard Webhooks, "Payload structure"."""
    timestamp = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {"id": event_id, "seq": seq, "type": type, "timestamp": timestamp, "data": Raw(data)}
    return msgspec.json.encode(told)
