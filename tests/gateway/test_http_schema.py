"""Generated calls, good and bad, against a running server: it answers each as its OpenAPI document says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from secrets import token_bytes
from threading import Thread
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import CHECKS, load_all_checks

from hereabouts.auth.api_keys import new_key
from hereabouts.gateway.openapi import openapi_document
from hereabouts.testing.arena import Arena

KEY = new_key("all", ["read", "tokens", "metrics"], [], token_bytes)
AUTH = {
    "secret": "M8zq1vYx0cRb7uKd3nWf5tLh2pJg9sEa",
    "api_keys": [{"name": "all", "hash": KEY.line.split('hash = "')[1][:64], "scopes": ["read", "tokens", "metrics"]}],
}

load_all_checks()
UNSAID = ("positive_data_acceptance", "unsupported_method", "missing_required_header")
"""Ids have rules that a schema cannot say in full; HEAD and OPTIONS are answered beyond what the document lists."""

CHECKED: list[Any] = [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name not in UNSAID]

# The event stream never ends by itself.
schema = schemathesis.openapi.from_dict(openapi_document()).exclude(path="/v1/events")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server in a thread of its own, as the generated calls are not asynchronous."""
    started: Future[str] = Future()
    done: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = Thread(target=lambda: asyncio.run(_serve(started, done)))
    thread.start()
    try:
        yield started.result(timeout=10)
    finally:
        loop, event = done.result(timeout=10)
        loop.call_soon_threadsafe(event.set)
        thread.join(timeout=10)
    assert not thread.is_alive()


async def _serve(started: Future[str], done: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    event = asyncio.Event()
    done.set_result((asyncio.get_running_loop(), event))
    async with Arena({"auth": AUTH, "limits": {"sessions_per_user": 10_000}}) as arena:
        started.set_result(f"http://127.0.0.1:{arena.port}")
        await event.wait()
        assert arena.node.context.telemetry.faults == 0


@schema.parametrize()
@settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_calls_are_answered_as_documented(case: Case[Any], url: str) -> None:
    credential = KEY.key if case.path == "/v1/tokens" else "dev:ada"
    case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {credential}"}, checks=CHECKED)
