"""Whether the process lives, whether it is fit for traffic, and what it measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hereabouts.errors import Refusal
from hereabouts.gateway.parts import Parts
from hereabouts.gateway.problems import problem_response
from hereabouts.runtime.callers import Callers

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of Prometheus' text form."""


class Check(NamedTuple):
    """One line of `/readyz`. `is_fatal` where the node must get no traffic; otherwise the line is for the reader."""

    name: str
    found: str
    is_fatal: bool = False


def checks(node: Parts) -> Iterator[Check]:
    """What is looked at. Only a fault of this node takes it out of service: what all nodes share would take out all."""
    if node.driver.is_draining:
        yield Check("node", "draining", True)
    elif not node.is_open:
        yield Check("node", "starting", True)
    else:
        yield Check("node", "ok")
    journal = node.context.journal.health()
    if journal.is_writable:
        yield Check("journal", "ok")
    else:
        yield Check("journal", f"failing; {journal.queued_rows} rows wait", True)
    if node.context.is_degraded:
        yield Check("store", "degraded: views may be out of date", node.ready_needs_store)
    else:
        yield Check("store", "ok")
    yield Check("keys", "ok" if node.verifier.health().is_ok else "no key to verify tokens with could be fetched yet")


def health_routes(node: Parts, metrics: Callable[[], bytes], callers: Callers | None) -> list[Route]:
    """`/healthz`, `/readyz` and `/metrics`. With `callers` the metrics take an API key with that scope."""

    async def healthz(request: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def readyz(request: Request) -> Response:
        found = tuple(checks(node))
        text = "".join(f"{check.name}: {check.found}\n" for check in found)
        return Response(text, 503 if any(check.is_fatal for check in found) else 200, media_type="text/plain")

    async def measured(request: Request) -> Response:
        if callers is not None:
            try:
                callers.key(request.headers, "metrics")
            except Refusal as refusal:
                return problem_response(refusal)
        return Response(metrics(), headers={"Content-Type": EXPOSITION})

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", measured)]
