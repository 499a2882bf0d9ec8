"""The resolver of the host: what it says is kept for a while, and whatever goes wrong with it grants nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from hereabouts.auth.resolver import ANSWER_BYTES, Resolver
from hereabouts.errors import ConfigError

URL = "https://host.example/watched"


class Host:
    """What the resolver talks to, and the clock. `answer` is made anew for each question."""

    def __init__(self, answer: Callable[[], httpx.Response] | None = None, *, timeout_seconds: float = 5) -> None:
        self.answer = answer or (lambda: httpx.Response(200, json={"watched": ["kid"]}))
        self.questions: list[httpx.Request] = []
        self.tick = 0.0
        self.is_stuck = False
        self.resolver = Resolver(
            URL,
            timeout_seconds=timeout_seconds,
            cache_seconds=30,
            tick=lambda: self.tick,
            secret="for the host",
            transport=httpx.MockTransport(self._take),
        )

    async def _take(self, request: httpx.Request) -> httpx.Response:
        self.questions.append(request)
        if self.is_stuck:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        answer = self.answer()
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content))

    async def ask(self, watcher: str = "mum") -> frozenset[str]:
        return await self.resolver.watched_by("default", watcher)


async def test_it_is_asked_by_post_with_the_secret_and_the_watcher() -> None:
    host = Host()
    assert await host.ask() == {"kid"}
    (question,) = host.questions
    assert (question.method, str(question.url)) == ("POST", URL)
    assert question.headers["authorization"] == "Bearer for the host"
    assert json.loads(question.content) == {"tenant": "default", "watcher": "mum"}
    await host.resolver.close()


async def test_an_answer_is_good_for_the_cache_time_and_for_one_watcher() -> None:
    host = Host()
    await host.ask()
    host.tick = 29.9
    await host.ask()
    assert len(host.questions) == 1
    await host.ask("dad")
    host.tick = 30
    host.answer = lambda: httpx.Response(200, json={"watched": []})
    assert await host.ask() == frozenset()
    assert len(host.questions) == 3
    assert host.resolver.results == {"answered": 3}
    await host.resolver.close()


async def test_all_who_want_to_know_at_once_ask_once() -> None:
    host = Host()
    assert await asyncio.gather(*(host.ask() for _ in range(20))) == [{"kid"}] * 20
    assert len(host.questions) == 1
    await host.resolver.close()


def refused() -> httpx.Response:
    raise httpx.ConnectError("no")


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        ("down", refused),
        ("down", lambda: httpx.Response(503)),
        ("lying", lambda: httpx.Response(302, headers={"location": "https://elsewhere.example"})),
        ("lying", lambda: httpx.Response(404)),
        ("lying", lambda: httpx.Response(200, text="<html>")),
        ("lying", lambda: httpx.Response(200, content=b"\xff\xfe")),
        ("lying", lambda: httpx.Response(200, json={"watched": "kid"})),
        ("lying", lambda: httpx.Response(200, json={"watched": [7]})),
        ("lying", lambda: httpx.Response(200, json={"watched": ["two words"]})),
        ("lying", lambda: httpx.Response(200, json=["kid"])),
        ("lying", lambda: httpx.Response(200, text='{"watched": ["kid"], "watched": ["boss"]}')),
        ("lying", lambda: httpx.Response(200, content=b'{"watched": []}' + b" " * ANSWER_BYTES)),
    ],
)
async def test_what_is_no_answer_grants_nothing_and_is_counted(
    result: str, answer: Callable[[], httpx.Response]
) -> None:
    host = Host(answer)
    assert await host.ask() == frozenset()
    assert host.resolver.results == {result: 1}
    await host.resolver.close()


async def test_a_late_answer_is_none() -> None:
    host = Host(timeout_seconds=0.05)
    host.is_stuck = True
    assert await host.ask() == frozenset()
    assert host.resolver.results == {"late": 1}
    await host.resolver.close()


async def test_after_a_failure_it_is_asked_again_soon_but_not_at_once() -> None:
    host = Host(lambda: httpx.Response(500))
    await host.ask()
    await host.ask()
    assert len(host.questions) == 1
    host.tick, host.answer = 2, lambda: httpx.Response(200, json={"watched": ["kid"]})
    assert await host.ask() == {"kid"}
    await host.resolver.close()


async def test_an_answer_that_ran_out_is_not_good_while_the_host_is_down() -> None:
    host = Host()
    await host.ask()
    host.tick, host.answer = 31, refused
    assert await host.ask() == frozenset()
    await host.resolver.close()


async def test_one_who_stops_waiting_takes_the_answer_from_nobody() -> None:
    host = Host()
    hasty, patient = asyncio.create_task(host.ask()), asyncio.create_task(host.ask())
    await asyncio.sleep(0)
    hasty.cancel()
    assert await patient == {"kid"}
    await host.resolver.close()


@pytest.mark.parametrize("url", ["http://host.example/", "ftp://host.example/", "https://", "https://a:b@host.example"])
def test_only_https_or_this_machine_is_asked(url: str) -> None:
    settings: dict[str, Any] = {"timeout_seconds": 1, "cache_seconds": 1, "tick": lambda: 0.0}
    with pytest.raises(ConfigError, match=r"auth\.resolver_url"):
        Resolver(url, **settings)
    Resolver("http://127.0.0.1:1/", **settings)
