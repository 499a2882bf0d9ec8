"""Who is in a room: the fold of its feed.

Every node folds the same feed into the same roster; nothing here knows a clock, a viewer or a backend.
Source: `spec/semantics.md`, "Feeds"; `spec/protocol.md`, *member*.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Raw, Struct

from hereabouts.engine.records import Entry, FeedSnapshot, Membership, Value
from hereabouts.engine.status import newest
from hereabouts.protocol.codes import Status


class MemberFold(Struct, frozen=True):
    """One user in one room, merged over the user's sessions there."""

    user_id: str
    name: str | None
    info: Raw | None
    status: Status
    text: str | None
    joined_at: int
    last_active_at: int | None
    sessions: int
    state: dict[str, Raw]


class RosterChange(Struct, frozen=True):
    """What one step of the feed did to one user: nobody before is a join, nobody after a leave."""

    user_id: str
    before: MemberFold | None
    after: MemberFold | None
    cause: str | None = None


class Roster:
    """The members of a room at one position of its feed."""

    __slots__ = ("_records", "members", "sessions")

    def __init__(self, snapshot: FeedSnapshot | None = None) -> None:
        self._records: dict[str, dict[str, Membership]] = {}
        self.members: dict[str, MemberFold] = {}
        self.sessions = 0
        if snapshot is not None:
            self.replace(snapshot)

    @property
    def count(self) -> int:
        """How many users are in the room."""
        return len(self.members)

    def apply(self, entry: Entry) -> RosterChange:
        """Take one step of the feed, and say what it did to the user it is about."""
        records = self._records.setdefault(entry.user_id, {})
        before = self.members.get(entry.user_id)
        self.sessions -= len(records)
        if isinstance(entry.record, Membership):
            records[entry.session_id] = entry.record
        else:
            records.pop(entry.session_id, None)
        self.sessions += len(records)
        cause = None if entry.removal is None else entry.removal.cause
        return RosterChange(entry.user_id, before, self._refold(entry.user_id), cause)

    def records(self) -> list[Membership]:
        """Every record that stands in the room."""
        return [record for records in self._records.values() for record in records.values()]

    def replace(self, snapshot: FeedSnapshot) -> list[RosterChange]:
        """Take a whole feed, after a gap or an outage, and say the net change, user by user."""
        earlier = self.members
        self._records = {}
        for record in snapshot.records:
            if isinstance(record, Membership):
                self._records.setdefault(record.user_id, {})[record.session_id] = record
        self.members = {}
        self.sessions = sum(len(records) for records in self._records.values())
        for user_id in self._records:
            self._refold(user_id)
        changes = [RosterChange(user_id, was, self.members.get(user_id)) for user_id, was in earlier.items()]
        changes += [RosterChange(user_id, None, now) for user_id, now in self.members.items() if user_id not in earlier]
        return [change for change in changes if change.before != change.after]

    def _refold(self, user_id: str) -> MemberFold | None:
        records = self._records[user_id]
        if not records:
            del self._records[user_id]
            self.members.pop(user_id, None)
            return None
        member = fold_member(records.values())
        self.members[user_id] = member
        return member


def fold_member(records: Iterable[Membership]) -> MemberFold:
    """Merge one user's records in one room; there is at least one.

    The outcome is that with the highest place in the user's feed; name and info are those of the newest session.
    """
    standing = sorted(records, key=lambda record: (record.joined_at, record.session_id))
    newest_session = standing[-1]
    outcome = max(standing, key=lambda record: (record.outcome_seq, record.session_id))
    return MemberFold(
        user_id=newest_session.user_id,
        name=newest_session.name,
        info=newest_session.info,
        status=outcome.status,
        text=outcome.text,
        joined_at=standing[0].joined_at,
        last_active_at=newest(record.last_active_at for record in standing),
        sessions=len(standing),
        state=merge_state(standing) if len(standing) > 1 else {k: v.json for k, v in newest_session.state.items()},
    )


def merge_state(records: Iterable[Membership]) -> dict[str, Raw]:
    """Each key's newest value over the sessions, by the writer's server time; ties go to the greater session id."""
    winners: dict[str, tuple[int, str, Raw]] = {}
    for record in records:
        for key, value in record.state.items():
            claim = (value.at, record.session_id, value.json)
            held = winners.get(key)
            if held is None or claim[:2] > held[:2]:
                winners[key] = claim
    return {key: winners[key][2] for key in sorted(winners)}


def patch_state(state: dict[str, Value], given: dict[str, Raw], at: int) -> dict[str, Value]:
    """A session's own state with `given` merged in by top-level key; `null` takes a key away."""
    merged = dict(state)
    for key, json in given.items():
        if bytes(json) == b"null":
            merged.pop(key, None)
        else:
            merged[key] = Value(json, at)
    return merged


def state_bytes(state: dict[str, Value]) -> int:
    """The size of a state as the one JSON object that it stands for, in bytes."""
    return 2 + sum(len(key.encode()) + len(bytes(value.json)) + 4 for key, value in state.items())
