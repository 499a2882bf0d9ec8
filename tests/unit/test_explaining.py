"""An explanation says what the merge looked at: replayed through the merge it comes to the same answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hereabouts.engine.explaining import explain_status, replay
from hereabouts.engine.records import Declaration, Owner, Presence, Records
from hereabouts.engine.status import OFFLINE, fold
from hereabouts.protocol.codes import Declared

OWNER = Owner("n1", 1)
TIMES = st.integers(1, 2_000_000_000_000)


def presence(id: str, visible: bool, active: bool, seen_at: int = 2, active_at: int | None = None) -> Presence:
    return Presence(id, "ada", 1, OWNER, 1, visible, active, active_at, seen_at, "web")


def declaration(status: Declared, seen_at: int | None = None) -> Declaration:
    return Declaration("s1", "ada", 5, OWNER, status, 5, "lunch", "🍕", None, seen_at, seen_at)


PRESENCES = st.lists(
    st.builds(presence, st.uuids().map(str), st.booleans(), st.booleans(), TIMES, st.none() | TIMES),
    max_size=5,
    unique_by=lambda record: record.session_id,
)
DECLARATIONS = st.none() | st.builds(
    declaration, st.sampled_from(["available", "busy", "dnd", "away", "invisible"]), st.none() | TIMES
)


@given(PRESENCES, DECLARATIONS, st.randoms())
def test_an_explanation_replayed_is_what_the_merge_says(
    presences: list[Presence], declared: Declaration | None, random: object
) -> None:
    records: list[Records] = [*presences, *([declared] if declared is not None else [])]
    random.shuffle(records)  # type: ignore[attr-defined]
    explained = explain_status(records)
    assert replay(explained) == fold(records)
    assert explained.status == fold(records).status
    assert set(explained.because) <= {record.session_id for record in presences} | {"s1"}


@pytest.mark.parametrize(
    ("records", "status", "axis", "because"),
    [
        ([], "offline", "connectivity", []),
        ([declaration("busy")], "offline", "connectivity", []),
        ([presence("a", True, True), presence("b", True, False)], "online", "attention", ["a"]),
        ([presence("a", False, True), presence("b", True, False)], "idle", "attention", ["b"]),
        ([presence("a", False, True), presence("b", False, False)], "away", "attention", ["a", "b"]),
        ([presence("a", True, True), declaration("dnd")], "dnd", "declared", ["s1"]),
        ([presence("a", True, True), declaration("invisible")], "offline", "declared", ["s1"]),
        ([presence("a", True, True), declaration("available")], "online", "attention", ["a"]),
    ],
)
def test_the_axis_that_won_is_named(records: list[Records], status: str, axis: str, because: list[str]) -> None:
    explained = explain_status(records)
    assert (explained.status, explained.axis, explained.because) == (status, axis, because)


def test_of_nobody_nothing_is_known() -> None:
    assert replay(explain_status([])) == OFFLINE
