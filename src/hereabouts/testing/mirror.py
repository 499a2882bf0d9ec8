"""A follower that keeps what a feed tells it, and holds every word against the contract."""

from __future__ import annotations

from hereabouts.backends.base import Backend
from hereabouts.engine.records import DECLARATION, Declaration, Entry, FeedKey, FeedSnapshot, Position, Records

Place = tuple[str, str]
"""A user id and the place of one record among that user's."""

Picture = dict[Place, Records]
"""All that stands in a feed."""


def place_of(record: Records) -> Place:
    """Where the record stands."""
    return record.user_id, DECLARATION if isinstance(record, Declaration) else record.session_id


def picture_of(snapshot: FeedSnapshot) -> Picture:
    """What the snapshot tells, by place; a place told twice fails."""
    picture = {place_of(record): record for record in snapshot.records}
    assert len(picture) == len(snapshot.records), f"a place stands twice in {snapshot}"
    return picture


class Mirror:
    """Folds one feed from the snapshot it began with. What it hears before `begin` waits for it."""

    def __init__(self, feed: FeedKey) -> None:
        self.feed = feed
        self.position: Position | None = None
        self.picture: Picture = {}
        self.entries: list[Entry] = []
        self.signals: list[tuple[str, bool]] = []
        self._early: list[Entry | FeedSnapshot] = []

    def begin(self, snapshot: FeedSnapshot) -> None:
        """Start from here; what came early must continue it."""
        self._reset(snapshot)
        early, self._early = self._early, []
        for said in early:
            self._reset(said) if isinstance(said, FeedSnapshot) else self._step(said)

    def entry(self, feed: FeedKey, entry: Entry) -> None:
        """See `Follower.entry`."""
        assert feed == self.feed, f"an entry of {feed} came to a follower of {self.feed}"
        if self.position is None:
            self._early.append(entry)
        else:
            self._step(entry)

    def gap(self, feed: FeedKey, snapshot: FeedSnapshot) -> None:
        """See `Follower.gap`."""
        assert feed == self.feed, f"a gap of {feed} came to a follower of {self.feed}"
        if self.position is None:
            self._early.append(snapshot)
        else:
            self._reset(snapshot)

    def signal(self, feed: FeedKey, user_id: str, on: bool) -> None:
        """See `Follower.signal`."""
        assert feed == self.feed, f"a signal of {feed} came to a follower of {self.feed}"
        self.signals.append((user_id, on))

    def _reset(self, snapshot: FeedSnapshot) -> None:
        self.position = snapshot.position
        self.picture = picture_of(snapshot)

    def _step(self, entry: Entry) -> None:
        assert self.position is not None
        expected = Position(self.position.epoch, self.position.seq + 1)
        assert entry.position == expected, f"{entry.position} came where {expected} was next in {self.feed}"
        place = (entry.user_id, entry.session_id)
        if entry.record is not None:
            assert entry.removal is None and place_of(entry.record) == place
            self.picture[place] = entry.record
        else:
            removal = entry.removal
            assert removal is not None and (removal.user_id, removal.session_id) == place
            assert place in self.picture, f"{place} was taken away where nothing stood"
            del self.picture[place]
        self.position = entry.position
        self.entries.append(entry)


async def follow(backend: Backend, feed: FeedKey) -> Mirror:
    """A mirror that follows the feed."""
    mirror = Mirror(feed)
    mirror.begin(await backend.follow(feed, mirror))
    return mirror
