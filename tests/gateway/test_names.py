"""Names and state that mean something elsewhere come out as the text that they are, or do not come in."""

from __future__ import annotations

import pytest

from hereabouts.testing.arena import Arena
from hereabouts.testing.wire import Refused

NAMES = (
    "__proto__", "constructor", "({}).__proto__", "toString", "<img/src=x/onerror=alert(1)>", "'--", '";]', "../../etc",
    "%00", "a:b:c", "*", "日本", "🦊", "é", "null", "0", "-1", "[]", "{}", "x" * 200, "é" * 100,
)  # fmt: skip

NO_NAMES = (
    "",
    " ",
    "a b",
    "a\x00",
    "a\x1b[0m",
    "\u202eabc",
    "a\u2028b",
    "a\u200db",
    "\ufeff",
    "\ue000",
    "e\u0301",
    "\x7f",
)

STATE = {
    "__proto__": {"polluted": True},
    "constructor": {"prototype": {"polluted": True}},
    "html": "<img src=x onerror=alert(1)>",
    "script": "</script><script>alert(1)</script>",
    "nul": "a\x00b",
    "rtl": "\u202eevil\u202c",
    "lines": "a\u2028b\u2029c\r\nd",
    "escapes": '\\u0041 \\" \x1b[31m',
    "emoji": "👩‍👩‍👧",
    "numbers": [0.1, -0.0, 9007199254740991, 1e-7, True, False],
    "": "an empty key",
}


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_of_a_user_and_a_room_comes_out_as_it_went_in(arena: Arena, name: str) -> None:
    room = name
    ada = await arena.enter("ada", room)
    other = await arena.connect()
    token = f"dev:{name}" if ":" not in name else "dev:colon"
    user_id = (await other.hello(token))["user"]["id"]
    await other.join(room)
    await ada.event(room, "join", user_id)
    assert ada.folds.names(room) == sorted(["ada", user_id])
    await other.say("typing", room=room, on=True)
    assert await ada.expect("typing") == {"type": "typing", "room": room, "user_ids": [user_id]}
    await other.say("bye")
    await ada.event(room, "leave", user_id)


async def test_names_that_look_alike_or_cannot_be_seen_are_refused(arena: Arena) -> None:
    ada = await arena.enter("ada")
    for name in NO_NAMES:
        with pytest.raises(Refused) as refused:
            await ada.join(name)
        assert refused.value.code == "bad_request"
        wire = await arena.connect()
        with pytest.raises(Refused) as refused:
            await wire.hello(f"dev:{name}")
        assert refused.value.code == "unauthenticated"
        assert await wire.closed() == 4100
    assert not arena.node.relay.rooms


async def test_state_comes_out_as_it_went_in(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    bob = await arena.enter("bob")
    await bob.join("lobby", state=STATE)
    await ada.event("lobby", "join", "bob")
    assert ada.folds.rooms["lobby"].members["bob"]["state"] == STATE
    await bob.ask("update", room="lobby", state={"__proto__": None, "": None, "html": "<b>"})
    await ada.event("lobby", "update", "bob")
    left = {key: value for key, value in STATE.items() if key not in ("__proto__", "")} | {"html": "<b>"}
    assert ada.folds.rooms["lobby"].members["bob"]["state"] == left


async def test_a_status_text_comes_out_as_it_went_in(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby")
    bob = await arena.enter("bob", "lobby")
    await ada.event("lobby", "join", "bob")
    text = '<img src=x onerror=alert(1)> \u202e "quoted" \x00'
    await bob.ask("status", status="busy", text=text)
    await ada.event("lobby", "update", "bob")
    member = ada.folds.rooms["lobby"].members["bob"]
    assert (member["status"], member["text"]) == ("busy", text)
