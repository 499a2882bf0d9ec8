"""The status of 500 users in one call, on a node with 10,000 sessions."""

from __future__ import annotations

import time

import httpx

from bench.load import HOST, Swarm
from bench.process import OPEN, QUIET, running_server
from bench.report import Figure, quantile

NAME = "batch_status"
SESSIONS = 10_000
PORTION = 1_000
"""Sessions that are opened at one time: a hello has five seconds."""

ASKED = 500
BATCHES = 5
"""Of the percentiles of so many batches the best counts: noise only adds."""


async def run(small: bool) -> list[Figure]:
    """Measure; small means fewer calls."""
    calls = 100 if small else 400
    async with running_server(OPEN + QUIET) as server:
        swarm = Swarm(server.port)
        for _ in range(SESSIONS // PORTION):
            await swarm.greet(await swarm.open(PORTION))
        clients = swarm.clients
        ids = [f"user-{client.index}" for client in clients]
        before = server.cpu_seconds()
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{server.port}", trust_env=False) as http:
            took = [await _batch(http, ids, calls) for _ in range(BATCHES)]
        used = server.cpu_seconds() - before
        swarm.close()
    return [
        Figure(
            NAME,
            "a batch of 500, p99 of the call",
            min(quantile(each, 0.99) for each in took) * 1000,
            "ms",
            20,
            "at most",
        ),
        Figure(NAME, "a batch of 500, median of the call", min(quantile(each, 0.5) for each in took) * 1000, "ms"),
        Figure(NAME, "a batch of 500, CPU of the server", used / (calls * BATCHES) * 1000, "ms"),
    ]


async def _batch(http: httpx.AsyncClient, ids: list[str], calls: int) -> list[float]:
    took = []
    for n in range(calls):
        start = n * 97 % (SESSIONS - ASKED)
        began = time.perf_counter()
        answer = await http.post(
            "/v1/users/query",
            json={"ids": ids[start : start + ASKED]},
            headers={"Authorization": "Bearer dev:asker:admin"},
        )
        took.append(time.perf_counter() - began)
        assert answer.status_code == 200 and len(answer.json()["users"]) == ASKED, answer.text[:200]
    return took
