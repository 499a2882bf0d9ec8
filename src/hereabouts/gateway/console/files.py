"""The console's page and its parts, as `scripts/build` made them into the package."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.responses import Response

FOLDER: Final = "console_files"

KINDS: Final = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}

NOT_BUILT: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Hereabouts console</title></head>
<body><main><h1>The console is not built</h1>
<p>This checkout has the console's source alone. Run <code>scripts/build</code>, then load this page again.
An installed wheel has it built.</p></main></body></html>
"""


def console_files() -> dict[str, Response]:
    """Every file by its name; `index.html` is there in any case."""
    found: dict[str, Response] = {"index.html": Response(NOT_BUILT, 503, media_type="text/html")}
    folder = files("hereabouts") / FOLDER
    if folder.is_dir():
        found.update((part.name, _response(part)) for part in folder.iterdir() if _kind(part.name) is not None)
    return found


def _kind(name: str) -> str | None:
    return KINDS.get(name.rpartition(".")[2])


def _response(part: Traversable) -> Response:
    return Response(part.read_bytes(), media_type=_kind(part.name))
