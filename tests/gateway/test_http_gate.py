"""Hosts, origins, preflights, headers and health, in dev and as served."""

from __future__ import annotations

from collections.abc import AsyncIterator
from secrets import token_bytes

import httpx
import pytest

from hereabouts.auth.api_keys import new_key
from hereabouts.journal.base import JournalHealth
from hereabouts.serving import Serving
from hereabouts.settings import load

METER = new_key("meter", ["metrics"], [], token_bytes)
PAGE = "https://app.example"
PROFILE = {
    "server": {"allowed_origins": [PAGE], "host": "127.0.0.1"},
    "journal": {"url": "none"},
    "policy": {"default": {"preset": "test"}},
    "auth": {
        "secret": "M8zq1vYx0cRb7uKd3nWf5tLh2pJg9sEa",
        "api_keys": [{"name": "meter", "hash": METER.line.split('hash = "')[1][:64], "scopes": ["metrics"]}],
    },
}


class Served:
    """A node behind its HTTP application, without a port."""

    def __init__(self, *, is_dev: bool) -> None:
        self.serving = Serving(load(None, PROFILE, environment={}), is_dev=is_dev)
        self.http = client(self.serving.app)
        self.internal = client(self.serving.internal_app)


def client(app: httpx.ASGITransport | object) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")  # type: ignore[arg-type]


@pytest.fixture(params=[False, True], ids=["serve", "dev"])
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    served = Served(is_dev=request.param)
    await served.serving.open()
    yield served
    await served.serving.close()


@pytest.fixture
async def public() -> AsyncIterator[Served]:
    """As `hereabouts serve` serves."""
    served = Served(is_dev=False)
    await served.serving.open()
    yield served
    await served.serving.close()


async def test_a_preflight_of_an_allowed_page_is_answered(served: Served) -> None:
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = await served.http.options("/v1/heartbeat", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    assert "origin" in answer.headers["vary"].lower()


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{PAGE}.evil.example", f"{PAGE}:8443", "http://app.example"]
)
async def test_another_page_gets_nothing(served: Served, origin: str) -> None:
    for method, path in (("OPTIONS", "/v1/heartbeat"), ("POST", "/v1/leave"), ("GET", "/v1/users/ada")):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = await served.http.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert "access-control-allow-origin" not in answer.headers


async def test_an_allowed_page_may_read_refusals_too(served: Served) -> None:
    answer = await served.http.get("/v1/users/ada", headers={"Origin": PAGE})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == PAGE


async def test_a_page_of_this_machine_is_for_dev_alone(served: Served) -> None:
    answer = await served.http.get("/healthz", headers={"Origin": "http://localhost:3000"})
    assert answer.status_code == (200 if served.serving.door.allows_origin("http://localhost") else 403)


async def test_in_dev_a_name_that_was_rebound_is_refused() -> None:
    served = Served(is_dev=True)
    for path in ("/v1/users/ada", "/", "/healthz"):
        assert (await served.http.get(path, headers={"Host": "evil.example"})).status_code == 403


async def test_every_answer_says_that_it_is_what_it_says(served: Served) -> None:
    for path in ("/healthz", "/readyz", "/v1/users/ada", "/v1/nowhere", "/v1/openapi.json"):
        answer = await served.http.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
    assert (await served.http.get("/v1/users/ada")).headers["cache-control"] == "no-store"


async def test_a_path_or_method_that_is_not_there_is_a_problem(served: Served) -> None:
    for path in ("/v1/nowhere", "/v1/users/", "/v1/rooms/a/b/count", "/v1/ws"):
        answer = await served.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    answer = await served.http.delete("/v1/heartbeat")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_documents_are_served(served: Served) -> None:
    assert (await served.http.get("/v1/openapi.json")).json()["openapi"] == "3.1.0"
    assert (await served.http.get("/v1/asyncapi.json")).json()["asyncapi"] == "3.0.0"


async def test_metrics_take_a_key_where_anybody_may_call(public: Served) -> None:
    assert (await public.http.get("/metrics")).status_code == 401
    assert (await public.http.get("/metrics", headers={"X-API-Key": "hk_nobody"})).status_code == 401
    answer = await public.http.get("/metrics", headers={"Authorization": f"Bearer {METER.key}"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "hereabouts_build_info" in answer.text
    assert (await public.internal.get("/metrics")).status_code == 200


async def test_a_dev_token_is_nothing_as_served(public: Served) -> None:
    answer = await public.http.get("/v1/users/ada", headers={"Authorization": "Bearer dev:ada"})
    assert answer.status_code == 401
    assert (await public.http.get("/")).status_code == 404


async def test_a_node_that_starts_is_not_ready() -> None:
    served = Served(is_dev=False)
    for http in (served.http, served.internal):
        answer = await http.get("/readyz")
        assert (answer.status_code, answer.text.splitlines()[0]) == (503, "node: starting")


async def test_a_journal_that_fails_takes_the_node_out(public: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = JournalHealth(is_writable=False, failing_since_at=1, queued_rows=3, error="/var/lib/secret/path is full")
    monkeypatch.setattr(public.serving.node.context.journal, "health", lambda: failing)
    answer = await public.http.get("/readyz")
    assert (answer.status_code, answer.text.splitlines()[1]) == (503, "journal: failing; 3 rows wait")
    assert "secret" not in answer.text


async def test_views_that_may_be_stale_do_not_take_the_node_out(public: Served) -> None:
    public.serving.node.context.degraded_since_at = 1
    answer = await public.http.get("/readyz")
    assert (answer.status_code, answer.text.splitlines()[2]) == (200, "store: degraded: views may be out of date")
