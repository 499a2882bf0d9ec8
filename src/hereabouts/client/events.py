"""What a client sees: people in rooms, people as such, and what happens to them. To be matched, not changed.

match event:
    case Joined(member): ...
    case Left(user_id, cause): ...
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec
from msgspec import Struct


class Member(Struct, frozen=True, omit_defaults=True):
    """One user in one room, over all its sessions. What the viewer may not see is `None` or empty.

    Times are milliseconds of the server's clock. Who is typing is told by the room, not by its members.
    """

    user_id: str
    status: str
    name: str | None = None
    info: Any = None
    text: str | None = None
    joined_at: int | None = None
    last_active_at: int | None = None
    sessions: int | None = None
    state: dict[str, Any] = {}
    is_self: bool = msgspec.field(default=False, name="self")


class User(Struct, frozen=True, omit_defaults=True):
    """A user's presence card. What the viewer may not see is `None`; times are milliseconds of the server's clock."""

    user_id: str
    status: str
    text: str | None = None
    emoji: str | None = None
    last_seen_at: int | None = None
    last_active_at: int | None = None
    sessions: int | None = None
    declared: str | None = None
    is_self: bool = msgspec.field(default=False, name="self")


class Holding(Struct, frozen=True, omit_defaults=True):
    """Who holds a resource. What the viewer may not see is `None`; times are milliseconds of the server's clock.

    `fencing` is greater than that of every earlier grant of the kind; `stale` is a holder who gave no sign of life.
    """

    resource: str
    user_id: str | None = None
    name: str | None = None
    since_at: int | None = None
    last_active_at: int | None = None
    fencing: int | None = None
    stale: bool = False
    is_self: bool = msgspec.field(default=False, name="self")


class Grant(Struct, frozen=True):
    """A resource that is held now. `moved_from` is the one that was given up for it."""

    resource: str
    since_at: int
    fencing: int
    moved_from: str | None = None


class _Event(Struct, frozen=True, tag_field="event", omit_defaults=True):
    """Something happened."""


class Joined(_Event, frozen=True, tag="joined"):
    """Somebody is in the room who was not."""

    member: Member
    room: str = ""


class Updated(_Event, frozen=True, tag="updated"):
    """Somebody in the room is not as before; `member` is how they are now."""

    member: Member
    room: str = ""


class Left(_Event, frozen=True, tag="left"):
    """Somebody is in the room no more. `cause` is `None` where it is not known or not for this viewer."""

    user_id: str
    cause: str | None = None
    room: str = ""


class Synced(_Event, frozen=True, tag="synced"):
    """Look at everything anew: the first list, a room that began or ceased to be listed, or a reader that fell behind.

    An empty `room` means all that the reader looks at.
    """

    room: str = ""


class TypingChanged(_Event, frozen=True, tag="typing"):
    """Those who are typing now, the viewer left out."""

    user_ids: tuple[str, ...]
    room: str = ""


class CountChanged(_Event, frozen=True, tag="count"):
    """So many users are in the room now."""

    count: int
    room: str = ""


class UserChanged(_Event, frozen=True, tag="user"):
    """A watched user is not as before, or is told of for the first time."""

    user: User


class Occupied(_Event, frozen=True, tag="occupied"):
    """A resource is held from now on. `moved_from` is the one that its holder left for it."""

    holding: Holding
    moved_from: str | None = None
    cause: str | None = None


class Released(_Event, frozen=True, tag="released"):
    """A resource is held no more, by this holder or by anybody as far as the viewer may see."""

    holding: Holding
    cause: str | None = None


class HoldingUpdated(_Event, frozen=True, tag="holding_updated"):
    """A holding is stale now, or no longer."""

    holding: Holding


HoldingEvent: TypeAlias = Occupied | Released | HoldingUpdated
RoomEvent: TypeAlias = Joined | Updated | Left | Synced | TypingChanged | CountChanged
Event: TypeAlias = RoomEvent | UserChanged | HoldingEvent
