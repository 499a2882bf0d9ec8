"""The demo page of `hereabouts dev`: one page, one style sheet, one module."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hereabouts.engine.policy import PolicyBook
from hereabouts.engine.relations import ghost_bound

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_KINDS = {"demo.js": "text/javascript", "demo.css": "text/css"}


def demo_routes(policies: PolicyBook) -> list[BaseRoute]:
    """Where the page and its parts are served."""
    return [Route("/", _page(policies)), *(Route(f"/{name}", _file(name, kind)) for name, kind in _KINDS.items())]


def _page(policies: PolicyBook) -> Callable[[Request], Response]:
    policy = policies.resolve()
    bound = ghost_bound(policy, policies.node, policy.fanout_window_seconds)
    page = (files(__name__) / "index.html").read_text("utf-8")
    page = page.replace("{closed_seconds}", f"{bound.closed:g}").replace(
        "{silent_seconds}", f"{bound.silent_visible:g}"
    )

    def answer(request: Request) -> Response:
        return Response(page, headers=_HEADERS, media_type="text/html")

    return answer


def _file(name: str, kind: str) -> Callable[[Request], Response]:
    content = (files(__name__) / name).read_text("utf-8")

    def answer(request: Request) -> Response:
        return Response(content, headers=_HEADERS, media_type=kind)

    return answer
