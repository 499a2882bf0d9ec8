"""What is sent, and to what: bytes made once, and the connections that take them.

Publishing never waits for a socket (rule 8). A connection takes packets as long as its transport drains; while it
holds more than `PAUSE_BYTES` it says so, streams render nothing for it, and when it drains each gets one frame.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

PAUSE_BYTES: Final = 64 * 1024
"""With more than this unsent, nothing is rendered for a connection."""

REPLY_BYTES: Final = 256 * 1024
"""With more than this unsent, replies included, a connection is closed with 4202."""

UNDRAINED_SECONDS: Final = 10.0
"""A connection that stays paused for so long is closed with 4202."""


class Packet:
    """One message as bytes, in the dress that each kind of transport wants; each dress is made once, when wanted."""

    __slots__ = ("_frame", "_text", "payload")

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self._frame: bytes | None = None
        self._text: str | None = None

    @property
    def frame(self) -> bytes:
        """A whole WebSocket text frame from a server (RFC 6455, section 5.2)."""
        if self._frame is None:
            self._frame = text_frame(self.payload)
        return self._frame

    @property
    def text(self) -> str:
        """The message as text."""
        if self._text is None:
            self._text = self.payload.decode()
        return self._text


_encoder = msgspec.json.Encoder()


def pack(message: msgspec.Struct) -> Packet:
    """A message, encoded."""
    return Packet(_encoder.encode(message))


def text_frame(payload: bytes) -> bytes:
    """An unmasked, final text frame around `payload` (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return b"\x81%c%b" % (size, payload)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), payload)
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), payload)


class Connection(Protocol):
    """One transport link, whatever carries it. Nothing here waits."""

    is_paused: bool

    def send(self, packet: Packet) -> None:
        """Take a packet to send; dropped silently when the link is closing."""

    def close(self, code: int, reason: str) -> None:
        """Send what is queued, say goodbye with this code and close."""
