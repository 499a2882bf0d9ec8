"""The WebSocket protocol itself, RFC 6455, as far as a server can get it wrong."""

from __future__ import annotations

import json

import pytest

from hereabouts.testing.arena import Arena
from hereabouts.testing.raw import ACCEPT, BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawSocket, frame
from hereabouts.testing.waiting import pause

BEAT = b'{"type":"beat"}'
SLACK_SECONDS = 1.0


async def answers_a_beat(raw: RawSocket) -> None:
    raw.say(BEAT)
    assert (await raw.next()).message["type"] == "beat"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Connection": "keep-alive, Upgrade"},  # Firefox
        {"Connection": "upgrade", "Upgrade": "WebSocket"},
        {"Sec-WebSocket-Protocol": "other, hereabouts.v1"},
        {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"},
        {"Origin": "http://localhost:3000"},
    ],
)
async def test_an_upgrade_is_taken(arena: Arena, headers: dict[str, str]) -> None:
    async with RawSocket(arena.port) as raw:
        status, given, _ = await raw.upgrade(**headers)
        assert status == 101
        assert given["sec-websocket-accept"] == ACCEPT
        assert given["sec-websocket-protocol"] == "hereabouts.v1"
        assert "sec-websocket-extensions" not in given
        raw.say({"type": "hello", "token": "dev:ada"})
        assert (await raw.next()).message["type"] == "welcome"


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/v1/ws", {"Sec-WebSocket-Protocol": None}, 400, "unsupported"),
        ("/v1/ws", {"Sec-WebSocket-Protocol": "hereabouts.v2"}, 400, "unsupported"),
        ("/v1/ws", {"Origin": "https://evil.example"}, 403, "forbidden"),
        ("/v1/ws", {"Origin": "null"}, 403, "forbidden"),
        ("/v1/ws", {"Host": "evil.example"}, 403, "forbidden"),
        ("/v1/wss", {}, 404, "not_found"),
        ("/", {}, 404, "not_found"),
    ],
)
async def test_an_upgrade_is_turned_away_with_its_reason(
    arena: Arena, path: str, headers: dict[str, str | None], status: int, code: str
) -> None:
    async with RawSocket(arena.port) as raw:
        answer, given, body = await raw.upgrade(path, **headers)
        assert answer == status
        assert given["content-type"] == "application/problem+json"
        assert json.loads(body)["code"] == code
        await raw.ends()


@pytest.mark.parametrize("headers", [{"Sec-WebSocket-Key": "short"}, {"Sec-WebSocket-Version": "12"}])
async def test_a_handshake_that_is_none_is_refused(arena: Arena, headers: dict[str, str]) -> None:
    async with RawSocket(arena.port) as raw:
        status, _, _ = await raw.upgrade(**headers)
        assert 400 <= status < 500
        await raw.ends()


async def test_a_message_in_fragments_is_whole_and_pings_between_them_are_answered(arena: Arena) -> None:
    async with RawSocket(arena.port) as raw:
        await raw.enter("ada")
        raw.send(frame(TEXT, BEAT[:5], fin=False))
        raw.send(frame(PING, b"between"))
        got = await raw.next()
        assert (got.opcode, got.payload) == (PONG, b"between")
        raw.send(frame(CONTINUATION, b"", fin=False))
        raw.send(frame(PONG, b"nobody asked"))
        raw.send(frame(CONTINUATION, BEAT[5:]))
        assert (await raw.next()).message["type"] == "beat"
        await answers_a_beat(raw)


async def test_a_letter_cut_in_two_by_fragments_is_one_letter(arena: Arena) -> None:
    async with RawSocket(arena.port) as raw:
        await raw.enter("ada")
        text = '{"type":"join","id":1,"room":"é"}'.encode()
        cut = text.index("é".encode()) + 1
        raw.send(frame(TEXT, text[:cut], fin=False) + frame(CONTINUATION, text[cut:]))
        assert (await raw.next()).message["member"]["user_id"] == "ada"
        assert (await raw.next()).message["room"] == "é"


async def test_frames_come_byte_by_byte_and_many_at_once(arena: Arena) -> None:
    async with RawSocket(arena.port) as raw:
        await raw.enter("ada")
        for byte in frame(TEXT, BEAT):
            raw.send(bytes((byte,)))
            await pause(0.001)
        assert (await raw.next()).message["type"] == "beat"
        raw.send(frame(TEXT, BEAT) * 50)
        for _ in range(50):
            assert (await raw.next()).message["type"] == "beat"


@pytest.mark.parametrize("payload", [b"", b"x" * 125])
async def test_a_ping_is_answered_with_what_it_said(arena: Arena, payload: bytes) -> None:
    async with RawSocket(arena.port) as raw:
        await raw.upgrade()
        raw.send(frame(PING, payload))
        got = await raw.next()
        assert (got.opcode, got.payload) == (PONG, payload)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (frame(TEXT, BEAT, rsv=4), 1002),  # compressed
        (frame(TEXT, BEAT, rsv=1), 1002),
        (frame(PING, rsv=2), 1002),
        (frame(TEXT, BEAT, mask=None), 1002),
        (frame(CLOSE, b"\x03\xe8", mask=None), 1002),
        (frame(0x3, BEAT), 1002),
        (frame(0xB), 1002),
        (frame(PING, fin=False), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(CONTINUATION, BEAT), 1002),
        (frame(TEXT, b"{", fin=False) + frame(TEXT, BEAT), 1002),
        (frame(BINARY, BEAT), 1003),
        (frame(TEXT, b"{", fin=False) + frame(BINARY, BEAT), 1003),
        (frame(TEXT, b'{"type":"beat\xff"}'), 1007),
        (frame(TEXT, b'{"type":"\xed\xa0\x80"}'), 1007),
        (frame(TEXT, b"\xc3", fin=False) + frame(CONTINUATION, b"("), 1007),
        (frame(TEXT, b" " * 65_537), 1009),
        (frame(TEXT, b" " * 40_000, fin=False) + frame(CONTINUATION, b" " * 40_000), 1009),
        (frame(TEXT, b" ", fin=False) + frame(CONTINUATION, fin=False) * 5_000, 1009),
        (b"\x81\xff\x00\x00\x00\x01\x00\x00\x00\x00", 1009),  # it announces 4 GiB
        (b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 1009),
        (b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1002),
        (b"\x81\xfe\x00\x05", 1002),  # a length in more bytes than it needs
        (frame(CLOSE, b"\x03"), 1002),
        (frame(CLOSE, b"\x00\x00"), 1002),
        (frame(CLOSE, b"\xff\xff"), 1002),
        (frame(CLOSE, (1005).to_bytes(2, "big")), 1002),
        (frame(CLOSE, (2999).to_bytes(2, "big")), 1002),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else str(value),
)
async def test_what_the_protocol_forbids_closes_with_its_code(arena: Arena, said: bytes, code: int) -> None:
    ada = await arena.enter("ada", "lobby")
    async with RawSocket(arena.port) as raw:
        await raw.enter("bob")
        raw.send(said)
        assert await raw.close_code() == code
        raw.send(frame(CLOSE, code.to_bytes(2, "big")))
        await raw.ends(within=SLACK_SECONDS)
    await ada.ask("sync", room="lobby")


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"", 1000), (b"\x03\xe8", 1000), (b"\x03\xe9bye", 1001), ((4999).to_bytes(2, "big"), 4999)],
)
async def test_a_close_is_answered_with_its_code_and_the_server_ends_the_connection(
    arena: Arena, payload: bytes, code: int
) -> None:
    async with RawSocket(arena.port) as raw:
        await raw.enter("ada")
        raw.send(frame(CLOSE, payload) + frame(TEXT, BEAT))
        got = await raw.next()
        assert (got.opcode, got.code) == (CLOSE, code)
        await raw.ends(within=SLACK_SECONDS)


async def test_a_close_of_the_server_waits_for_the_answer(arena: Arena) -> None:
    async with RawSocket(arena.port) as raw:
        await raw.enter("ada")
        raw.say(b'{"type":"bye"}')
        assert await raw.close_code() == 4000
        raw.send(frame(CLOSE, (4000).to_bytes(2, "big")))
        await raw.ends(within=SLACK_SECONDS)


async def test_a_close_that_is_never_answered_ends_all_the_same(arena: Arena) -> None:
    async with RawSocket(arena.port) as raw:
        await raw.enter("ada")
        raw.say(b'{"type":"bye"}')
        assert await raw.close_code() == 4000
        await raw.ends(within=5 + SLACK_SECONDS)


async def test_plain_http_is_no_websocket(arena: Arena) -> None:
    async with RawSocket(arena.port) as raw:
        status, _, _ = await raw.upgrade(Upgrade=None, Connection=None)
        assert 400 <= status < 500
