"""One session on its own, with a clock that is moved by hand: for tests of what a session decides."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Raw

from hereabouts.engine.effects import Effects, Write
from hereabouts.engine.identity import Grants, Identity
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Membership, Now, Owner, Presence, Put, Remove
from hereabouts.engine.session import Session
from hereabouts.engine.status import Outcome
from hereabouts.testing.clock import ManualClock

EVERYWHERE: Final = Grants({"*": ("join", "watch")})
ADA: Final = Identity("default", "ada", grants=EVERYWHERE)
OWNER: Final = Owner("n", 1)
POLICY: Final = Policy()
"""Production: lease 60 and 150, grace 10, idle after 300."""

ONLINE: Final = Outcome("online", sessions=1)
INVISIBLE: Final = Outcome("offline", "invisible", sessions=1)


class Life:
    """A session, a clock, and the connection it began on."""

    def __init__(self, policy: Policy = POLICY, **more: Any) -> None:
        self.clock = ManualClock()
        self.connection: object = "first"
        self.session = Session(
            "s1", ADA, OWNER, policy, self.now, resume_hash=b"r", leave_hash=b"l", connection=self.connection, **more
        )
        self.session.begin()
        self.session.follow_outcome(ONLINE, 1, self.now)

    @property
    def now(self) -> Now:
        """The moment."""
        return self.clock.now()

    def after(self, seconds: float) -> Effects:
        """What time does by then, as a sweep that misses no deadline would."""
        end = self.clock.now().tick + seconds
        effects: Effects = []
        while (due := self.session.due_at()) is not None and due <= end:
            self.clock.advance(max(due - self.clock.now().tick, 0.0))
            effects += self.session.advance(self.now)
        self.clock.advance(max(end - self.clock.now().tick, 0.0))
        return effects + self.session.advance(self.now)

    def join(self, room: str = "lobby", grace_seconds: float = 10.0, **state: bytes) -> Effects:
        """Join a room with a state, given as JSON."""
        return self.session.join(room, {key: Raw(json) for key, json in state.items()}, grace_seconds, self.now)

    def beat(self, visible: bool | None = None, active: bool | None = None) -> Effects:
        """A beat comes."""
        return self.session.beat(self.now, visible, active)

    def close(self, code: int = 1006, connection: object | None = None) -> Effects:
        """A connection closes: the present one, or another."""
        return self.session.close(self.now, connection or self.connection, code)

    def resume(self, connection: object, *, visible: bool = True, active: bool = False) -> Effects:
        """The session goes on over another connection."""
        self.connection = connection
        return self.session.resume(self.now, ADA, connection, visible, active)


def put_in(effects: Effects) -> list[str]:
    """The feeds that a record was put into, by name."""
    return [e.feed.name for e in effects if isinstance(e, Write) and isinstance(e.change, Put)]


def removed_from(effects: Effects) -> list[str]:
    """The feeds that a record was taken from, by name."""
    return [e.feed.name for e in effects if isinstance(e, Write) and isinstance(e.change, Remove)]


def removals(effects: Effects) -> list[Remove]:
    """Every removal."""
    return [e.change for e in effects if isinstance(e, Write) and isinstance(e.change, Remove)]


def memberships(effects: Effects) -> list[Membership]:
    """Every record that was put into a room."""
    found = [e.change.record for e in effects if isinstance(e, Write) and isinstance(e.change, Put)]
    return [record for record in found if isinstance(record, Membership)]


def presences(effects: Effects) -> list[Presence]:
    """Every record that was put into the user's feed."""
    found = [e.change.record for e in effects if isinstance(e, Write) and isinstance(e.change, Put)]
    return [record for record in found if isinstance(record, Presence)]
