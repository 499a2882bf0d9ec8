"""The push gate: silent only when somebody certainly looks, and a push in every doubt."""

from __future__ import annotations

import pytest

from hereabouts.engine.identity import Identity
from hereabouts.engine.notifying import Sign, Verdict, should_notify, sign_of, sign_unknown
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Now, Owner
from hereabouts.engine.session import Session
from hereabouts.engine.status import OFFLINE, Outcome

HERE = Sign(is_looking=True, is_fresh=True)
STALE = Sign(is_looking=True, is_fresh=False)
HIDDEN = Sign(is_looking=False, is_fresh=True)
ONLINE = Outcome("online", sessions=1)


@pytest.mark.parametrize(
    ("outcome", "signs", "is_degraded", "verdict"),
    [
        (ONLINE, [HERE], False, (False, "here")),
        (ONLINE, [STALE, HERE, HIDDEN], False, (False, "here")),
        (Outcome("busy", "busy", sessions=1), [HERE], False, (False, "here")),
        (ONLINE, [STALE], False, (True, "doubtful")),
        (ONLINE, [HERE], True, (True, "degraded")),
        (ONLINE, [HIDDEN], False, (True, "away")),
        (ONLINE, [], False, (True, "away")),
        (OFFLINE, [], False, (True, "offline")),
        (OFFLINE, [], True, (True, "offline")),
        (Outcome("offline", "invisible", sessions=1), [HERE], False, (True, "offline")),
        (Outcome("dnd", "dnd", sessions=1), [HERE], False, (False, "dnd")),
        (Outcome("dnd", "dnd", sessions=1), [HIDDEN], False, (True, "dnd")),
        (Outcome("dnd", "dnd", sessions=1), [HERE], True, (True, "dnd")),
    ],
)
def test_the_verdict(outcome: Outcome, signs: list[Sign], is_degraded: bool, verdict: tuple[bool, str]) -> None:
    assert should_notify(outcome, signs, is_degraded=is_degraded) == Verdict(*verdict)  # type: ignore[arg-type]


def a_session() -> Session:
    policy = Policy(lease_visible_seconds=60, lease_hidden_seconds=150)
    identity = Identity("default", "ada")
    return Session("s", identity, Owner("n", 1), policy, Now(0.0, 0), resume_hash=b"", leave_hash=b"")


def test_half_a_lease_without_a_word_is_a_doubt() -> None:
    session = a_session()
    assert sign_of(session, Now(29.9, 29_900)) == HERE
    assert sign_of(session, Now(30.0, 30_000)) == STALE


def test_of_a_session_whose_node_does_not_answer_nothing_is_certain() -> None:
    assert sign_unknown(a_session().presence()) == STALE


def test_a_lost_session_is_a_doubt_and_a_hidden_one_does_not_look() -> None:
    session = a_session()
    session.close(Now(1.0, 1_000), session.connection, 1006)
    assert sign_of(session, Now(1.0, 1_000)).is_fresh is False
    other = a_session()
    other.beat(Now(1.0, 1_000), False, None)
    assert sign_of(other, Now(1.0, 1_000)) == HIDDEN
