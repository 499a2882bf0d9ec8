"""What the live store holds: feeds of session records.

A feed is an ordered history of one room, or of one user. It maps session ids to records; everything that is said of
a room or a user is a pure fold of the records that stand in it. Source: `spec/semantics.md`, "Feeds".
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec import Raw, Struct

from hereabouts.protocol.codes import Declared, Status


class Now(NamedTuple):
    """The moment of a decision, on the two clocks that matter.

    `tick` is seconds on this node's own clock, which never jumps and does not count a stall of the event loop: all
    deadlines are on it. `at` is server time in milliseconds since the epoch: all that is told or stored is on it.
    """

    tick: float
    at: int


class FeedKey(NamedTuple):
    """Names a feed. `kind` keeps a user's own feed apart from any room that a client could name."""

    tenant: str
    kind: Literal["room", "user"]
    name: str


class Owner(NamedTuple):
    """The node process that judges a session: its id and the incarnation of its process."""

    node: str
    incarnation: int


class Position(NamedTuple):
    """A place in a feed's history. Positions of different epochs cannot be compared."""

    epoch: str
    seq: int


class Value(Struct, frozen=True):
    """One key of a state: its JSON as it came, and the writer's server time (milliseconds)."""

    json: Raw
    at: int


class Record(Struct, frozen=True, tag=True):
    """What every record carries: whose it is, and what makes an older life of the same session powerless."""

    session_id: str
    user_id: str
    incarnation: int
    owner: Owner

    def outranks(self, other: Record) -> bool:
        """Whether this record may stand in the other's place: never with an older incarnation."""
        return self.incarnation >= other.incarnation


class Membership(Record, frozen=True, tag="membership"):
    """A session in a room. `status` and `text` are the user's outcome, `outcome_seq` their place in the user's feed."""

    joined_at: int
    state: dict[str, Value] = {}
    name: str | None = None
    info: Raw | None = None
    status: Status = "online"
    text: str | None = None
    outcome_seq: int = 0
    last_active_at: int | None = None


class Presence(Record, frozen=True, tag="presence"):
    """A session in its user's feed: the attention axis and the newest proofs, as of the last change."""

    opened_at: int
    visible: bool
    active: bool
    last_active_at: int | None
    last_seen_at: int
    platform: str | None = None


class Declaration(Record, frozen=True, tag="declaration"):
    """What a user declared, over all sessions; it stands in the user's feed under `DECLARATION`.

    While invisible, `public_seen_at` and `public_active_at` are what others are told, frozen when it began.
    """

    status: Declared
    at: int
    text: str | None = None
    emoji: str | None = None
    until_at: int | None = None
    public_seen_at: int | None = None
    public_active_at: int | None = None


Records = Membership | Presence | Declaration

DECLARATION = "declaration"
"""The place of the declaration in a user's feed. Session ids are minted by the server and are never this word."""


class Put(NamedTuple):
    """Let `record` stand under its session's id."""

    record: Records


class Remove(NamedTuple):
    """Take the session's record away, if it is still of that incarnation (or older) and that owner.

    `seen_at` and `active_at` are the session's newest proof of life and human input, known to its owner alone.
    """

    session_id: str
    user_id: str
    incarnation: int
    owner: Owner
    cause: str
    seen_at: int | None = None
    active_at: int | None = None


Change = Put | Remove


class Entry(NamedTuple):
    """One step of a feed's history: who now stands under `session_id`, or the removal that took it away."""

    position: Position
    session_id: str
    user_id: str
    record: Records | None
    removal: Remove | None


class Commit(NamedTuple):
    """What a change did, learned in the same step.

    `before` is what stood there; `others` are the same user's other records in the feed. From these the committer
    knows whether a user came, changed or left. `applied` is false where an older life was refused; then nothing
    changed and `position` is the feed's present one.
    """

    applied: bool
    position: Position
    before: Records | None
    others: tuple[Records, ...]


class FeedSnapshot(NamedTuple):
    """All records that stand in a feed at one position."""

    position: Position
    records: tuple[Records, ...]
