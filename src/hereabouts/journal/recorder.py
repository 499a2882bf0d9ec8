"""What a commit means for the record: rows, made from the one value that the commit gave back.

A policy's `durability` says how much: `none` is nothing of sessions, statuses and times; `transitions` is what
happened, never a beat; `throttled(n)` is also, at most every n seconds, when somebody was last seen. What a user
declared is a setting and no history: it is kept in each case, or who was invisible would be seen after a restart.

Where other servers want word of it (`tells`), the row of a transition is followed by one for the outbox.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from hereabouts.engine.policy import Policy
from hereabouts.engine.records import DECLARATION, Change, Commit, FeedKey, Position, Presence, Put, Remove
from hereabouts.engine.session import Session
from hereabouts.engine.status import Outcome, depart, fold, never_back
from hereabouts.journal.base import Journal, LastSeen, Origin, Row, SessionClosed, SessionOpened, Transition
from hereabouts.journal.outbox import OutboxRow, StandingKind

_THROTTLED: Final = "throttled("


def throttle_seconds(policy: Policy) -> float | None:
    """How often last seen is written beside transitions; `None` for never."""
    durability = policy.durability
    return float(durability[len(_THROTTLED) : -1]) if durability.startswith(_THROTTLED) else None


class Recorder:
    """Tells a journal what it is to know."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.tells: frozenset[StandingKind] = frozenset()
        """Of what word is to go to other servers; set by who knows the endpoints."""

    def committed(self, session: Session, feed: FeedKey, change: Change, commit: Commit, at: int) -> None:
        """A change that was asked for by a session is now part of a feed."""
        if not commit.applied or session.policy.durability == "none":
            return
        if feed.kind == "user":
            rows = _rows(session, change, commit, at)
            self._record([*_told(rows, commit.position)] if "user" in self.tells else rows)
        if feed.kind == "room" or _has_moved(change, commit):
            self.followed(feed, change, commit, at)

    def followed(self, feed: FeedKey, change: Change, commit: Commit, at: int) -> None:
        """Word of a change that is not the session's own: it was lost with its node, goes on at another, or is back.

        What happened to the session itself its own node has written, or closes when it starts again.
        """
        if not self.tells or not commit.applied or (feed.kind == "room" and commit.others):
            return
        row = _user_row(feed, change, commit, at) if feed.kind == "user" else _member_row(feed, change, commit, at)
        if row is not None:
            self.tell(row)

    def moved(self, session: Session, at: int) -> None:
        """A session goes on at another node. Where the record is shared, that node writes on in it."""
        if not self._journal.is_shared and session.policy.durability != "none":
            self._record([SessionClosed(session.tenant, session.session_id, at, "drained", session.last_seen_at)])

    def reached(self, session: Session, origin: tuple[str, str], at: int) -> None:
        """A session was reached from this address, by this program."""
        if session.policy.durability != "none":
            self._record([Origin(session.tenant, session.session_id, session.user_id, *origin, at)])

    def tell(self, row: OutboxRow) -> None:
        """Give word of where somebody stands: for what is known otherwise than from a commit of a session."""
        if row.kind in self.tells:
            self._record([row])

    def seen(self, sessions: Collection[Session]) -> None:
        """When the user of these sessions was last seen by any of them."""
        newest = max(sessions, key=lambda session: session.last_seen_at)
        self._record([_last_seen(newest, newest.outcome)])

    def _record(self, rows: list[Row]) -> None:
        if rows:
            self._journal.record(rows)


def _rows(session: Session, change: Change, commit: Commit, at: int) -> list[Row]:
    before, after = _folded(change, commit)
    rows = _session_rows(session, change, commit, at)
    turned = before.status != after.status
    if turned:
        cause = _cause(change, after)
        rows.append(Transition(session.tenant, session.user_id, before.status, after.status, cause, at))
    if before.sessions and not after.sessions:
        told = depart(before, change if isinstance(change, Remove) else None)
        rows.append(_row(session, told))
    elif turned:
        rows.append(_last_seen(session, after))
    return rows


def _has_moved(change: Change, commit: Commit) -> bool:
    """Whether the record was another node's, which may have been killed before it could give word of it."""
    return isinstance(change, Put) and commit.before is not None and commit.before.owner != change.record.owner


def _told(rows: Iterable[Row], position: Position) -> Iterator[Row]:
    for row in rows:
        yield row
        if isinstance(row, Transition):
            value = None if row.after == "offline" else row.after
            yield OutboxRow(row.tenant, "user", "", row.user_id, value, row.cause, row.at, position)


def _user_row(feed: FeedKey, change: Change, commit: Commit, at: int) -> OutboxRow | None:
    before, after = _folded(change, commit)
    if before.status == after.status and not _has_moved(change, commit):
        return None
    value = None if after.status == "offline" else after.status
    return OutboxRow(feed.tenant, "user", "", feed.name, value, _cause(change, after), at, commit.position)


def _member_row(feed: FeedKey, change: Change, commit: Commit, at: int) -> OutboxRow | None:
    """Of a user's first session in a room, and of the last."""
    if isinstance(change, Remove):
        return OutboxRow(feed.tenant, "member", feed.name, change.user_id, None, change.cause, at, commit.position)
    if commit.before is not None and not _has_moved(change, commit):
        return None
    return OutboxRow(feed.tenant, "member", feed.name, change.record.user_id, "in", None, at, commit.position)


def _folded(change: Change, commit: Commit) -> tuple[Outcome, Outcome]:
    """What the user was before the change, and is after it."""
    earlier = () if commit.before is None else (commit.before,)
    later = (change.record,) if isinstance(change, Put) else ()
    return fold([*commit.others, *earlier]), fold([*commit.others, *later])


def _session_rows(session: Session, change: Change, commit: Commit, at: int) -> list[Row]:
    """A session begins and ends where others see it do so. One that moves is from there on the other node's to lose."""
    tenant, user_id = session.tenant, session.user_id
    is_here = commit.before is None or _has_moved(change, commit)
    if isinstance(change, Put) and isinstance(change.record, Presence) and is_here:
        node = change.record.owner.node
        platform, region = session.platform, session.identity.region
        return [SessionOpened(tenant, session.session_id, user_id, node, platform, session.opened_at, region)]
    if isinstance(change, Remove) and isinstance(commit.before, Presence):
        return [
            SessionClosed(tenant, change.session_id, at, change.cause, change.seen_at or commit.before.last_seen_at)
        ]
    return []


def _cause(change: Change, after: Outcome) -> str | None:
    if isinstance(change, Remove) and change.session_id != DECLARATION:
        return change.cause
    return "leave" if after.status == "offline" else None


def _last_seen(session: Session, outcome: Outcome) -> LastSeen:
    """A row of somebody who is here; those that are invisible were, for others, last seen when they became so."""
    if outcome.is_invisible:
        return _row(session, outcome)
    own = Outcome("offline", last_seen_at=session.last_seen_at, last_active_at=session.last_active_at)
    return _row(session, never_back(outcome, own))


def _row(session: Session, told: Outcome) -> LastSeen:
    return LastSeen(
        session.tenant,
        session.user_id,
        session.last_seen_at,
        session.last_active_at,
        told.last_seen_at,
        told.last_active_at,
    )
