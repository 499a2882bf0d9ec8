"""Audiences: viewers that may see the same, for whom bytes are made once."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

from hereabouts.engine.roster import MemberFold
from hereabouts.engine.visibility import project_member
from hereabouts.protocol.codes import View
from hereabouts.protocol.messages import JoinEvent, LeaveEvent, UpdateEvent

Mode = Literal["roster", "count"]

_encoder: Final = msgspec.json.Encoder()


class Audience(NamedTuple):
    """What the viewers of one stream have in common."""

    view: View
    mode: Mode

    @property
    def sees_members(self) -> bool:
        """Whether there is a member to show at all."""
        return self.mode == "roster" and self.view in ("full", "status")


def member_json(member: MemberFold, view: View, *, is_typing: bool = False, is_self: bool = False) -> bytes | None:
    """A member's JSON in a view, or `None` where the view shows none."""
    shown = project_member(member, view, is_typing=is_typing, is_self=is_self)
    return None if shown is None else _encoder.encode(shown)


def join_json(member: bytes) -> msgspec.Raw:
    """The event of a member who was not there."""
    return msgspec.Raw(_encoder.encode(JoinEvent(msgspec.Raw(member))))


def update_json(member: bytes) -> msgspec.Raw:
    """The event of a member who was there."""
    return msgspec.Raw(_encoder.encode(UpdateEvent(msgspec.Raw(member))))


def leave_json(user_id: str, cause: str | None, view: View) -> msgspec.Raw:
    """The event of a member who is gone; why is for the view `full`."""
    told = cause if view == "full" and cause is not None else msgspec.UNSET
    return msgspec.Raw(_encoder.encode(LeaveEvent(user_id, told)))
