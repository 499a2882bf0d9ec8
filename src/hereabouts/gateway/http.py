"""The HTTP application."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hereabouts.gateway.demo import demo_routes
from hereabouts.gateway.door import Door
from hereabouts.telemetry import exposition


def build_app(node: Any, door: Door, *, keys: Any, minter: Any, admin_roles: Any, is_dev: bool) -> Starlette:
    """All calls."""
    demo = demo_routes(node.context.policies) if is_dev else []
    return Starlette(routes=[*_checks(node), *demo])


def build_internal_app(node: Any) -> Starlette:
    """The checks and the metrics."""
    return Starlette(routes=_checks(node))


def _checks(node: Any) -> list[Route]:
    metrics = exposition(node.readings)

    async def ready(request: Request) -> Response:
        is_ready = node.is_open and not node.driver.is_draining
        return Response("ok\n", 200 if is_ready else 503)

    async def healthy(request: Request) -> Response:
        return Response("ok\n")

    async def measured(request: Request) -> Response:
        return Response(metrics(), media_type="text/plain; version=0.0.4")

    return [Route("/readyz", ready), Route("/healthz", healthy), Route("/metrics", measured)]
