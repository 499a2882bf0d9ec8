"""The gate for bad input: what it lets through and what it refuses, with the code."""

from __future__ import annotations

import pytest

from hereabouts.errors import Refusal
from hereabouts.protocol.codec import check_id, decode, request_id, strict
from hereabouts.protocol.messages import Beat, Join


def refused(frame: bytes) -> str:
    with pytest.raises(Refusal) as caught:
        decode(frame)
    return caught.value.code


def test_a_beat_is_read_the_same_the_second_time() -> None:
    frame = b'{"type":"beat","active":true}'
    assert decode(frame) == decode(frame) == Beat(active=True)


def test_state_stays_encoded_as_it_came() -> None:
    message = decode(b'{"type":"join","id":1,"room":"a","state":{"x": {"deep" : [1, 2]}}}')
    assert isinstance(message, Join)
    assert bytes(message.state["x"]) == b'{"deep" : [1, 2]}'


def test_unknown_fields_are_ignored_and_unknown_types_are_unsupported() -> None:
    assert decode(b'{"type":"beat","later":[]}') == Beat()
    assert refused(b'{"type":"zork"}') == "unsupported"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"type":5}',
        b'{"id":1}',
        b"\xff",
        b'{"type":"join","id":1.5,"room":"a"}',
        b'{"type":"join","id":1,"room":"a","state":{"x":NaN}}',
        b'{"type":"join","id":1,"room":"a","state":{"x":Infinity}}',
        b'{"type":"join","id":1,"room":"a","state":{"x":1e999}}',
        b'{"type":"join","id":1,"room":"a","state":{"x":9007199254740993}}',
        b'{"type":"join","id":1,"room":"a","state":{"x":-9007199254740993}}',
        b'{"type":"join","id":1,"room":"a","state":{"x":1,"x":2}}',
        b'{"type":"join","id":1,"room":"a","state":{"x":{"y":1,"y":2}}}',
        b'{"type":"join","id":1,"room":"a","room":"b"}',
        b'{"type":"join","id":1,"room":"a","state":{"x":"\\ud800"}}',
        b'{"type":"join","id":1,"room":"a","state":{"\\udc00":1}}',
        b'{"type":"join","id":1,"room":"a","state":{"x":"\xed\xa0\x80"}}',
        b'{"type":"join","id":1,"room":"a","state":' + b'{"x":' * 20 + b"1" + b"}" * 20 + b"}",
        b'{"type":"join","id":1,"room":"a","state":{"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}}",
        b'{"type":"beat","visible":"yes"}',
    ],
)
def test_bad_frames_are_refused(frame: bytes) -> None:
    assert refused(frame) == "bad_request"


def test_the_depth_allowed_is_allowed_and_no_more() -> None:
    assert strict(b"[" * 16 + b"]" * 16, depth=16) is not None
    with pytest.raises(Refusal) as caught:
        strict(b"[" * 17 + b"]" * 17, depth=16)
    assert caught.value.limit == "depth"


def test_the_id_of_a_refused_frame_is_found_if_it_can_be() -> None:
    assert request_id(b'{"type":"zork","id":7}') == 7
    for frame in (b"{", b'{"id":true}', b'{"id":"7"}', b"[7]", b"[" * 100_000):
        assert request_id(frame) is None


@pytest.mark.parametrize("name", ["a", "doc:42", "é", "日本", "x" * 200, "a/b?c#d", "__proto__", "<img/src=x>"])
def test_good_ids(name: str) -> None:
    assert check_id(name, "room") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "a\x00b",
        "a\nb",
        "e\u0301",
        "\u202eabc",
        "\u200b",
        "a\u00a0b",
        "x" * 201,
        "é" * 101,
        "\ud800",
        "\ue000",
    ],
)
def test_bad_ids(name: str) -> None:
    with pytest.raises(Refusal):
        check_id(name, "room")
