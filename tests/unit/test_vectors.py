"""The vectors of the specification, that every implementation passes, run against the engine."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from hereabouts.engine.effects import Effects, Write
from hereabouts.engine.identity import Grants, Identity
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Declaration, Entry, Membership, Owner, Position, Presence, Records, Remove, Value
from hereabouts.engine.roster import MemberFold, Roster, RosterChange, merge_state, patch_state
from hereabouts.engine.session import Session
from hereabouts.engine.status import Outcome, fold
from hereabouts.protocol import codes
from hereabouts.testing.clock import ManualClock

VECTORS = Path(__file__).parents[2] / "spec" / "vectors"
OWNER = Owner("n", 1)
ADA = Identity("default", "ada", grants=Grants({"*": ("join",)}))
Case = dict[str, Any]


def cases(name: str, key: str = "cases") -> list[Any]:
    """Each case of a file, under its own name."""
    return [pytest.param(case, id=case["name"]) for case in json.loads((VECTORS / f"{name}.json").read_text())[key]]


def raw(value: object) -> Raw:
    return Raw(json.dumps(value).encode())


def values(state: dict[str, Any]) -> dict[str, Value]:
    return {key: Value(raw(value), at) for key, (value, at) in state.items()}


def plain(state: dict[str, Raw]) -> dict[str, Any]:
    return {key: json.loads(bytes(value)) for key, value in state.items()}


@pytest.mark.parametrize("case", cases("merge_rule"))
def test_merge_rule(case: Case) -> None:
    sessions = [
        Presence(session_id=f"s{i}", user_id="ada", incarnation=1, owner=OWNER, opened_at=0, **told)
        for i, told in enumerate(case["sessions"])
    ]
    declared = case["declared"]
    stand: list[Records] = [*sessions]
    if declared is not None:
        stand.append(Declaration("s0", "ada", 1, OWNER, at=1, **declared))
    for order in permutations(stand):
        assert fold(order) == Outcome(**case["outcome"])


@pytest.mark.parametrize("case", cases("state_merge", "patches"))
def test_state_patch(case: Case) -> None:
    given = {key: raw(value) for key, value in case["given"].items()}
    after = patch_state(values(case["state"]), given, case["at"])
    assert {key: [json.loads(bytes(value.json)), value.at] for key, value in after.items()} == case["after"]


@pytest.mark.parametrize("case", cases("state_merge", "merges"))
def test_state_merge(case: Case) -> None:
    records = [Membership(name, "ada", 1, OWNER, 1, values(state)) for name, state in case["sessions"].items()]
    for order in permutations(records):
        assert plain(merge_state(order)) == case["merged"]


@pytest.mark.parametrize("case", cases("roster_fold"))
def test_roster_fold(case: Case) -> None:
    roster = Roster()
    changes = [kind_of(roster.apply(entry(seq, told))) for seq, told in enumerate(case["entries"], 1)]
    assert changes == case["changes"]
    assert (roster.count, roster.sessions) == (case["count"], case["sessions"])
    shown = sorted(map(member, roster.members.values()), key=lambda told: str(told["user_id"]))
    assert shown == sorted(case["members"], key=lambda told: str(told["user_id"]))


def entry(seq: int, told: Case) -> Entry:
    position = Position("e", seq)
    if "remove" in told:
        gone = told["remove"]
        removal = Remove(gone["session_id"], gone["user_id"], 1, OWNER, gone["cause"])
        return Entry(position, removal.session_id, removal.user_id, None, removal)
    put = {"incarnation": 1, **told["put"]}
    put["state"] = values(put.get("state", {}))
    if "info" in put:
        put["info"] = raw(put["info"])
    record = Membership(owner=OWNER, **put)
    return Entry(position, record.session_id, record.user_id, record, None)


def kind_of(change: RosterChange) -> str:
    if change.before == change.after:
        return "none"
    if change.before is None:
        return "join"
    return "leave" if change.after is None else "update"


def member(found: MemberFold) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(msgspec.json.encode(found))
    return {key: value for key, value in told.items() if value is not None}


class Told:
    """A session as the deadlines vectors tell it."""

    def __init__(self, grace_seconds: float) -> None:
        self.clock = ManualClock(tick=0.0)
        self.cause: str | None = None
        self.connections = 1
        policy = Policy(grace_seconds=grace_seconds, idle_after_seconds=None)
        self.session = Session(
            "s1", ADA, OWNER, policy, self.clock.now(), resume_hash=b"", leave_hash=b"", connection=1
        )
        self.session.begin()
        self.session.join("lobby", {}, grace_seconds, self.clock.now())

    def wait_until(self, tick: float) -> None:
        """Let time pass as a sweep does that misses no deadline."""
        while (due := self.session.due_at()) is not None and due <= tick:
            self.clock = ManualClock(tick=max(due, self.clock.monotonic()))
            self.note(self.session.advance(self.clock.now()))
        self.clock = ManualClock(tick=tick)
        self.note(self.session.advance(self.clock.now()))

    def note(self, effects: Effects) -> None:
        for effect in effects:
            if isinstance(effect, Write) and effect.feed.kind == "room":
                self.cause = effect.change.cause if isinstance(effect.change, Remove) else None

    def do(self, step: Case) -> None:
        session, now, kind = self.session, self.clock.now(), step["do"]
        if kind == "beat":
            self.note(session.beat(now, step.get("visible"), None))
        elif kind == "close":
            self.note(session.close(now, self.connections - 1 if step.get("old") else self.connections, step["code"]))
        elif kind == "resume":
            self.connections += 1
            self.note(session.resume(now, ADA, self.connections, True, True))
        elif kind == "beacon":
            self.note(session.beacon(now, step.get("after_seconds")))
        elif kind == "bye":
            self.note(session.end("leave", codes.ENDED, "bye"))
        else:
            raise AssertionError(f"the vectors know no step {kind!r}")


@pytest.mark.parametrize("case", cases("deadlines"))
def test_deadlines(case: Case) -> None:
    told = Told(case.get("grace_seconds", 10))
    for step in sorted([*case["steps"], *case["then"]], key=lambda step: (step["at"], "phase" in step)):
        told.wait_until(step["at"])
        if "do" in step:
            told.do(step)
            continue
        session = told.session
        shown = {"at": step["at"], "phase": session.phase, "counts": session.is_published}
        assert shown | ({} if told.cause is None else {"cause": told.cause}) == step
