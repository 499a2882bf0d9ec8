"""The Python client. It imports nothing of the server but the protocol's words."""

from hereabouts.client.blocking import Events, Heartbeats, Presence, PresenceServer, Room, Users, Watch
from hereabouts.client.events import (
    CountChanged,
    Event,
    Grant,
    Holding,
    HoldingEvent,
    HoldingUpdated,
    Joined,
    Left,
    Member,
    Occupied,
    Released,
    RoomEvent,
    Synced,
    TypingChanged,
    Updated,
    User,
    UserChanged,
)
from hereabouts.client.http import AsyncHeartbeats, AsyncPresenceServer, BeatGiven, Minted, RoomCount, RoomPage, Swept
from hereabouts.client.presence import AsyncPresence
from hereabouts.client.reading import Reading
from hereabouts.client.refusals import Cleared, Closed, Refused, Revoked, SessionEnded, Superseded, TokenRefused
from hereabouts.client.room import AsyncRoom
from hereabouts.client.watching import AsyncUsers, AsyncWatch

__all__ = [
    "AsyncHeartbeats",
    "AsyncPresence",
    "AsyncPresenceServer",
    "AsyncRoom",
    "AsyncUsers",
    "AsyncWatch",
    "BeatGiven",
    "Cleared",
    "Closed",
    "CountChanged",
    "Event",
    "Events",
    "Grant",
    "Heartbeats",
    "Holding",
    "HoldingEvent",
    "HoldingUpdated",
    "Joined",
    "Left",
    "Member",
    "Minted",
    "Occupied",
    "Presence",
    "PresenceServer",
    "Reading",
    "Refused",
    "Released",
    "Revoked",
    "Room",
    "RoomCount",
    "RoomEvent",
    "RoomPage",
    "SessionEnded",
    "Superseded",
    "Swept",
    "Synced",
    "TokenRefused",
    "TypingChanged",
    "Updated",
    "User",
    "UserChanged",
    "Users",
    "Watch",
]
