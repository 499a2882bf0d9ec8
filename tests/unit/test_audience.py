"""The bytes that viewers with the same view get."""

from __future__ import annotations

import json

import pytest
from msgspec import Raw

from hereabouts.engine.roster import MemberFold
from hereabouts.fanout.audience import Audience, Mode, join_json, leave_json, member_json, update_json
from hereabouts.protocol.codes import View

ADA = MemberFold("ada", "Ada", Raw(b'{"a":1}'), "busy", "deep", 1, 2, 3, {"cursor": Raw(b"[1.0,2]")})


@pytest.mark.parametrize(
    ("view", "mode", "sees"),
    [("full", "roster", True), ("status", "roster", True), ("existence", "roster", False), ("none", "roster", False),
     ("full", "count", False)],
)  # fmt: skip
def test_who_sees_members(view: View, mode: Mode, sees: bool) -> None:
    assert Audience(view, mode).sees_members is sees


def test_state_and_info_are_forwarded_as_they_came() -> None:
    found = member_json(ADA, "full")
    assert found is not None
    assert b'"state":{"cursor":[1.0,2]}' in found and b'"info":{"a":1}' in found


@pytest.mark.parametrize("view", ["existence", "none"])
def test_a_view_without_members_has_no_bytes_of_one(view: View) -> None:
    assert member_json(ADA, view) is None
    assert member_json(ADA, view, is_self=True) is not None


def test_no_byte_of_what_a_status_view_leaves_out() -> None:
    found = member_json(ADA, "status", is_typing=True)
    assert found == b'{"user_id":"ada","status":"busy","name":"Ada"}'


def test_events_carry_the_member_as_it_was_encoded() -> None:
    assert bytes(join_json(b'{"user_id":"ada"}')) == b'{"event":"join","member":{"user_id":"ada"}}'
    assert bytes(update_json(b'{"user_id":"ada"}')) == b'{"event":"update","member":{"user_id":"ada"}}'


def test_only_the_view_full_is_told_why_somebody_left() -> None:
    assert json.loads(bytes(leave_json("ada", "closed", "full"))) == {
        "event": "leave",
        "user_id": "ada",
        "cause": "closed",
    }
    assert "cause" not in json.loads(bytes(leave_json("ada", "closed", "status")))
    assert "cause" not in json.loads(bytes(leave_json("ada", None, "full")))


def test_names_that_are_markup_or_prototypes_are_only_text() -> None:
    odd = MemberFold("({}).__proto__", "<img onerror>", None, "online", "\u202e\x00", 1, None, 1, {})
    found = member_json(odd, "full")
    assert found is not None
    told = json.loads(found)
    assert (told["user_id"], told["name"], told["text"]) == ("({}).__proto__", "<img onerror>", "\u202e\x00")
