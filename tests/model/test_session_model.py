"""Sessions of a few users in random histories, on a clock that is moved by hand.

Session, MemoryBackend and the folds are run as the runtime runs them, in a few lines; after every step the feeds are
compared with what the plain `Life` of the oracle and the merge rule say (rules 1, 2, 4 and 7 of `spec/semantics.md`).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Coroutine
from math import inf
from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import Raw

from hereabouts.backends.memory import MemoryBackend
from hereabouts.engine.effects import Effect, Over, Part, Signal, Write
from hereabouts.engine.identity import Grants, Identity
from hereabouts.engine.policy import PolicyBook
from hereabouts.engine.records import DECLARATION, Declaration, FeedKey, Membership, Owner, Presence, Put, Remove
from hereabouts.engine.session import Session
from hereabouts.engine.status import OFFLINE, Outcome, depart, fold, never_back
from hereabouts.protocol.codes import ENDED
from hereabouts.testing.clock import ManualClock
from hereabouts.testing.oracle import Life

TIMES: Final = int(os.environ.get("HEREABOUTS_TEST_SEEDS", "1"))
POLICY: Final = PolicyBook({"default": {"preset": "test"}}).resolve()
USERS: Final = ("ada", "bob")
ROOMS: Final = ("lobby", "den")
OWNER: Final = Owner("n0", 1)
EVERYTHING: Final = Grants({"*": ("join", "watch")}, ("*",))
WAITS: Final = (0.1, 0.9, 1.95, 2.05, 3.1, 5.1, 10.1)
IDLE: Final = POLICY.idle_after_seconds or inf


class Tab:
    """A session, what the rules say of it, and the connections that it had."""

    def __init__(self, session: Session, life: Life, tick: float) -> None:
        self.session = session
        self.life = life
        self.input_tick = tick
        self.away_tick = inf
        self.old: list[object] = []
        self.incarnations = [1]
        self.is_over = False

    def alive(self, tick: float, *, active: bool = False, visible: bool | None = None) -> None:
        self.life.frame(tick, visible)
        self.away_tick = inf
        if active:
            self.input_tick = tick

    def is_active(self, now: float) -> bool:
        """Whether there was input; what is lost is judged no more, until it is heard of again."""
        life = self.life
        lease = POLICY.lease_visible_seconds if life.visible else POLICY.lease_hidden_seconds
        judged = min(now, life.closed_tick, life.frame_tick + lease, self.away_tick)
        return judged < self.input_tick + IDLE


class SessionModel(RuleBasedStateMachine):
    """Two users with up to a few tabs each, in two rooms."""

    @initialize()
    def open(self) -> None:
        self.clock = ManualClock()
        self.backend = MemoryBackend("model")
        self.tabs: list[Tab] = []
        self.outcomes: dict[str, Outcome] = dict.fromkeys(USERS, OFFLINE)
        self.declared: dict[str, str] = {}
        self.shown: dict[tuple[str, str], bool] = {}
        self.typing: dict[tuple[str, str], bool] = {}

    # The runtime, in a few lines

    def perform(self, tab: Tab, effects: list[Effect]) -> None:
        waiting = deque((tab, effect) for effect in effects)
        while waiting:
            owner, effect = waiting.popleft()
            if isinstance(effect, Write):
                waiting += self.commit(owner, effect)
            elif isinstance(effect, Part):
                assert effect.connection is not owner.session.connection
            elif isinstance(effect, Over):
                owner.is_over = True
            elif isinstance(effect, Signal):
                room = self.run(self.backend.snapshot(effect.feed))
                assert not effect.on or any(record.user_id == effect.user_id for record in room.records)

    def commit(self, tab: Tab, write: Write) -> list[tuple[Tab, Effect]]:
        commit = self.run(self.backend.commit(write.feed, write.change))
        assert commit.applied, f"{write} was refused, over {commit.before}"
        if write.feed.kind == "room":
            self.note_shown(write, commit.before is not None, bool(commit.others))
            return []
        removal = write.change if isinstance(write.change, Remove) else None
        return self.turn(write.feed, removal)

    def note_shown(self, write: Write, was_there: bool, has_others: bool) -> None:
        """User-level events alternate: a join is of somebody who was not there, a leave of somebody who was."""
        user_id = write.change.record.user_id if isinstance(write.change, Put) else write.change.user_id
        key = (write.feed.name, user_id)
        assert self.shown.get(key, False) == (was_there or has_others)
        self.shown[key] = isinstance(write.change, Put) or has_others

    def turn(self, feed: FeedKey, removal: Remove | None) -> list[tuple[Tab, Effect]]:
        snapshot = self.run(self.backend.snapshot(feed))
        earlier, outcome = self.outcomes[feed.name], fold(snapshot.records)
        outcome = never_back(outcome if outcome.sessions else depart(earlier, removal), earlier)
        for now, was in (
            (outcome.last_seen_at, earlier.last_seen_at),
            (outcome.last_active_at, earlier.last_active_at),
        ):
            assert was is None or (now is not None and now >= was)
        self.outcomes[feed.name] = outcome
        effects: list[tuple[Tab, Effect]] = []
        for tab in self.tabs:
            if tab.session.user_id == feed.name and not tab.is_over and tab.session.outcome != outcome:
                followed = tab.session.follow_outcome(outcome, snapshot.position.seq, self.clock.now())
                effects += [(tab, effect) for effect in followed]
        return effects

    @staticmethod
    def run(call: Coroutine[Any, Any, Any]) -> Any:
        """The memory backend never waits."""
        try:
            call.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("the memory backend waited")

    # What tabs do

    @property
    def tick(self) -> float:
        return self.clock.now().tick

    def pick(self, data: st.DataObject, *, connected: bool = True) -> Tab:
        tabs = [t for t in self.tabs if not t.is_over and (t.session.connection is not None or not connected)]
        return data.draw(st.sampled_from(tabs))

    def is_anybody(self, connected: bool = True) -> bool:
        return any(not t.is_over and (t.session.connection is not None or not connected) for t in self.tabs)

    def command(self, data: st.DataObject) -> Tab:
        """A tab that says something, which is a sign of life whatever it says."""
        tab = self.pick(data)
        self.perform(tab, tab.session.touch(self.clock.now()))
        tab.alive(self.tick)
        return tab

    @precondition(lambda self: len([tab for tab in self.tabs if not tab.is_over]) < 6)
    @rule(user_id=st.sampled_from(USERS), visible=st.booleans())
    def hello(self, user_id: str, visible: bool) -> None:
        session = Session(
            f"s{len(self.tabs)}",
            Identity("default", user_id, grants=EVERYTHING),
            OWNER,
            POLICY,
            self.clock.now(),
            resume_hash=b"",
            leave_hash=b"",
            connection=object(),
            visible=visible,
        )
        tab = Tab(session, Life(user_id, POLICY, self.tick, visible), self.tick)
        self.tabs.append(tab)
        self.perform(tab, session.begin())

    @precondition(lambda self: self.is_anybody(connected=False))
    @rule(data=st.data(), visible=st.booleans(), active=st.booleans())
    def resume(self, data: st.DataObject, visible: bool, active: bool) -> None:
        tab = self.pick(data, connected=False)
        session, earlier = tab.session, tab.session.connection
        self.perform(tab, session.resume(self.clock.now(), session.identity, object(), visible, active))
        if earlier is not None:
            tab.old.append(earlier)
        tab.incarnations.append(session.incarnation)
        assert tab.incarnations == sorted(set(tab.incarnations))
        tab.alive(self.tick, active=active, visible=visible)

    @precondition(lambda self: self.is_anybody())
    @rule(data=st.data(), visible=st.none() | st.booleans(), active=st.booleans())
    def beat(self, data: st.DataObject, visible: bool | None, active: bool) -> None:
        tab = self.pick(data)
        self.perform(tab, tab.session.beat(self.clock.now(), visible, active))
        tab.alive(self.tick, active=active, visible=visible)

    @precondition(lambda self: self.is_anybody())
    @rule(data=st.data(), room=st.sampled_from(ROOMS), value=st.integers(0, 1))
    def join(self, data: st.DataObject, room: str, value: int) -> None:
        tab = self.command(data)
        given = {"x": Raw(b"%d" % value)}
        self.perform(tab, tab.session.join(room, given, POLICY.grace_seconds, self.clock.now()))
        tab.life.join(room, self.tick)

    @precondition(lambda self: self.is_anybody())
    @rule(data=st.data(), room=st.sampled_from(ROOMS))
    def leave(self, data: st.DataObject, room: str) -> None:
        tab = self.command(data)
        self.perform(tab, tab.session.leave(room))
        tab.life.leave(room, self.tick)

    @precondition(lambda self: self.is_anybody())
    @rule(data=st.data(), room=st.sampled_from(ROOMS), value=st.integers(0, 1), on=st.booleans())
    def update_and_type(self, data: st.DataObject, room: str, value: int, on: bool) -> None:
        tab = self.command(data)
        if room in tab.session.rooms:
            self.perform(tab, tab.session.update(room, {"x": Raw(b"%d" % value)}, self.clock.now()))
            self.perform(tab, tab.session.set_typing(room, on, POLICY, self.clock.now()))

    @precondition(lambda self: self.is_anybody())
    @rule(data=st.data(), status=st.sampled_from(["available", "busy", "invisible"]))
    def declare(self, data: st.DataObject, status: Any) -> None:
        tab = self.command(data)
        session, now = tab.session, self.clock.now()
        shown = self.outcomes[session.user_id]
        hides = status == "invisible"
        record = Declaration(
            session_id=session.session_id,
            user_id=session.user_id,
            incarnation=now.at,
            owner=OWNER,
            status=status,
            at=now.at,
            public_seen_at=shown.last_seen_at if hides else None,
            public_active_at=shown.last_active_at if hides else None,
        )
        self.declared[session.user_id] = status
        self.perform(tab, [Write(session.user_feed(), Put(record))])

    # How tabs go

    @precondition(lambda self: self.is_anybody())
    @rule(data=st.data(), code=st.sampled_from([1000, 1001, 1006, 4200, 4202]))
    def close(self, data: st.DataObject, code: int) -> None:
        tab = self.pick(data)
        connection = tab.session.connection
        assert connection is not None
        self.perform(tab, tab.session.close(self.clock.now(), connection, code))
        tab.old.append(connection)
        if code < 4000:
            tab.life.close(self.tick)

    @precondition(lambda self: any(tab.old for tab in self.tabs))
    @rule(data=st.data(), code=st.sampled_from([1000, 1006, 4001]))
    def close_late(self, data: st.DataObject, code: int) -> None:
        """The close of an older connection comes now: it changes nothing."""
        tab = data.draw(st.sampled_from([tab for tab in self.tabs if tab.old]))
        phase = tab.session.phase
        assert tab.session.close(self.clock.now(), data.draw(st.sampled_from(tab.old)), code) == []
        assert tab.session.phase == phase

    @precondition(lambda self: self.is_anybody(connected=False))
    @rule(data=st.data(), after_seconds=st.sampled_from([None, 0.0, 1.0, 2.0, 99.0]))
    def beacon(self, data: st.DataObject, after_seconds: float | None) -> None:
        tab = self.pick(data, connected=False)
        was_parked = tab.session.phase == "parked"
        self.perform(tab, tab.session.beacon(self.clock.now(), after_seconds))
        if not was_parked:
            tab.life.beacon(self.tick, min(after_seconds or 0.0, POLICY.grace_seconds))
            tab.away_tick = min(tab.away_tick, self.tick)

    @precondition(lambda self: self.is_anybody())
    @rule(data=st.data())
    def bye(self, data: st.DataObject) -> None:
        tab = self.command(data)
        self.perform(tab, tab.session.end("leave", ENDED, "bye"))
        tab.life.bye(self.tick)
        assert tab.is_over

    @rule(seconds=st.sampled_from(WAITS))
    def wait(self, seconds: float) -> None:
        """Time passes; whatever falls due is done at its very moment."""
        until = self.tick + seconds
        while True:
            due = [(tick, place) for place, tab in enumerate(self.tabs) if (tick := tab.session.due_at()) is not None]
            tick, place = min(due, default=(inf, 0))
            if tick > until:
                break
            self.clock.advance(max(tick - self.tick, 0.0))
            tab = self.tabs[place]
            self.perform(tab, tab.session.advance(self.clock.now()))
            later = tab.session.due_at()
            assert later is None or later > tick, "it would be woken for the same again and again"
        self.clock.advance(until - self.tick)

    @precondition(lambda self: bool(self.tabs))
    @rule(data=st.data())
    def an_older_life_changes_nothing(self, data: st.DataObject) -> None:
        """Removals and records of earlier incarnations, and of other owners, are refused."""
        tab = data.draw(st.sampled_from(self.tabs))
        session = tab.session
        feed = data.draw(st.sampled_from([session.user_feed(), *map(session.room_feed, session.rooms)]))
        if session.incarnation > 1:
            old = Remove(session.session_id, session.user_id, session.incarnation - 1, OWNER, "closed")
            self.refused(feed, old, session)
        self.refused(
            feed, Remove(session.session_id, session.user_id, session.incarnation, Owner("n1", 9), "x"), session
        )

    def refused(self, feed: FeedKey, remove: Remove, session: Session) -> None:
        before = self.run(self.backend.snapshot(feed))
        standing = [record for record in before.records if record.session_id == session.session_id]
        if any(record.incarnation < remove.incarnation for record in standing):
            return  # its record there is older than the session, and may go
        if any(record.incarnation == remove.incarnation and record.owner == remove.owner for record in standing):
            return  # a resume that changed nothing there writes nothing there: the record is of that very life
        assert not self.run(self.backend.commit(feed, remove)).applied
        assert self.run(self.backend.snapshot(feed)).records == before.records

    # What must hold

    @invariant()
    def feeds_are_what_the_rules_say(self) -> None:
        if not hasattr(self, "tabs"):
            return
        for user_id in USERS:
            present = [t for t in self.tabs if t.session.user_id == user_id and t.life.ends_tick > self.tick]
            self.check_user(user_id, present)
            for room in ROOMS:
                self.check_room(room, user_id, present)

    def check_user(self, user_id: str, present: list[Tab]) -> None:
        feed = FeedKey("default", "user", user_id)
        records = self.run(self.backend.snapshot(feed)).records
        standing = {record.session_id for record in records if isinstance(record, Presence)}
        assert standing == {tab.session.session_id for tab in present}
        declared = self.declared.get(user_id, "available")
        seen = [(tab.life.visible, tab.is_active(self.tick)) for tab in present]
        assert self.outcomes[user_id].status == _merge(seen, declared)

    def check_room(self, room: str, user_id: str, present: list[Tab]) -> None:
        records = self.run(self.backend.snapshot(FeedKey("default", "room", room))).records
        standing = {record.session_id: record for record in records if record.user_id == user_id}
        hides = self.declared.get(user_id) == "invisible"
        wanted = {tab.session.session_id for tab in present if room in tab.life.rooms and not hides}
        assert set(standing) == wanted, f"{user_id} in {room}"
        told = [record for record in standing.values() if isinstance(record, Membership)]
        if told:
            newest = max(told, key=lambda record: (record.outcome_seq, record.session_id))
            assert newest.status == self.outcomes[user_id].status

    @invariant()
    def the_declaration_stands_alone(self) -> None:
        if hasattr(self, "tabs"):
            for user_id in USERS:
                records = self.run(self.backend.snapshot(FeedKey("default", "user", user_id))).records
                declarations = [record for record in records if isinstance(record, Declaration)]
                assert len(declarations) <= 1
                assert all(record.session_id != DECLARATION for record in records)


def _merge(sessions: list[tuple[bool, bool]], declared: str) -> str:
    """The merge rule, said again; sessions as (visible, active)."""
    if not sessions or declared == "invisible":
        return "offline"
    if declared != "available":
        return declared
    if (True, True) in sessions:
        return "online"
    return "idle" if any(visible for visible, _ in sessions) else "away"


TestSessions = SessionModel.TestCase
TestSessions.settings = settings(max_examples=100 * TIMES, stateful_step_count=50, deadline=None)
