"""Last seen of those who are here, written now and then: the `throttled(n)` of a policy's `durability`.

Beats know nothing of it. Every n seconds a user's sessions are looked at, each user at a moment of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from hereabouts.engine.records import FeedKey, Now
from hereabouts.engine.session import Session
from hereabouts.journal.recorder import Recorder, throttle_seconds

SLICE: Final = 200
"""Users looked at in one turn of the event loop."""


class Throttle:
    """The users whose sessions are to be looked at every so many seconds. It has one deadline: the first user's."""

    def __init__(self, seconds: float, recorder: Recorder) -> None:
        self._seconds = seconds
        self._recorder = recorder
        self._sessions: dict[FeedKey, dict[str, Session]] = {}
        self._due: deque[tuple[float, FeedKey, int]] = deque()
        self.filed_slot = -1

    def due_at(self) -> float | None:
        """When the first user's turn is."""
        return self._due[0][0] if self._due else None

    def watch(self, session: Session, now: Now) -> None:
        """Look at this session too, for as long as it is listed."""
        user = session.user_feed()
        if user not in self._sessions:
            self._due.append((now.tick + self._seconds, user, now.at))
        self._sessions.setdefault(user, {})[session.session_id] = session

    def advance(self, now: Now) -> None:
        """Tell the record of users whose turn it is, and who were seen since the last time."""
        for _ in range(SLICE):
            if not self._due or self._due[0][0] > now.tick:
                return
            _, user, told_at = self._due.popleft()
            here = {id: session for id, session in self._sessions.pop(user).items() if session.is_listed}
            if not here:
                continue
            seen_at = max(session.last_seen_at for session in here.values())
            if seen_at > told_at:
                self._recorder.seen(here.values())
            self._sessions[user] = here
            self._due.append((now.tick + self._seconds, user, seen_at))


class Throttles:
    """A throttle for each n that some policy names."""

    def __init__(self, recorder: Recorder, file: Callable[[Throttle], None]) -> None:
        self._recorder = recorder
        self._file = file
        self._by_seconds: dict[float, Throttle] = {}

    def watch(self, session: Session, now: Now) -> None:
        """Look at this session from time to time, if its policy wants it."""
        seconds = throttle_seconds(session.policy)
        if seconds is None:
            return
        if seconds not in self._by_seconds:
            self._by_seconds[seconds] = Throttle(seconds, self._recorder)
        throttle = self._by_seconds[seconds]
        throttle.watch(session, now)
        self._file(throttle)
