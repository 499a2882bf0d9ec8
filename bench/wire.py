"""WebSocket bytes as a client writes them, and as a bare server reads them (RFC 6455, section 5.2)."""

from __future__ import annotations

from typing import Final, NamedTuple

KEY: Final = b"\x37\xfa\x21\x3d"
"""The masking key of section 5.7's example. A real client draws one for each frame; unmasking costs the same."""

HEAD_MOST_BYTES: Final = 10
"""The longest header of a frame that is not masked."""


def masked(payload: bytes, mask: bytes) -> bytes:
    """The payload under a mask, or from under it."""
    size = len(payload)
    times = mask * (size // 4 + 1)
    return (int.from_bytes(payload, "big") ^ int.from_bytes(times[:size], "big")).to_bytes(size, "big")


def text_frame(payload: bytes) -> bytes:
    """A whole text frame from a client."""
    size = len(payload)
    if size < 126:
        return b"\x81%c%b%b" % (0x80 | size, KEY, masked(payload, KEY))
    return b"\x81\xfe%b%b%b" % (size.to_bytes(2, "big"), KEY, masked(payload, KEY))


def upgrade_request(host: str, port: int, subprotocol: str) -> bytes:
    """The request that turns an HTTP connection into a WebSocket."""
    return (
        f"GET /v1/ws HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    ).encode()


class Head(NamedTuple):
    """A frame's header: its own size, the size of what follows, and the opcode."""

    head_bytes: int
    payload_bytes: int
    opcode: int


def read_head(start: bytes) -> Head | None:
    """The header of an unmasked frame that begins with `start`, or `None` while too little of it is there."""
    if len(start) < 2:
        return None
    size = start[1] & 0x7F
    if size < 126:
        return Head(2, size, start[0] & 0x0F)
    wanted = 4 if size == 126 else 10
    return None if len(start) < wanted else Head(wanted, int.from_bytes(start[2:wanted], "big"), start[0] & 0x0F)
