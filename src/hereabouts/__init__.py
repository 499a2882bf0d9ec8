"""Hereabouts: a self-hosted presence server, and its Python client.

Its names are loaded when they are first used: the client needs nothing of the server, and the server not the client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hereabouts.version import __version__

if TYPE_CHECKING:
    from hereabouts.client import (
        AsyncHeartbeats,
        AsyncPresence,
        AsyncPresenceServer,
        AsyncRoom,
        AsyncWatch,
        Cleared,
        Closed,
        CountChanged,
        Heartbeats,
        Joined,
        Left,
        Member,
        Presence,
        PresenceServer,
        Refused,
        Revoked,
        Room,
        RoomEvent,
        SessionEnded,
        Superseded,
        Synced,
        TokenRefused,
        TypingChanged,
        Updated,
        User,
        UserChanged,
        Watch,
    )
    from hereabouts.errors import ConfigError, HereaboutsError
    from hereabouts.mounting import asgi
    from hereabouts.webhooks.signing import BadSignature, verify_webhook

__all__ = [
    "AsyncHeartbeats",
    "AsyncPresence",
    "AsyncPresenceServer",
    "AsyncRoom",
    "AsyncWatch",
    "BadSignature",
    "Cleared",
    "Closed",
    "ConfigError",
    "CountChanged",
    "Heartbeats",
    "HereaboutsError",
    "Joined",
    "Left",
    "Member",
    "Presence",
    "PresenceServer",
    "Refused",
    "Revoked",
    "Room",
    "RoomEvent",
    "SessionEnded",
    "Superseded",
    "Synced",
    "TokenRefused",
    "TypingChanged",
    "Updated",
    "User",
    "UserChanged",
    "Watch",
    "__version__",
    "asgi",
    "verify_webhook",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'hereabouts' has no attribute {name!r}")
    elsewhere = {"asgi": "mounting", "ConfigError": "errors", "HereaboutsError": "errors"}
    elsewhere |= {"BadSignature": "webhooks.signing", "verify_webhook": "webhooks.signing"}
    return getattr(import_module(f"hereabouts.{elsewhere.get(name, 'client')}"), name)
