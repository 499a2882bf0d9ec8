"""Packets: one encoding, in the dress that each transport wants."""

from __future__ import annotations

import pytest

from hereabouts.fanout.outbox import PAUSE_BYTES, REPLY_BYTES, Packet, pack, text_frame
from hereabouts.protocol.messages import Count


def test_a_packet_is_the_message_as_compact_json() -> None:
    assert pack(Count("lobby", 3)).payload == b'{"type":"count","room":"lobby","count":3}'


def test_each_dress_is_made_once() -> None:
    packet = Packet('{"a":"é"}'.encode())
    assert packet.frame is packet.frame
    assert packet.text is packet.text
    assert packet.text == '{"a":"é"}'


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_text_frame_is_final_unmasked_and_says_its_length_the_shortest_way(size: int, head: bytes) -> None:
    frame = text_frame(b"x" * size)
    assert frame[: len(head)] == head
    assert frame[len(head) :] == b"x" * size


def test_replies_may_queue_where_nothing_is_rendered_any_more() -> None:
    assert PAUSE_BYTES == 64 * 1024
    assert REPLY_BYTES == 256 * 1024
