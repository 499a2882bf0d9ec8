"""Bad input and met limits over real sockets: each has its code, names its limit, and harms nobody else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from hereabouts.errors import StoreUnavailable
from hereabouts.journal.base import LastSeen
from hereabouts.protocol import codes
from hereabouts.testing.arena import Arena
from hereabouts.testing.raw import RawSocket
from hereabouts.testing.waiting import eventually
from hereabouts.testing.wire import Refused

JOIN = '{"type":"join","id":7,"room":"r","state":%s}'


def in_room(room: str) -> str:
    return json.dumps({"type": "join", "id": 7, "room": room})


MALFORMED: list[tuple[str, str, str | None, int | None]] = [
    ("", "bad_request", None, None),
    ("null", "bad_request", None, None),
    ("[]", "bad_request", None, None),
    ('"beat"', "bad_request", None, None),
    ("7", "bad_request", None, None),
    ("{}", "bad_request", None, None),
    ("{", "bad_request", None, None),
    ('{"type":"beat"}{"type":"beat"}', "bad_request", None, None),
    ('{"type":"beat",}', "bad_request", None, None),
    ("{'type':'beat'}", "bad_request", None, None),
    ('\ufeff{"type":"beat"}', "bad_request", None, None),
    ('{"type":7}', "bad_request", None, None),
    ('{"type":"nope","id":7}', "unsupported", None, 7),
    ('{"type":"__proto__","id":7}', "unsupported", None, 7),
    ('{"type":"beat","visible":"yes"}', "bad_request", None, None),
    ('{"type":"beat","type":"bye"}', "bad_request", None, None),
    ('{"type":"join","room":"r"}', "bad_request", None, None),
    ('{"type":"join","id":"7","room":"r"}', "bad_request", None, None),
    ('{"type":"join","id":7.5,"room":"r"}', "bad_request", None, None),
    ('{"type":"join","id":9007199254740993,"room":"r"}', "bad_request", None, None),
    ('{"type":"join","id":7}', "bad_request", None, 7),
    ('{"type":"join","id":7,"room":7}', "bad_request", None, 7),
    (JOIN % "[]", "bad_request", None, 7),
    (JOIN % '{"a":NaN}', "bad_request", None, 7),
    (JOIN % '{"a":-Infinity}', "bad_request", None, 7),
    (JOIN % '{"a":1e999}', "bad_request", None, 7),
    (JOIN % '{"a":9007199254740993}', "bad_request", None, 7),
    (JOIN % ('{"a":%s}' % ("9" * 5000)), "bad_request", None, None),
    (JOIN % '{"a":1,"a":2}', "bad_request", None, 7),
    (JOIN % '{"a":[{"b":1,"b":1}]}', "bad_request", None, 7),
    (JOIN % r'{"a":"\ud800"}', "bad_request", None, 7),
    (JOIN % r'{"\udfff":1}', "bad_request", None, 7),
    (JOIN % ("[" * 20 + "]" * 20), "bad_request", "depth", 7),
    (JOIN % ('{"a":' + "[" * 15 + "]" * 15 + "}"), "bad_request", "depth", 7),
    (JOIN % ("[" * 30_000), "bad_request", "depth", None),
    (JOIN % ('{"a":"%s"}' % ("x" * 4_100)), "too_large", "state_bytes", 7),
    (in_room(""), "bad_request", None, 7),
    (in_room("a b"), "bad_request", None, 7),
    (in_room("a\x00b"), "bad_request", None, 7),
    (in_room("a\nb"), "bad_request", None, 7),
    (in_room("\u202eevil"), "bad_request", None, 7),
    (in_room("a\u200bb"), "bad_request", None, 7),
    (in_room("e\u0301"), "bad_request", None, 7),
    (in_room("\ufdd0"), "bad_request", None, 7),
    (in_room("x" * 201), "too_large", "id_bytes", 7),
    (in_room("é" * 101), "too_large", "id_bytes", 7),
    ('{"type":"update","id":7,"room":"elsewhere","state":{}}', "not_joined", None, 7),
    ('{"type":"typing","room":"elsewhere","on":true}', "not_joined", None, None),
    ('{"type":"status","id":7,"status":"gone"}', "bad_request", None, 7),
    ('{"type":"status","id":7,"status":"busy","until_at":5}', "bad_request", None, 7),
    ('{"type":"status","id":7,"status":"busy","text":"%s"}' % ("x" * 201), "too_large", "state_bytes", 7),
    ('{"type":"watch","id":7,"rooms":["r"],"mode":"all"}', "bad_request", None, 7),
    ('{"type":"watch","id":7,"users":["a b"]}', "bad_request", None, 7),
    (json.dumps({"type": "watch", "id": 7, "rooms": [f"r{n}" for n in range(101)]}), "limit_exceeded",
     "rooms_per_session", 7),
    (json.dumps({"type": "watch", "id": 7, "users": [f"u{n}" for n in range(501)]}), "limit_exceeded",
     "watched_users", 7),
    ('{"type":"refresh","id":7,"token":"dev:"}', "unauthenticated", None, 7),
    ('{"type":"hello","token":"dev:bob"}', "bad_request", None, None),
]  # fmt: skip


async def test_bad_input_is_answered_with_its_code_and_harms_nobody(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    wrong = []
    async with RawSocket(arena.port) as raw:
        await raw.enter("bob")
        for text, code, limit, id in MALFORMED:
            raw.say(text.encode("utf-8", "surrogatepass"))
            answer = (await raw.next()).message
            said = (answer["type"], answer.get("code"), answer.get("limit"), answer.get("id"))
            if said != ("error", code, limit, id):
                wrong.append((text[:80], said))
            raw.say('{"type":"beat"}')
            assert (await raw.next()).message["type"] == "beat", text
    assert wrong == []
    await ada.never("delta", "error", during=0.1)


@pytest.mark.parametrize(
    ("first", "code", "close"),
    [
        ({"type": "beat"}, "bad_request", 1008),
        ({"type": "hello"}, "unauthenticated", 4100),
        ({"type": "hello", "token": "dev:"}, "unauthenticated", 4100),
        ({"type": "hello", "token": "dev:a b"}, "unauthenticated", 4100),
        ({"type": "hello", "token": "x" * 60_000}, "unauthenticated", 4100),
    ],
)
async def test_a_first_message_that_lets_nobody_in(arena: Arena, first: dict[str, Any], code: str, close: int) -> None:
    async with RawSocket(arena.port) as raw:
        await raw.upgrade()
        raw.say(first)
        assert (await raw.next()).message["code"] == code
        assert await raw.close_code() == close


async def test_hello_after_a_malformed_frame_is_still_welcome(arena: Arena) -> None:
    async with RawSocket(arena.port) as raw:
        await raw.upgrade()
        raw.say("{")
        assert (await raw.next()).message["code"] == "bad_request"
        raw.say({"type": "hello", "token": "dev:ada"})
        assert (await raw.next()).message["type"] == "welcome"


@pytest.mark.parametrize("resume", ["", "nonsense", "a.b", "\x00", "x" * 10_000, "__proto__"])
async def test_a_secret_that_is_none_gives_a_new_session(arena: Arena, resume: str) -> None:
    wire = await arena.connect()
    welcome = await wire.hello("dev:ada", resume=resume, seen={"lobby": ["nowhere", 3], "": ["", -1]})
    assert not welcome["resumed"]


async def test_the_secret_of_another_user_gives_a_new_session(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    eve = await arena.connect()
    welcome = await eve.hello("dev:eve", resume=ada.welcome["resume"])
    assert not welcome["resumed"]
    assert welcome["session_id"] != ada.welcome["session_id"]
    assert welcome["rooms"] == []
    await ada.never("ended", "delta", during=0.3)


async def test_messages_sent_before_the_welcome_are_done_after_it_in_order(arena: Arena) -> None:
    wire = await arena.connect()
    await wire.say("hello", token="dev:ada")
    for number in range(20):
        await wire.say("join", id=number, room=f"r{number}")
    await wire.expect("snapshot", where=lambda message: message["room"] == "r19")
    kinds = [frame.message for frame in wire.frames if frame.message["type"] in ("welcome", "ok", "snapshot")]
    assert kinds[0]["type"] == "welcome"
    assert [message["id"] for message in kinds if message["type"] == "ok"] == list(range(20))
    assert [message["room"] for message in kinds if message["type"] == "snapshot"] == [f"r{n}" for n in range(20)]


def limited(**limits: float) -> Arena:
    return Arena({"limits": limits})


async def test_every_limit_is_told_in_the_welcome(arena: Arena) -> None:
    ada = await arena.enter("ada")
    assert ada.welcome["limits"].keys() == {
        "frame_bytes", "state_bytes", "info_bytes", "rooms_per_session", "watched_users", "id_bytes", "depth",
        "joins_per_second", "updates_per_second", "frames_per_second", "sessions_per_user", "hello_seconds",
        "unauthenticated_per_address",
    }  # fmt: skip


async def test_rooms_per_session() -> None:
    async with limited(rooms_per_session=2, joins_per_second=1_000_000) as arena:
        ada = await arena.enter("ada", "a", "b")
        with pytest.raises(Refused) as refused:
            await ada.join("c")
        assert (refused.value.code, refused.value.error["limit"]) == ("limit_exceeded", "rooms_per_session")
        await ada.ask("leave", room="a")
        await ada.join("c")


async def test_joins_per_second() -> None:
    async with limited(rooms_per_session=3, joins_per_second=2) as arena:
        ada = await arena.enter("ada", "a", "b", "c")
        await ada.ask("leave", room="a")
        with pytest.raises(Refused) as refused:
            await ada.join("a")
        error = refused.value.error
        assert (error["code"], error["limit"]) == ("rate_limited", "joins_per_second")
        assert 0 < error["retry_after_seconds"] <= 0.5
        await ada.never("error", during=error["retry_after_seconds"])
        await ada.join("a")


async def test_updates_over_the_rate_are_joined_and_the_last_value_arrives(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    bob = await arena.enter("bob", "lobby")
    for number in range(100):
        await bob.say("update", room="lobby", state={"at": number, "odd" if number % 2 else "even": number})
    wanted = {"at": 99, "odd": 99, "even": 98}

    def state() -> object:
        return ada.folds.rooms["lobby"].members.get("bob", {}).get("state")

    await eventually(lambda: state() == wanted, within=4, what="the last value of each key")
    await bob.never("error", during=0.1)


async def test_frames_per_second_and_then_abuse() -> None:
    async with limited(frames_per_second=10) as arena:
        ada = await arena.enter("ada", "lobby")
        async with RawSocket(arena.port) as raw:
            await raw.enter("bob")
            for _ in range(19):
                raw.say('{"type":"beat"}')
                assert (await raw.next()).message["type"] == "beat"
            for _ in range(600):
                raw.say('{"type":"beat"}')
            error = (await raw.next()).message
            assert (error["code"], error["limit"]) == ("rate_limited", "frames_per_second")
            assert await raw.close_code() == 4004
        await ada.never("error", "ended", during=0.1)


async def test_sessions_per_user() -> None:
    async with limited(sessions_per_user=2) as arena:
        await arena.enter("ada")
        await arena.enter("ada")
        third = await arena.connect()
        with pytest.raises(Refused) as refused:
            await third.hello("dev:ada")
        assert (refused.value.code, refused.value.error["limit"]) == ("limit_exceeded", "sessions_per_user")
        assert await third.closed() == 4203
        await arena.enter("bob")


async def test_no_hello_in_time() -> None:
    async with limited(hello_seconds=0.3) as arena:
        wire = await arena.connect()
        await wire.socket.ping()
        assert await wire.closed(within=2) == 4101


async def test_a_hello_that_the_server_is_too_slow_for_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with limited(hello_seconds=0.3) as arena:
        answered = asyncio.Event()

        async def slow(tenant: str, user_ids: list[str]) -> dict[str, LastSeen]:
            await answered.wait()
            return {}

        monkeypatch.setattr(arena.node.context.journal, "last_seen", slow)
        wire = await arena.connect()
        await wire.say("hello", token="dev:ada")
        assert await wire.closed(within=2) == 4203
        answered.set()
        await eventually(lambda: not arena.node.driver.links)
        await arena.enter("bob")


async def test_connections_that_say_nothing_are_bounded_by_address() -> None:
    async with limited(unauthenticated_per_address=3) as arena:
        silent = [await arena.connect() for _ in range(3)]
        with pytest.raises(InvalidStatus) as turned:
            await arena.connect()
        response = turned.value.response
        assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
        assert json.loads(response.body or b"")["code"] == "limit_exceeded"
        await silent[0].hello("dev:ada")
        await silent[1].reset()
        await eventually(lambda: arena.node.driver.unauthenticated("127.0.0.1") == 1)
        await arena.enter("bob")


async def test_a_hello_that_the_store_does_not_take_is_told_to_come_again(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(arena.node.context.backend, "commit", out_of_reach)
        ada = await arena.connect()
        with pytest.raises(Refused) as refused:
            await ada.hello("dev:ada")
        assert refused.value.code == "degraded"
        assert await ada.closed() == codes.OVERLOADED.number, "and not that its session is somewhere else"
    await arena.enter("ada")


async def out_of_reach(*arguments: object) -> None:
    raise StoreUnavailable("the store does not answer")
