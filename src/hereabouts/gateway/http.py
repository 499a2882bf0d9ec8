"""The HTTP application: every call, behind one gate."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Any, Literal, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp

from hereabouts.auth.api_keys import KeyRing
from hereabouts.auth.minting import Minter
from hereabouts.errors import Refusal
from hereabouts.gateway.admin import admin_calls
from hereabouts.gateway.analytics import Analytics
from hereabouts.gateway.beating import Beacons, beating_calls
from hereabouts.gateway.console import Console
from hereabouts.gateway.cors import Gate
from hereabouts.gateway.demo import demo_routes
from hereabouts.gateway.documents import document_routes
from hereabouts.gateway.door import Door
from hereabouts.gateway.health import health_routes
from hereabouts.gateway.legacy import OldNames
from hereabouts.gateway.lookups import Lookups
from hereabouts.gateway.occupying import Occupying
from hereabouts.gateway.parts import Parts
from hereabouts.gateway.problems import problem_bytes, problem_response
from hereabouts.gateway.relations import RelationCalls
from hereabouts.gateway.sse import EVENTS, Events
from hereabouts.gateway.subjects import SubjectCalls
from hereabouts.gateway.webhook_calls import WebhookCalls
from hereabouts.routes import Bound, Routes
from hereabouts.runtime.callers import Callers
from hereabouts.runtime.erasing import Erasing
from hereabouts.runtime.rates import Rates
from hereabouts.runtime.reading import Reading
from hereabouts.telemetry import exposition


class Apps(NamedTuple):
    """What the public listener serves, and what the internal one does, which only operators reach."""

    public: ASGIApp
    internal: ASGIApp


def build_apps(
    node: Parts,
    door: Door,
    *,
    keys: KeyRing,
    minter: Minter | None,
    admin_roles: Collection[str],
    is_dev: bool,
    console_at: Literal["internal", "public", "off"] = "internal",
) -> Apps:
    """All calls and, on the internal listener, the checks and the metrics.

    In dev everything is on the public one: the demo page and the console too, and the metrics are anybody's.
    """
    context, per_second = node.context, node.context.limits.frames_per_second
    rates = Rates(context.clock, "frames_per_second", per_second, 2 * per_second)
    callers = Callers(node.verifier, node.entrance, keys, rates, admin_roles)
    calls = all_calls(node, door, callers, minter, admin_roles)
    routes = Routes(
        callers,
        body_bytes=context.limits.frame_bytes,
        depth=context.limits.depth,
        refused=_counted(node),
        failed=context.failed,
    )
    made, metrics = routes.of(calls), exposition(node.readings)
    console = Console(_application(made), callers, door, is_dev=is_dev).routes()
    public: list[BaseRoute] = [
        *made,
        *health_routes(node, metrics, None if is_dev else callers),
        *document_routes(),
        *(demo_routes(node.context.policies) if is_dev else ()),
        *(console if is_dev or console_at == "public" else ()),
    ]
    internal = [*health_routes(node, metrics, None), *(console if console_at == "internal" else ())]
    return Apps(Gate(_application(public), door, is_dev=is_dev), _application(internal))


def all_calls(
    node: Parts, door: Door, callers: Callers, minter: Minter | None, admin_roles: Collection[str]
) -> list[Bound]:
    """Every typed call; the most frequent first, as they are tried in this order."""
    reading = Reading(node.context, node.relay, node.people, node.registry, node.relations, node.switchboard)
    beacons = Beacons(node.beats, door)
    erasing = Erasing(
        node.context,
        node.driver,
        node.registry,
        node.people,
        node.onlookers,
        node.holdings,
        node.webhooks,
        node.switchboard,
        node.telling,
    )
    return [
        *beating_calls(node.beats, beacons, minter, admin_roles),
        *Lookups(node.context, reading).calls(),
        *WebhookCalls(node.context, door, node.webhooks).calls(),
        EVENTS.to(Events(door, node.looking).open),
        *SubjectCalls(door, erasing, reading).calls(),
        *RelationCalls(node.relations, node.acts).calls(),
        *Occupying(door, node.holdings, node.kinds).calls(),
        *admin_calls(node, door, reading),
        *Analytics(node.context).calls(),
        *OldNames(node.beats, reading, callers, beacons).calls(),
    ]


def _counted(node: Parts) -> Any:
    def refused(refusal: Refusal) -> Response:
        node.context.telemetry.error(refusal.code)
        return problem_response(refusal)

    return refused


def _application(routes: Sequence[BaseRoute]) -> Starlette:
    app = Starlette(routes=routes, exception_handlers={HTTPException: _unrouted, Exception: _faulty})
    app.router.redirect_slashes = False
    return app


def _unrouted(request: Request, error: Exception) -> Response:
    """No call is at that path, or not with that method."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(_methods(request))
        text = f"{request.method[:20]} is not for this path; it takes {allowed}"
        body = problem_bytes(error.status_code, "unsupported", text)
        return Response(body, error.status_code, {"Allow": allowed}, "application/problem+json")
    return problem_response(Refusal("not_found", f"there is no call at {request.url.path[:200]!r}"))


def _methods(request: Request) -> list[str]:
    """The methods of all calls at the path of the first call that fits."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    path = next(route.path for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in routes if route.path == path for method in route.methods or ()})


def _faulty(request: Request, error: Exception) -> Response:
    """What no call of ours caught; the server logs it."""
    return problem_response(Refusal("internal", "a fault of the server; it is in its log"))
