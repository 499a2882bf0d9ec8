"""One feed as this node follows it: steps put in order, doubles dropped, gaps found."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Final

from hereabouts.backends.base import Follower
from hereabouts.backends.valkey.codec import place_of
from hereabouts.engine.records import Entry, FeedKey, FeedSnapshot, Position

WAITING_MOST: Final = 1_000
"""Steps that wait for a feed to be read; beyond that all are dropped, and the feed is read once more."""


class Heard(Enum):
    """What came of a step or a snapshot."""

    IN_ORDER = auto()
    DOUBLE = auto()
    AHEAD = auto()
    WAITING = auto()
    ELSEWHERE = auto()
    """It is of another epoch, or of an earlier time of this one: the feed's history was lost or began anew."""


class Following:
    """A feed that somebody here follows. Before `load` what is heard waits; so it does while the feed is stale.

    `tail` is what was passed on since somebody began to read the feed, `None` after a gap.
    """

    def __init__(self, feed: FeedKey, key: str) -> None:
        self.feed = feed
        self.key = key
        self.followers: list[Follower] = []
        self.position: Position | None = None
        self.users = 0
        self.lock = asyncio.Lock()
        self.opening = 0
        self.is_checking = False
        self.is_stale = False
        self.tail: list[Entry] | None = None
        self._ahead: dict[Position, tuple[Entry, int]] = {}
        self._awaited: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def is_behind(self) -> bool:
        """Whether steps were heard whose predecessors were not."""
        return bool(self._ahead)

    def hear(self, entry: Entry, users: int) -> Heard:
        """A step came, from the channel or from a commit of our own."""
        at = self.position
        if at is None or self.is_stale:
            if len(self._ahead) >= WAITING_MOST:
                self._ahead.clear()
            self._ahead[entry.position] = (entry, users)
            return Heard.WAITING
        if entry.position.epoch != at.epoch:
            return Heard.ELSEWHERE
        if entry.position.seq <= at.seq:
            return Heard.DOUBLE
        self._ahead[entry.position] = (entry, users)
        if entry.position.seq > at.seq + 1:
            return Heard.AHEAD
        self._pass_on()
        return Heard.IN_ORDER

    def load(self, snapshot: FeedSnapshot) -> None:
        """This is the feed now; steps that came early and follow it are passed on."""
        self.position = snapshot.position
        self.users = len({record.user_id for record in snapshot.records})
        for position in [
            p for p in self._ahead if p.epoch != snapshot.position.epoch or p.seq <= snapshot.position.seq
        ]:
            del self._ahead[position]
        self._pass_on()

    def signal(self, user_id: str, on: bool) -> None:
        """A signal came."""
        for follower in tuple(self.followers):
            follower.signal(self.feed, user_id, on)

    def gap(self, snapshot: FeedSnapshot) -> None:
        """Let all followers begin anew from here."""
        self.position = snapshot.position
        self.tail = None
        self.is_stale = False
        for follower in tuple(self.followers):
            follower.gap(self.feed, snapshot)
        self.load(snapshot)

    def since(self, snapshot: FeedSnapshot) -> FeedSnapshot | None:
        """The feed where its followers are now, from an earlier snapshot; `None` if that does not lead there."""
        if self.tail is None or self.position is None or snapshot.position.epoch != self.position.epoch:
            return None
        steps = [entry for entry in self.tail if entry.position.seq > snapshot.position.seq]
        if self.position.seq != snapshot.position.seq + len(steps):
            return None
        standing = {(record.user_id, place_of(record)): record for record in snapshot.records}
        for entry in steps:
            if entry.record is None:
                standing.pop((entry.user_id, entry.session_id), None)
            else:
                standing[entry.user_id, entry.session_id] = entry.record
        return FeedSnapshot(self.position, tuple(standing.values()))

    async def reached(self, seq: int, seconds: float) -> None:
        """Return when the step was passed on, or after so long."""
        if self.position is None or self.position.seq >= seq:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._awaited.append((seq, future))
        await asyncio.wait([future], timeout=seconds)

    def _pass_on(self) -> None:
        while self.position is not None:
            following = Position(self.position.epoch, self.position.seq + 1)
            found = self._ahead.pop(following, None)
            if found is None:
                break
            entry, self.users = found
            self.position = following
            if self.tail is not None:
                self.tail.append(entry)
            for follower in tuple(self.followers):
                follower.entry(self.feed, entry)
        self._wake()

    def _wake(self) -> None:
        if self.position is None or not self._awaited:
            return
        seq = self.position.seq
        for _, future in [waiting for waiting in self._awaited if waiting[0] <= seq]:
            if not future.done():
                future.set_result(None)
        self._awaited = [waiting for waiting in self._awaited if waiting[0] > seq]
