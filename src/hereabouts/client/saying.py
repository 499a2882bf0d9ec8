"""The requests that a client makes, as functions of the id that each is to carry."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from hereabouts.protocol.codec import encode
from hereabouts.protocol.messages import Join, Leave, Refresh, Sync, Unwatch, Update, Watch


def join(room: str, state: dict[str, Any], id: int) -> Join:
    """Become a member, with this state."""
    return Join(id, room, _raw(state))


def update(room: str, state: dict[str, Any], id: int) -> Update:
    """Merge these keys into the own state."""
    return Update(room, _raw(state), id)


def leave(room: str, id: int) -> Leave:
    """Be a member no more."""
    return Leave(room, id)


def watch_rooms(rooms: list[str], mode: str, id: int) -> Watch:
    """Look at rooms; `mode` is `roster` or `count`."""
    return Watch(id, rooms=rooms, mode="count" if mode == "count" else "roster")


def watch_users(users: list[str], id: int) -> Watch:
    """Look at users."""
    return Watch(id, users=users)


def watch_kinds(kinds: list[str], id: int) -> Watch:
    """Look at kinds of resources."""
    return Watch(id, occupancy=kinds)


def unwatch(rooms: list[str], users: list[str], kinds: list[str], id: int | None = None) -> Unwatch:
    """Look at these no more."""
    return Unwatch(rooms or None, users or None, id, kinds or None)


def sync(room: str, id: int) -> Sync:
    """Ask for a snapshot."""
    return Sync(id, room)


def refresh(token: str, id: int) -> Refresh:
    """Go on with a newer token."""
    return Refresh(id, token)


def _raw(state: dict[str, Any]) -> dict[str, Raw]:
    return {key: Raw(encode(value)) for key, value in state.items()}
