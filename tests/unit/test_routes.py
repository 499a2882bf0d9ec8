"""The typed-route layer: what it decodes, and what it refuses before a call is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import httpx
import pytest
from msgspec import Struct
from starlette.applications import Starlette
from starlette.types import Scope

from hereabouts.errors import JournalUnavailable, Refusal, StoreUnavailable
from hereabouts.gateway.problems import problem_response
from hereabouts.routes import JSON, TEXT, Asked, Call, Nothing, Routes, split_path
from hereabouts.runtime.callers import ANYBODY, Access, Caller, Callers


class Params(Struct):
    id: str
    limit: int = 10


class Body(Struct):
    word: str
    times: int = 1


class Answer(Struct):
    said: str


class Everybody:
    """Admits everybody, and notes who was asked to be."""

    def __init__(self) -> None:
        self.asked: list[Access] = []

    async def admit(self, access: Access, headers: Mapping[str, str]) -> Caller:
        self.asked.append(access)
        if "x-refuse" in headers:
            raise Refusal("unauthenticated", "who are you")
        return ANYBODY


PATH: Call[Params, Nothing] = Call(
    name="path",
    method="GET",
    path="/things/{id}",
    summary="",
    access="reader",
    params=Params,
    body=Nothing,
    answer=Answer,
)
SAY: Call[Nothing, Body] = Call(
    name="say", method="POST", path="/say", summary="", access="anybody", params=Nothing, body=Body, answer=Answer
)
BEACON: Call[Nothing, Body] = Call(
    name="beacon",
    method="POST",
    path="/beacon",
    summary="",
    access="anybody",
    params=Nothing,
    body=Body,
    body_types=(TEXT, JSON),
    reads=lambda text: b'{"word":"%b"}' % text,
)
FAILING: Call[Nothing, Nothing] = Call(
    name="failing", method="GET", path="/failing", summary="", access="anybody", params=Nothing, body=Nothing
)


class Bench:
    """An application of the calls above. `fault` is what `/failing` raises."""

    def __init__(self) -> None:
        self.everybody = Everybody()
        self.failed: list[BaseException] = []
        self.fault: Exception = ValueError("secret details")
        routes = Routes(
            cast(Callers, self.everybody), body_bytes=200, depth=4, refused=problem_response, failed=self.failed.append
        )
        bounds = [PATH.to(self._path), SAY.to(self._say), BEACON.to(self._beacon), FAILING.to(self._fail)]
        app = Starlette(routes=routes.of(bounds))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")

    async def _path(self, asked: Asked[Params, Nothing]) -> Answer:
        return Answer(f"{asked.params.id} {asked.params.limit}")

    async def _say(self, asked: Asked[Nothing, Body]) -> Answer:
        return Answer(asked.body.word * asked.body.times)

    async def _beacon(self, asked: Asked[Nothing, Body]) -> None:
        assert asked.body.word

    async def _fail(self, asked: Asked[Nothing, Nothing]) -> None:
        raise self.fault


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_parameters_come_typed_from_path_and_query(bench: Bench) -> None:
    assert (await bench.http.get("/things/a?limit=3")).json() == {"said": "a 3"}
    assert (await bench.http.get("/things/a?other=3")).json() == {"said": "a 10"}
    assert bench.everybody.asked == ["reader", "reader"]


@pytest.mark.parametrize("query", ["limit=many", "limit=1.5", "limit=", "limit=1&limit=2"])
async def test_a_query_that_is_wrong_is_refused(bench: Bench, query: str) -> None:
    answer = await bench.http.get(f"/things/a?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_comes_typed(bench: Bench) -> None:
    assert (await bench.http.post("/say", json={"word": "ha", "times": 2, "new": 1})).json() == {"said": "haha"}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"word":1}',
        b'{"word":"a","word":"b"}',
        b'{"word":"a","x":NaN}',
        b'{"word":"a","x":[[[[[]]]]]}',
        b'{"word":"a","times":99999999999999999999}',
        b'{"word":"\\ud800"}',
        b'{"word":"\xff"}',
    ],
)
async def test_a_body_that_is_wrong_is_refused(bench: Bench, text: bytes) -> None:
    answer = await bench.http.post("/say", content=text, headers={"Content-Type": JSON})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_a_body_over_the_limit_is_refused_told_or_not(bench: Bench) -> None:
    async def chunks() -> Any:
        for _ in range(10):
            yield b" " * 50

    for content in (b" " * 201, chunks()):
        answer = await bench.http.post("/say", content=content, headers={"Content-Type": JSON})
        assert (answer.status_code, answer.json()["limit"]) == (413, "frame_bytes")


async def test_a_body_of_another_kind_is_refused(bench: Bench) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await bench.http.post("/say", content=b"{}", headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["code"]) == (400, "unsupported")


async def test_a_beacon_may_be_text(bench: Bench) -> None:
    answer = await bench.http.post("/beacon", content=b"hello", headers={"Content-Type": "text/plain;charset=UTF-8"})
    assert (answer.status_code, answer.content) == (204, b"")


async def test_who_is_not_admitted_is_told_so_before_anything_is_read(bench: Bench) -> None:
    answer = await bench.http.get("/things/a?limit=x", headers={"X-Refuse": "1"})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_fault_of_ours_is_counted_and_tells_nothing(bench: Bench) -> None:
    answer = await bench.http.get("/failing")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert bench.failed == [bench.fault]


@pytest.mark.parametrize("fault", [StoreUnavailable("no answer"), JournalUnavailable("locked")])
async def test_a_store_that_does_not_answer_is_no_fault(bench: Bench, fault: Exception) -> None:
    bench.fault = fault
    answer = await bench.http.get("/failing")
    assert (answer.status_code, answer.json()["code"]) == (503, "degraded")
    assert answer.headers["retry-after"] == "1"
    assert not bench.failed


def test_an_escaped_slash_is_part_of_a_name() -> None:
    scope: Scope = {"path": "/v1/rooms/a/b/count", "raw_path": b"/v1/rooms/a%2fb/count"}
    split_path(scope)
    assert scope["path"].count("/") == 4
    scope = {"path": "/v1/rooms/a/count", "raw_path": b"/v1/rooms/a/count"}
    split_path(scope)
    assert scope["path"] == "/v1/rooms/a/count"


def test_a_call_knows_what_it_may_refuse_with() -> None:
    assert set(SAY.all_codes) == {"internal", "bad_request", "too_large", "unsupported"}
    assert {"unauthenticated", "token_expired", "forbidden"} <= set(PATH.all_codes)
    assert (SAY.status, BEACON.status) == (200, 204)
