"""Whether the time of an answer tells somebody invisible from somebody who never was."""

from __future__ import annotations

import time

import httpx

from bench.load import HOST, Swarm
from bench.process import OPEN, QUIET, running_server
from bench.report import Figure, quantile

NAME = "hidden"
SESSIONS = 200
"""Half of them are invisible; as many others were here once, and as many never."""


async def run(small: bool) -> list[Figure]:
    """Measure; small means fewer calls."""
    rounds = 10 if small else 40
    async with running_server(OPEN + QUIET, has_journal=True) as server:
        swarm = Swarm(server.port)
        clients = await swarm.open(SESSIONS)
        await swarm.greet(clients)
        half = SESSIONS // 2
        for client in clients[:half]:
            client.send(b'{"type":"status","id":1,"status":"invisible"}')
        for client in clients[half:]:
            client.send(b'{"type":"bye"}')
        await swarm.until_frames(SESSIONS)
        ids = {
            "invisible": [f"user-{client.index}" for client in clients[:half]],
            "gone": [f"user-{client.index}" for client in clients[half:]],
            "never": [f"user-{SESSIONS + n}" for n in range(half)],
        }
        took: dict[str, list[float]] = {kind: [] for kind in ids}
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{server.port}", trust_env=False) as http:
            for _ in range(rounds):
                for asked in zip(*ids.values(), strict=True):
                    for kind, user_id in zip(ids, asked, strict=True):
                        took[kind].append(await _ask(http, user_id))
        swarm.close()
    medians = {kind: quantile(times, 0.5) for kind, times in took.items()}
    never = medians["never"]
    figures = [
        Figure(NAME, f"somebody {kind} and nobody: slower ÷ faster", _apart(medians[kind], never), "×", 1.1, "at most")
        for kind in ("invisible", "gone")
    ]
    return [*figures, Figure(NAME, "the card of nobody, median", never * 1000, "ms")]


def _apart(one: float, other: float) -> float:
    return max(one, other) / min(one, other)


async def _ask(http: httpx.AsyncClient, user_id: str) -> float:
    began = time.perf_counter()
    answer = await http.get(f"/v1/users/{user_id}", headers={"Authorization": "Bearer dev:asker"})
    took = time.perf_counter() - began
    assert answer.status_code == 200 and answer.json()["status"] == "offline", answer.text[:200]
    return took
