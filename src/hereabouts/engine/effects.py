"""What a decision asks to be done. An effect names a feed or the session's own connection, never a recipient."""

from __future__ import annotations

from typing import NamedTuple

from hereabouts.engine.records import Change, FeedKey
from hereabouts.protocol.codes import CloseCode


class Write(NamedTuple):
    """Commit this change to the feed, after all earlier writes of the same session."""

    feed: FeedKey
    change: Change


class Signal(NamedTuple):
    """Tell the room, unstored, that the user is typing or has stopped."""

    feed: FeedKey
    user_id: str
    on: bool


class Part(NamedTuple):
    """Close this connection of the session, saying why."""

    connection: object
    code: CloseCode
    reason: str


class Over(NamedTuple):
    """The session's life has ended; nothing can resume it."""

    cause: str


Effect = Write | Signal | Part | Over
Effects = list[Effect]
