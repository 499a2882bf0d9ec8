"""The client's small parts: back-off, codes, tokens, readers, addresses, and HTTP calls against a server in memory."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hereabouts.client as client
from hereabouts.client import AsyncPresenceServer, Closed, CountChanged, Reading, Refused, RoomEvent, Synced
from hereabouts.client.http import AsyncCalls, http_url, socket_url
from hereabouts.client.refusals import Cleared, Revoked, SessionEnded, Superseded, ended
from hereabouts.client.returning import MOST_SECONDS, STABLE_SECONDS, BackOff, verdict
from hereabouts.client.threads import LoopThread
from hereabouts.client.tokens import Tokens, expires_at, renew_in_seconds
from hereabouts.protocol.codes import CLOSE_CODES


@pytest.mark.parametrize("code", CLOSE_CODES, ids=lambda code: code.name)
def test_a_client_comes_back_when_the_code_says_so(code: Any) -> None:
    assert (verdict(code.number) != "stop") == code.comes_back
    assert (verdict(code.number) == "new_token") == (4100 <= code.number < 4200)


def test_a_connection_that_broke_is_tried_again() -> None:
    assert verdict(None) == "again"


def test_each_end_has_its_exception() -> None:
    assert [type(ended(number, "")) for number in (4000, 4001, 4002, 4003, 4004)] == [
        SessionEnded, Superseded, Revoked, Cleared, SessionEnded,
    ]  # fmt: skip
    assert (ended(4002, "gone").number, ended(4002, "gone").reason) == (4002, "gone")


@given(st.lists(st.one_of(st.none(), st.floats(0, 100)), max_size=50), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_longer_than_its_bound(lives: list[float | None], chance: float) -> None:
    back_off, failures = BackOff(lambda: chance), 0
    for lived_seconds in lives:
        if lived_seconds is not None:
            back_off.lost(lived_seconds)
            failures = 0 if lived_seconds >= STABLE_SECONDS else failures
        wait = back_off.next_seconds()
        assert wait == chance * min(MOST_SECONDS, 0.25 * 2**failures)
        failures += 1


# Tokens


def jwt(claims: object) -> str:
    return f"h.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.s"


@pytest.mark.parametrize(
    ("token", "at"),
    [
        (jwt({"exp": 1_800_000_000}), 1_800_000_000_000),
        (jwt({"exp": 1_800_000_000.5}), 1_800_000_000_500),
        (jwt({}), None),
        (jwt([1]), None),
        (jwt({"exp": "soon"}), None),
        ("dev:ada", None),
        ("a.b.c", None),
        ("h.\u00e9.s", None),
    ],
)
def test_when_a_token_runs_out(token: str, at: int | None) -> None:
    assert expires_at(token) == at


def test_a_token_is_replaced_early() -> None:
    token = jwt({"exp": 1_000})
    assert renew_in_seconds(token, 0) == 970
    assert renew_in_seconds(token, 950_000) == 40
    assert renew_in_seconds(token, 2_000_000) == 0
    assert renew_in_seconds("dev:ada", 0) is None


async def test_a_callable_gives_each_new_token() -> None:
    given = iter(["one", "two", "three"])
    tokens = Tokens(lambda: next(given))
    assert [await tokens.current(), await tokens.current(), await tokens.renew()] == ["one", "one", "two"]
    tokens.spoil()
    assert await tokens.current() == "three"


async def test_a_string_stays_what_it_is() -> None:
    tokens = Tokens("one")
    tokens.spoil()
    assert not tokens.can_renew
    assert [await tokens.current(), await tokens.renew()] == ["one", "one"]


# Readers


async def test_a_reader_gets_everything_in_order_and_then_the_end() -> None:
    reading: Reading[RoomEvent] = Reading(Synced("r"))
    for number in range(3):
        reading.put(CountChanged(number))
    reading.end()
    reading.put(CountChanged(9))
    assert [event async for event in reading] == [CountChanged(0), CountChanged(1), CountChanged(2)]


async def test_a_reader_waits_for_what_comes() -> None:
    reading: Reading[RoomEvent] = Reading(Synced("r"))
    coming = asyncio.ensure_future(anext(reading))
    await asyncio.sleep(0)
    assert not coming.done()
    reading.put(CountChanged(1))
    assert await coming == CountChanged(1)


async def test_what_is_too_much_becomes_one_event() -> None:
    reading: Reading[RoomEvent] = Reading(Synced("r"), most=3)
    for number in range(4):
        reading.put(CountChanged(number))
    reading.put(CountChanged(4))
    reading.end(ValueError("over"))
    assert [await anext(reading), await anext(reading)] == [Synced("r"), CountChanged(4)]
    for _ in range(2):
        with pytest.raises(ValueError, match="over"):
            await anext(reading)


# Addresses and calls


def test_one_address_serves_for_both() -> None:
    assert socket_url("https://here.example/presence/") == "wss://here.example/presence/v1/ws"
    assert socket_url("ws://here.example/v1/ws") == "ws://here.example/v1/ws"
    assert http_url("wss://here.example/v1/ws") == "https://here.example"
    with pytest.raises(ValueError, match="begins with http"):
        socket_url("here.example")


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    return httpx.MockTransport(answer)


async def test_many_users_are_asked_for_in_parts() -> None:
    sizes = []

    def answer(request: httpx.Request) -> httpx.Response:
        ids = json.loads(request.content)["ids"]
        sizes.append(len(ids))
        return httpx.Response(200, json={"users": [{"user_id": user_id, "status": "offline"} for user_id in ids]})

    async with AsyncPresenceServer("http://here.example/base", "hk_key", transport=answering(answer)) as server:
        found = await server.users(f"user{number}" for number in range(1_001))
    assert sizes == [500, 500, 1]
    assert [user.user_id for user in found] == [f"user{number}" for number in range(1_001)]


async def test_a_call_says_who_calls_and_for_whom() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"room": "doc:a/b", "count": 2, "as_of_at": 1})

    server = AsyncPresenceServer("https://here.example/base", "hk_key", tenant="acme", transport=answering(answer))
    assert (await server.count("doc:a/b")).count == 2
    await server.close()
    (request,) = seen
    assert request.url.raw_path == b"/base/v1/rooms/doc%3Aa%2Fb/count"
    assert (request.headers["Authorization"], request.headers["X-Tenant"]) == ("Bearer hk_key", "acme")


async def test_a_refused_call_tells_why() -> None:
    problem = {"title": "t", "status": 429, "code": "rate_limited", "detail": "too often", "retry_after_seconds": 2}
    answers = iter([httpx.Response(429, json=problem), httpx.Response(502, text="bad gateway")])
    async with AsyncPresenceServer(
        "http://here.example", "hk_k", transport=answering(lambda _: next(answers))
    ) as calls:
        with pytest.raises(Refused) as caught:
            await calls.user("ada")
        assert (caught.value.code, caught.value.message, caught.value.retry_after_seconds) == (
            "rate_limited", "too often", 2,
        )  # fmt: skip
        with pytest.raises(Refused, match="internal: HTTP 502"):
            await calls.user("ada")


async def test_a_refused_token_is_renewed_once() -> None:
    bearers = []

    def answer(request: httpx.Request) -> httpx.Response:
        bearers.append(request.headers["Authorization"])
        return httpx.Response(401, json={"code": "token_expired", "detail": "ran out"})

    given = iter(["old", "new", "newest"])
    calls = AsyncCalls("http://here.example", Tokens(lambda: next(given)), 1.0, transport=answering(answer))
    with pytest.raises(Refused, match="token_expired"):
        await calls.call("GET", "/v1/users/ada", object)
    await calls.close()
    assert bearers == ["Bearer old", "Bearer new"]


async def test_a_call_that_is_not_answered_in_time_says_so() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    async with AsyncPresenceServer("http://here.example", "hk_k", transport=answering(answer)) as calls:
        with pytest.raises(TimeoutError, match="GET /v1/users/ada was not answered within 10 s"):
            await calls.user("ada")


# The thread


def test_a_thread_runs_until_it_is_stopped() -> None:
    thread = LoopThread()

    async def name() -> str:
        return threading.current_thread().name

    assert thread.run(name()) == "hereabouts"
    thread.stop()
    thread.stop()
    with pytest.raises(Closed):
        thread.run(name())


# The package


def test_every_public_name_is_there() -> None:
    assert [name for name in client.__all__ if not hasattr(client, name)] == []
