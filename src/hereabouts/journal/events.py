"""Which events follow from where somebody stood and stands now, and what each says. Nothing here knows a database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from hereabouts.journal.outbox import OutboxRow


class Told(NamedTuple):
    """One event as it is kept. Events of one `subject` are kept in order; rooms' events name no user."""

    type: str
    subject: str
    user_id: str | None
    room: str | None
    data: bytes


def is_about_a_room(row: OutboxRow, before: str | None) -> bool:
    """Whether events depend on who else is in the room: a member came or went."""
    return row.kind == "member" and (before is None or row.value is None)


def events_of(row: OutboxRow, before: str | None, *, is_alone: bool) -> list[Told]:
    """The events, in their order. `before` is what stood; `is_alone`: nobody else is in the room."""
    return [_told(row, type, before) for type in _types(row, before, is_alone)]


def _types(row: OutboxRow, before: str | None, is_alone: bool) -> Iterator[str]:
    came, gone = before is None, row.value is None
    if row.kind == "user":
        yield "user.online" if came else "user.offline" if gone else "user.status"
    elif row.kind == "resource":
        yield "resource.released" if gone else "resource.occupied"
    elif came or gone:
        if is_alone and came:
            yield "room.occupied"
        yield "member.joined" if came else "member.left"
        if is_alone and gone:
            yield "room.vacated"


def _told(row: OutboxRow, type: str, before: str | None) -> Told:
    return Told(
        type,
        _subject(row, type),
        None if type.startswith("room.") else row.user_id,
        row.place if row.kind == "member" else None,
        _data(row, type, before),
    )


def _subject(row: OutboxRow, type: str) -> str:
    """What events are kept in order by: a resource, a room's being occupied, and all else of a user."""
    if row.kind == "resource":
        return f"resource:{row.place}"
    return f"room:{row.place}" if type.startswith("room.") else f"user:{row.user_id}"


def _data(row: OutboxRow, type: str, before: str | None) -> bytes:
    told: dict[str, str | int | None] = {"tenant": row.tenant, "at": row.at}
    if row.kind == "user":
        told |= {"user_id": row.user_id, "status": row.value or "offline", "before": before or "offline"}
    elif type.startswith("room."):
        told |= {"room": row.place}
    elif row.kind == "member":
        told |= {"room": row.place, "user_id": row.user_id}
    else:
        told |= {"resource": row.place, "user_id": row.user_id, "fence": int(row.value or before or 0)}
    if row.cause is not None and not type.startswith("room."):
        told["cause"] = row.cause
    return msgspec.json.encode(told)
