"""The documents of the API, served as they were made at the start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hereabouts.gateway.asyncapi import asyncapi_document
from hereabouts.gateway.openapi import openapi_document
from hereabouts.routes import JSON


def document_routes() -> list[Route]:
    """`/v1/openapi.json` and `/v1/asyncapi.json`."""
    return [
        Route("/v1/openapi.json", _fixed(msgspec.json.encode(openapi_document()))),
        Route("/v1/asyncapi.json", _fixed(msgspec.json.encode(asyncapi_document()))),
    ]


def _fixed(text: bytes) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return Response(text, headers={"Cache-Control": "public, max-age=300"}, media_type=JSON)

    return answer
