"""Errors over HTTP: RFC 9457 problem details, with our codes."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from hereabouts.errors import ERROR_CODES, Refusal
from hereabouts.protocol.messages import Holding


class Problem(msgspec.Struct, omit_defaults=True):
    """The body of every HTTP error. `code` is one of the error codes; `limit` names the limit that was met.

    `holder` is who holds what is occupied, as far as the caller may see.
    """

    title: str
    status: int
    code: str
    detail: str
    retry_after_seconds: float | None = None
    limit: str | None = None
    holder: Holding | None = None


def problem_bytes(status: int, code: str, detail: str) -> bytes:
    """A problem document."""
    return msgspec.json.encode(Problem(ERROR_CODES[code].meaning, status, code, detail))


def problem_response(refusal: Refusal) -> Response:
    """The answer to a call that was refused."""
    problem = Problem(
        ERROR_CODES[refusal.code].meaning,
        refusal.status,
        refusal.code,
        refusal.message,
        refusal.retry_after_seconds,
        refusal.limit,
        refusal.holder if isinstance(refusal.holder, Holding) else None,
    )
    headers = {}
    if refusal.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, round(refusal.retry_after_seconds)))
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(msgspec.json.encode(problem), refusal.status, headers, "application/problem+json")
