"""Each step of the table of phases, as a session takes it."""

from __future__ import annotations

from typing import get_args

import pytest

from hereabouts.engine.phases import TRANSITIONS, Event, Phase
from hereabouts.protocol import codes
from hereabouts.testing.life import Life


def in_phase(phase: Phase) -> Life:
    life = Life()
    life.join()
    if phase == "lost":
        life.close()
    elif phase == "leaving":
        life.session.beacon(life.now, 5.0)
    elif phase == "parked":
        life.session.beacon(life.now, None)
    elif phase == "over":
        life.session.end("leave", codes.ENDED, "bye")
    assert life.session.phase == phase
    return life


def happen(life: Life, event: Event) -> None:
    session = life.session
    if event == "frame":
        life.beat()
    elif event == "close":
        life.close(connection=session.connection or "none")
    elif event == "beacon":
        session.beacon(life.now, 5.0)
    elif event == "resume":
        life.resume("second")
    elif event == "end":
        session.end("cleared", codes.CLEARED, "cleared")
    else:  # lapse, publish, forget: what time does
        due = session.due_at()
        assert due is not None
        if event == "lapse":
            due = session.lapse_tick
        life.clock.advance(due - life.now.tick)
        session.advance(life.now)


@pytest.mark.parametrize(("phase", "event"), TRANSITIONS)
def test_every_step_of_the_table_is_taken_as_the_table_says(phase: Phase, event: Event) -> None:
    life = in_phase(phase)
    happen(life, event)
    assert life.session.phase == TRANSITIONS[phase, event]


def test_every_phase_but_the_last_has_a_way_out_and_the_last_has_none() -> None:
    for phase in get_args(Phase):
        after = {TRANSITIONS[key] for key in TRANSITIONS if key[0] == phase}
        assert (after == {"over"}) if phase == "over" else (after - {phase})


@pytest.mark.parametrize("phase", ["live", "lost", "leaving"])
def test_a_session_counts_until_its_removal_is_published(phase: Phase) -> None:
    assert in_phase(phase).session.is_published


@pytest.mark.parametrize("phase", ["parked", "over"])
def test_a_session_does_not_count_once_its_removal_is_published(phase: Phase) -> None:
    assert not in_phase(phase).session.is_published
