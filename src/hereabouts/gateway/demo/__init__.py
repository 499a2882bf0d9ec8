"""The demo pages of `hereabouts dev`: one made with the package, where it was built, and one by hand in one script."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hereabouts.engine.policy import PolicyBook
from hereabouts.engine.relations import ghost_bound

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Not `no-store`, which would keep the page out of the back-forward cache.
    "Cache-Control": "no-cache",
}
_KINDS: Final = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
_BUILT: Final = files("hereabouts") / "demo_files"
_PLAIN: Final = files(__name__)


def demo_routes(policies: PolicyBook) -> list[BaseRoute]:
    """Where the pages and their parts are. Without the built one, `/` is the page by hand, as `/plain` always is."""
    built = list(_BUILT.iterdir()) if _BUILT.is_dir() else []
    front = _BUILT if built else _PLAIN
    return [
        Route("/", _page(front / "index.html", policies)),
        Route("/plain", _page(_PLAIN / "index.html", policies)),
        *(Route(f"/demo/{part.name}", _file(part)) for part in built if not part.name.endswith(".html")),
        *(Route(f"/{name}", _file(_PLAIN / name)) for name in ("demo.js", "demo.css")),
    ]


def _page(file: Traversable, policies: PolicyBook) -> Callable[[Request], Response]:
    policy = policies.resolve()
    bound = ghost_bound(policy, policies.node, policy.fanout_window_seconds)
    page = file.read_text("utf-8").replace("{closed_seconds}", f"{bound.closed:g}")
    return _answering(page.replace("{silent_seconds}", f"{bound.silent_visible:g}"), "text/html")


def _file(file: Traversable) -> Callable[[Request], Response]:
    return _answering(file.read_text("utf-8"), _KINDS["." + file.name.rpartition(".")[2]])


def _answering(content: str, kind: str) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        return Response(content, headers=_HEADERS, media_type=kind)

    return answer
