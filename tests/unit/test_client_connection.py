"""The client against a scripted server in memory, with a clock and a chance of the test's own."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from hereabouts.client import (
    AsyncPresence,
    Closed,
    Joined,
    Refused,
    SessionEnded,
    Superseded,
    Synced,
    TokenRefused,
    UserChanged,
)
from hereabouts.testing.scripted_server import POLICY, START_AT, ScriptedServer, settle


def state(presence: AsyncPresence) -> str:
    return presence.connection


def jwt(expires_in_seconds: float, name: str = "first") -> str:
    claims = json.dumps({"exp": START_AT / 1000 + expires_in_seconds, "name": name}).encode()
    return f"h.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.s"


@pytest.fixture
async def server() -> ScriptedServer:
    return ScriptedServer()


# Hello and bye


async def test_it_says_hello_and_bye(server: ScriptedServer) -> None:
    async with server.presence(platform="bot", visible=False) as presence:
        assert state(presence) == "connected"
        assert presence.session_id == "s1"
        assert presence.user is not None and presence.user.id == "ada"
        hello = server.socket.said[0]
        assert (hello["token"], hello["platform"], hello["visible"]) == ("dev:ada", "bot", False)
        assert "resume" not in hello
    assert state(presence) == "closed"
    assert server.socket.said[-1] == {"type": "bye"}
    with pytest.raises(Closed):
        await presence.set_status("busy")


async def test_it_knows_the_servers_time(server: ScriptedServer) -> None:
    async with server.presence() as presence:
        assert presence.server_offset_seconds == pytest.approx(7.0)
        assert presence.server_now_at == server.at


async def test_opening_gives_up_in_time_and_says_why(server: ScriptedServer) -> None:
    server.is_up = False
    opening = asyncio.create_task(server.presence().open())
    await server.time.advance(10)
    with pytest.raises(TimeoutError, match="connection refused"):
        await opening


async def test_a_final_close_ends_it_with_an_exception_of_its_kind(server: ScriptedServer) -> None:
    async with server.presence() as presence, presence.room("r") as room:
        events = room.events()
        server.socket.close(4001, "elsewhere")
        await settle()
        assert state(presence) == "closed"
        with pytest.raises(Superseded):
            await anext(events)
        with pytest.raises(Superseded):
            await presence.set_status("busy")
        await server.time.advance(60)
        assert len(server.attempts) == 1


# Coming back


async def test_it_comes_back_and_resumes_where_it_was(server: ScriptedServer) -> None:
    async with server.presence() as presence, presence.room("r") as room:
        server.delta("r", 1, "bob")
        await settle()
        server.socket.close(None, "broken")
        await settle()
        assert state(presence) == "reconnecting"
        assert room.is_stale
        await server.time.advance(0.125)
        assert state(presence) == "connected"
        hello = server.socket.said[0]
        assert hello["resume"] == "secret"
        assert hello["seen"] == {"r": ["e1", 2]}
        assert server.socket.heard("join") == []
        assert [member.user_id for member in room.members] == ["ada", "bob"]


async def test_a_new_session_joins_and_watches_again_with_the_newest_state(server: ScriptedServer) -> None:
    async with (
        server.presence() as presence,
        presence.room("r", state={"page": 1, "draft": True}) as room,
        presence.watch(rooms=["w"], users=["bob"]),
        presence.watch(rooms=["c"], mode="count"),
    ):
        await room.update(page=2, draft=None)
        events = room.events()
        server.resumes = False
        server.socket.close(4201, "no sign of life")
        await server.time.advance(1)
        (join,) = server.socket.heard("join")
        assert (join["room"], join["state"]) == ("r", {"page": 2})
        watches = server.socket.heard("watch")
        assert [(w.get("rooms"), w.get("users"), w.get("mode", "roster")) for w in watches] == [
            (["c"], None, "count"), (["w"], None, "roster"), (None, ["bob"], "roster"),
        ]  # fmt: skip
        server.snapshot("r", "bob", seq=5)
        await settle()
        assert await anext(events) == Joined(room.members[1], "r"), "only what is different is told"


async def test_the_waits_double_and_a_good_connection_forgets_them(server: ScriptedServer) -> None:
    async with server.presence() as presence:
        server.is_up = False
        server.socket.close(None, "broken")
        await server.time.advance(60)
        waits = [round(b - a, 3) for a, b in zip(server.attempts[1:], server.attempts[2:], strict=False)]
        assert waits == [0.25, 0.5, 1, 2, 4, 8, 15, 15]
        server.is_up = True
        await server.time.advance(30)
        assert state(presence) == "connected"
        lost_at = server.time.now
        server.socket.close(None, "broken")
        await server.time.advance(15)
        assert server.attempts[-1] - lost_at == pytest.approx(0.125)


async def test_a_connection_that_never_lasts_is_backed_off_from(server: ScriptedServer) -> None:
    async with server.presence():
        for _ in range(4):
            before = len(server.attempts)
            server.socket.close(4203, "overloaded")
            while len(server.attempts) == before:
                await server.time.advance(0.05)
        assert server.attempts[-1] - server.attempts[-2] >= 1


async def test_a_drain_is_waited_out(server: ScriptedServer) -> None:
    async with server.presence():
        server.socket.tell("reconnect", after_seconds=3, reason="drain")
        server.socket.close(4200, "drain")
        await server.time.advance(2.9)
        assert len(server.attempts) == 1
        await server.time.advance(1)
        assert len(server.attempts) == 2


async def test_a_request_outlives_its_connection(server: ScriptedServer) -> None:
    async with server.presence() as presence:
        server.silent = {"status"}
        asking = asyncio.create_task(presence.set_status("dnd", text="exam"))
        await settle()
        server.silent = set()
        server.socket.close(None, "broken")
        await server.time.advance(1)
        await asking
        assert server.socket.heard("status")[0]["text"] == "exam"


async def test_a_request_has_its_time(server: ScriptedServer) -> None:
    async with server.presence(timeout_seconds=4) as presence:
        server.silent = {"status"}
        asking = asyncio.create_task(presence.set_status("dnd"))
        await server.time.advance(4)
        with pytest.raises(TimeoutError, match="the answer to status did not come within 4 s"):
            await asking


async def test_a_refusal_tells_all_that_the_server_told(server: ScriptedServer) -> None:
    async with server.presence() as presence:
        server.refuses = {"join": "room_full"}
        with pytest.raises(Refused) as caught:
            async with presence.room("r"):
                pass
        error = caught.value
        assert (error.code, error.message, error.limit, error.retry_after_seconds) == ("room_full", "no", "some", 2)


async def test_a_room_that_is_not_given_back_ends_its_readers(server: ScriptedServer) -> None:
    async with server.presence() as presence, presence.room("r") as room:
        events = room.events()
        server.resumes, server.refuses = False, {"join": "forbidden"}
        server.socket.close(4201, "expired")
        await server.time.advance(1)
        with pytest.raises(Refused, match="forbidden"):
            await anext(events)


async def test_a_room_left_while_away_is_left_on_return(server: ScriptedServer) -> None:
    async with server.presence() as presence:
        async with presence.room("r"):
            server.socket.close(None, "broken")
            await settle()
        await server.time.advance(1)
        assert [message["room"] for message in server.socket.heard("leave")] == ["r"]


# Tokens


async def test_a_refused_token_that_cannot_be_renewed_is_final(server: ScriptedServer) -> None:
    server.turns_away = 4100
    with pytest.raises(TokenRefused, match="this token does not verify"):
        await server.presence().open()


async def test_a_refused_token_is_replaced(server: ScriptedServer) -> None:
    tokens = iter(["old", "new"])
    server.turns_away = 4100
    opening = asyncio.create_task((presence := server.presence(lambda: next(tokens))).open())
    await settle()
    server.turns_away = None
    await server.time.advance(1)
    await opening
    assert server.socket.said[0]["token"] == "new"
    await presence.close()


async def test_a_token_is_replaced_before_it_runs_out_without_a_bounce(server: ScriptedServer) -> None:
    tokens = iter([jwt(600), jwt(1200, "second"), jwt(1800, "third")])

    async def fetch() -> str:
        return next(tokens)

    async with server.presence(fetch):
        await server.time.advance(569)
        assert server.socket.heard("refresh") == []
        await server.time.advance(2)
        (refresh,) = server.socket.heard("refresh")
        assert refresh["token"] == jwt(1200, "second")
        await server.time.advance(600)
        assert len(server.socket.heard("refresh")) == 2
        assert len(server.sockets) == 1


async def test_a_callable_that_fails_is_asked_again(server: ScriptedServer) -> None:
    answers: list[str | Exception] = [OSError("the login is down"), "good"]

    def fetch() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    opening = asyncio.create_task((presence := server.presence(fetch)).open())
    await server.time.advance(1)
    await opening
    assert server.socket.said[0]["token"] == "good"
    await presence.close()


# Beats


async def test_it_beats_as_the_policy_says(server: ScriptedServer) -> None:
    async with server.presence() as presence:
        await server.time.advance(61)
        assert len(server.socket.heard("beat")) == 3
        presence.set_visible(False)
        await settle()
        assert server.socket.heard("beat")[-1] == {"type": "beat", "visible": False}
        await server.time.advance(59)
        assert len(server.socket.heard("beat")) == 4
        server.socket.tell("policy", policy={**POLICY, "beat_hidden_seconds": 5})
        await server.time.advance(11)
        assert len(server.socket.heard("beat")) == 6


async def test_input_is_told_with_the_next_beat_and_after_a_while_at_once(server: ScriptedServer) -> None:
    async with server.presence() as presence:
        await server.time.advance(5)
        presence.set_active()
        await server.time.advance(14)
        assert server.socket.heard("beat") == []
        await server.time.advance(2)
        assert server.socket.heard("beat")[-1] == {"type": "beat", "visible": True, "active": True}
        await server.time.advance(60)
        assert "active" not in server.socket.heard("beat")[-1]
        beats = len(server.socket.heard("beat"))
        presence.set_active()
        await settle()
        assert len(server.socket.heard("beat")) == beats + 1


async def test_a_beat_without_an_answer_ends_the_connection(server: ScriptedServer) -> None:
    async with server.presence() as presence:
        dead = server.socket
        server.answers_beats = False
        await server.time.advance(24.9)
        assert not dead.is_dropped
        await server.time.advance(0.2)
        assert dead.is_dropped
        server.answers_beats = True
        await server.time.advance(1)
        assert state(presence) == "connected"
        assert server.socket.said[0]["resume"] == "secret"


async def test_any_frame_is_a_sign_of_life(server: ScriptedServer) -> None:
    async with server.presence():
        server.answers_beats = False
        await server.time.advance(21)
        server.socket.tell("something_new", of="a later version")
        server.socket.tell("restored")
        await server.time.advance(10)
        assert len(server.sockets) == 1


# Rooms and users


async def test_a_gap_is_mended_by_one_sync(server: ScriptedServer) -> None:
    async with server.presence() as presence, presence.room("r") as room:
        server.silent = {"sync"}
        server.delta("r", 5, "bob")
        server.delta("r", 6, "cat")
        await settle()
        assert room.is_stale
        assert [message["room"] for message in server.socket.heard("sync")] == ["r"]
        server.snapshot("r", "bob", "cat", seq=7)
        await settle()
        assert not room.is_stale
        assert room.count == 3


async def test_a_sync_that_is_refused_for_now_is_asked_again(server: ScriptedServer) -> None:
    async with server.presence() as presence, presence.room("r") as room:
        server.refuses = {"sync": "rate_limited"}
        server.delta("r", 5, "bob")
        await server.time.advance(1)
        server.refuses = {}
        await server.time.advance(2)
        assert len(server.socket.heard("sync")) == 2
        assert not room.is_stale


async def test_typing_is_told_no_more_often_than_needed(server: ScriptedServer) -> None:
    async with server.presence() as presence, presence.room("r") as room:
        for _ in range(8):
            await room.set_typing(True)
            await server.time.advance(0.5)
        await room.set_typing(False)
        await room.set_typing(False)
        await settle()
        assert [message["on"] for message in server.socket.heard("typing")] == [True, True, False]


async def test_two_uses_of_a_room_are_one_membership(server: ScriptedServer) -> None:
    async with server.presence() as presence, presence.room("r") as room:
        async with presence.room("r") as again:
            assert again.members == room.members
        assert server.socket.heard("leave") == []
        assert room.self is not None
    assert len(server.socket.heard("leave")) == 1


async def test_a_slow_reader_is_told_to_look_anew(server: ScriptedServer) -> None:
    async with server.presence() as presence, presence.room("r") as room:
        events = room.events()
        for seq in range(1, 1_500):
            server.delta("r", seq, f"user{seq}")
        await settle()
        assert await anext(events) == Synced("r")
        assert len(room.members) == 1_500


async def test_watching_begins_with_what_is_there(server: ScriptedServer) -> None:
    async with server.presence() as presence:
        watch = presence.watch(users=["bob", "cat"])
        events = aiter(watch)
        first = await anext(events)
        assert isinstance(first, UserChanged) and first.user.user_id == "bob"
        assert [user.user_id for user in watch.users] == ["bob", "cat"]
        await events.aclose()  # type: ignore[attr-defined]
        await settle()
        assert server.socket.heard("unwatch")[0]["users"] == ["bob", "cat"]


async def test_what_another_watch_needs_is_not_unwatched(server: ScriptedServer) -> None:
    async with server.presence() as presence, presence.watch(rooms=["a", "b"], users=["bob"]) as kept:
        async with presence.watch(rooms=["b", "c"], users=["bob", "cat"]):
            pass
        (unwatch,) = server.socket.heard("unwatch")
        assert (unwatch["rooms"], unwatch["users"]) == (["c"], ["cat"])
        assert kept.count("b") == 1
        with pytest.raises(KeyError):
            kept.members("c")


async def test_outside_its_block_a_room_says_so(server: ScriptedServer) -> None:
    async with server.presence() as presence:
        room = presence.room("r")
        with pytest.raises(Closed, match="is not joined"):
            _ = room.members
        with pytest.raises(Closed, match="not open"):
            presence.watch(rooms=["r"]).events()


async def test_an_ended_session_is_an_ended_session(server: ScriptedServer) -> None:
    server.turns_away = 4004
    with pytest.raises(SessionEnded) as caught:
        await server.presence().open()
    assert caught.value.number == 4004


async def test_a_room_left_while_away_but_still_watched_is_left_on_return(server: ScriptedServer) -> None:
    async with server.presence() as presence, presence.watch(rooms=["r"]):
        async with presence.room("r"):
            server.socket.close(None, "broken")
            await settle()
        await server.time.advance(1)
        assert [message["room"] for message in server.socket.heard("leave")] == ["r"]
        assert [message["rooms"] for message in server.socket.heard("watch")] == [["r"]]


async def test_input_while_away_is_told_with_the_hello_and_old_input_is_not(server: ScriptedServer) -> None:
    async with server.presence() as presence:
        assert server.socket.said[0].get("active", True) is True
        server.socket.close(None, "broken")
        await server.time.advance(1)
        assert server.socket.said[0]["active"] is False
        server.socket.close(None, "broken")
        await settle()
        presence.set_active()
        await server.time.advance(1)
        assert server.socket.said[0].get("active", True) is True


@pytest.mark.parametrize(("seconds", "is_told"), [(200, True), (400, False)], ids=["at work", "long idle"])
async def test_a_server_that_begins_anew_is_told_who_was_just_at_work(
    server: ScriptedServer, seconds: float, is_told: bool
) -> None:
    async with server.presence() as presence:
        await server.time.advance(30)
        presence.set_active()
        await server.time.advance(seconds)
        server.resumes = False
        server.socket.close(None, "broken")
        await server.time.advance(1)
        assert server.socket.said[0]["active"] is False
        assert [beat.get("active") for beat in server.socket.heard("beat")] == ([True] if is_told else [])


async def test_who_resumes_tells_nothing_twice(server: ScriptedServer) -> None:
    async with server.presence() as presence:
        server.socket.close(None, "broken")
        await server.time.advance(1)
        assert server.socket.heard("beat") == []
        presence.set_active()
        await settle()
        assert [beat["active"] for beat in server.socket.heard("beat")] == [True]


async def test_a_watch_that_is_refused_leaves_nothing_behind(server: ScriptedServer) -> None:
    async with server.presence() as presence:
        server.refuses = {"watch": "forbidden"}
        with pytest.raises(Refused):
            await presence.watch(rooms=["r"], users=["bob"]).open()
        server.refuses = {}
        server.socket.close(None, "broken")
        await server.time.advance(1)
        assert server.socket.heard("watch") == []
