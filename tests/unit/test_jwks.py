"""Keys from a URL: how often, how much, how long; through rotation and outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from hereabouts.auth.config import AuthConfig
from hereabouts.auth.jwks import SET_BYTES, UrlKeys
from hereabouts.auth.tokens import JwtVerifier, jwt_verifier
from hereabouts.errors import ConfigError, Refusal
from hereabouts.testing.issuer import Issuer, jwks

NOW = 1_800_000_000
URL = "https://id.example/keys"
FIRST, SECOND = Issuer("ES256", kid="first"), Issuer("ES256", kid="second")


class KeyServer(httpx.AsyncBaseTransport):
    """Stands for the network: counts what is asked and answers as it is told, when `gate` is open."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answer: Callable[[], httpx.Response] = lambda: self.keys(FIRST)
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.asked.set()
        await self.gate.wait()
        return self.answer()

    def keys(self, *issuers: Issuer) -> httpx.Response:
        return self.text(jwks(*(issuer.public_jwk() for issuer in issuers)))

    def text(self, text: bytes, status: int = 200) -> httpx.Response:
        return httpx.Response(status, stream=httpx.ByteStream(text))

    def serve(self, *issuers: Issuer) -> None:
        self.answer = lambda: self.keys(*issuers)

    def fail(self) -> None:
        def raising() -> httpx.Response:
            raise httpx.ConnectError("nobody there")

        self.answer = raising


class World:
    """A verifier, its key server and its clock."""

    def __init__(self) -> None:
        self.server = KeyServer()
        self.now = float(NOW)
        config = AuthConfig(algorithms=("ES256",), jwks_url=URL, issuer="idp", audience="here")
        self.verifier: JwtVerifier = jwt_verifier(config, lambda: self.now, transport=self.server)

    def token(self, issuer: Issuer, **header: str | None) -> str:
        return issuer.sign({"sub": "ada", "exp": NOW + 10**6, "iss": "idp", "aud": "here"}, **header)

    async def takes(self, issuer: Issuer) -> bool:
        try:
            return (await self.verifier.verify(self.token(issuer))).user_id == "ada"
        except Refusal as refusal:
            assert refusal.code == "unauthenticated"
            return False

    async def settled(self) -> None:
        """Wait until the fetch under way, if any, has ended."""
        fetches = [task for task in asyncio.all_tasks() if task.get_name() == "jwks"]
        if fetches:
            _, late = await asyncio.wait(fetches, timeout=2)
            assert not late


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.verifier.close()


async def test_keys_are_fetched_once_for_everybody(world: World) -> None:
    assert all(await asyncio.gather(*(world.takes(FIRST) for _ in range(100))))
    assert len(world.server.requests) == 1
    request = world.server.requests[0]
    assert (request.method, str(request.url)) == ("GET", URL)
    assert request.headers["accept-encoding"] == "identity"


async def test_a_new_key_is_fetched_when_a_token_names_it(world: World) -> None:
    await world.verifier.open()
    world.server.serve(FIRST, SECOND)
    world.now += 61
    assert await world.takes(SECOND)
    assert len(world.server.requests) == 2


async def test_unknown_kids_cause_one_fetch_a_minute(world: World) -> None:
    await world.verifier.open()
    for minute in range(3):
        for n in range(100):
            with pytest.raises(Refusal):
                await world.verifier.verify(world.token(SECOND, kid=f"made-up-{n}"))
        assert len(world.server.requests) == 1 + minute
        world.now += 60


async def test_a_known_key_does_not_wait_for_a_fetch_that_hangs(world: World) -> None:
    await world.verifier.open()
    world.now += 61
    world.server.gate.clear()
    waiting = asyncio.create_task(world.takes(SECOND))
    await asyncio.sleep(0)
    with pytest.raises(StopIteration):
        world.verifier.verify(world.token(FIRST)).send(None)
    world.server.serve(FIRST, SECOND)
    world.server.gate.set()
    assert await waiting


async def test_one_who_stops_waiting_does_not_take_the_fetch_from_the_others(world: World) -> None:
    world.server.gate.clear()
    first, second = asyncio.create_task(world.takes(FIRST)), asyncio.create_task(world.takes(FIRST))
    await asyncio.wait_for(world.server.asked.wait(), timeout=2)
    first.cancel()
    await asyncio.wait((first,))
    world.server.gate.set()
    assert first.cancelled()
    assert await second
    assert len(world.server.requests) == 1


async def test_old_keys_serve_through_an_outage_and_health_tells_their_age(world: World) -> None:
    await world.verifier.open()
    world.server.fail()
    world.now += 7200
    assert await world.takes(FIRST)
    await world.settled()
    assert len(world.server.requests) == 2
    assert await world.takes(FIRST)
    health = world.verifier.health()
    assert (health.is_ok, health.keys, health.age_seconds, health.problem) == (True, 1, 7200, "nobody there")
    world.server.serve(FIRST)
    world.now += 61
    assert await world.takes(FIRST)
    await world.settled()
    assert len(world.server.requests) == 3
    assert (world.verifier.health().age_seconds, world.verifier.health().problem) == (0, None)


async def test_a_key_that_was_taken_out_is_no_longer_good_after_an_hour(world: World) -> None:
    await world.verifier.open()
    world.server.serve(SECOND)
    world.now += 3599
    assert await world.takes(FIRST)
    assert len(world.server.requests) == 1
    world.now += 1
    assert await world.takes(FIRST)
    await world.settled()
    assert len(world.server.requests) == 2
    assert not await world.takes(FIRST)
    assert await world.takes(SECOND)


async def test_without_any_key_yet_nobody_comes_in_and_the_url_is_asked_every_5_seconds(world: World) -> None:
    world.server.fail()
    await world.verifier.open()
    assert not world.verifier.health().is_ok
    for _ in range(10):
        assert not await world.takes(FIRST)
    assert len(world.server.requests) == 1
    world.server.serve(FIRST)
    world.now += 5
    assert await world.takes(FIRST)
    assert world.verifier.health().is_ok


async def test_a_clock_that_was_set_back_does_not_stop_the_fetching(world: World) -> None:
    await world.verifier.open()
    world.server.serve(FIRST, SECOND)
    world.now -= 3600
    assert await world.takes(SECOND)


@pytest.mark.parametrize(
    ("status", "text", "problem"),
    [
        (200, b"<html>", "not JSON"),
        (200, b'{"keys":[]}', "it is empty"),
        (200, b" " * (SET_BYTES + 1), "over 262144 bytes"),
        (404, b"{}", "the answer was 404"),
        (302, b"", "redirects are not followed"),
        (500, b"", "the answer was 500"),
    ],
)
async def test_bad_answers_leave_the_keys_as_they_were(world: World, status: int, text: bytes, problem: str) -> None:
    await world.verifier.open()
    world.server.answer = lambda: world.server.text(text, status)
    world.now += 61
    assert not await world.takes(SECOND)
    assert await world.takes(FIRST)
    assert problem in str(world.verifier.health().problem)


async def test_a_redirect_is_not_followed(world: World) -> None:
    world.server.answer = lambda: httpx.Response(
        302, headers={"Location": "https://evil.example/keys"}, stream=httpx.ByteStream(b"")
    )
    assert not await world.takes(FIRST)
    assert [request.url.host for request in world.server.requests] == ["id.example"]


async def test_a_fetch_ends_after_its_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hereabouts.auth.jwks.FETCH_SECONDS", 0.02)
    world.server.gate.clear()
    async with asyncio.timeout(2):
        assert not await world.takes(FIRST)
    assert "within 0.02 s" in str(world.verifier.health().problem)


async def test_closing_ends_a_fetch_and_who_waits_for_it_is_refused(world: World) -> None:
    world.server.gate.clear()
    waiting = asyncio.create_task(world.takes(FIRST))
    await asyncio.wait_for(world.server.asked.wait(), timeout=2)
    async with asyncio.timeout(2):
        await world.verifier.close()
        assert not await waiting


@pytest.mark.parametrize(
    "url",
    ["http://id.example/keys", "ftp://id.example", "id.example/keys", "https://", "https://a:b@id.example", "http://[",
     "file:///etc/passwd", "http://10.0.0.1/", "http://localhost.evil.example/"],
)  # fmt: skip
async def test_urls_that_could_be_read_or_changed_on_the_way_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="jwks_url"):
        UrlKeys(url, ("ES256",), lambda: 0.0)


@pytest.mark.parametrize("url", [URL, "http://127.0.0.1:9/keys", "http://localhost/keys", "http://[::1]:9/keys"])
async def test_urls_that_are_taken(url: str) -> None:
    await UrlKeys(url, ("ES256",), lambda: 0.0).close()
