"""What stands before every HTTP call: hosts and origins are judged, and every answer gets its headers.

Source: the Fetch standard, "CORS protocol". No cookie is read but the console's, which no other
origin may send, so credentials are not allowed for any.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hereabouts.errors import Refusal
from hereabouts.gateway.door import Door, is_loopback_host
from hereabouts.gateway.problems import problem_response
from hereabouts.routes import split_path

_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"vary", b"Origin"),
)
_NO_STORE: Final = (b"cache-control", b"no-store")
_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, POST, PUT, DELETE"),
    (
        b"access-control-allow-headers",
        b"authorization, content-type, if-none-match, last-event-id, x-api-key, x-tenant",
    ),
    (b"access-control-max-age", b"600"),
)
_EXPOSED: Final = (b"access-control-expose-headers", b"etag, retry-after, deprecation, link")


class Gate:
    """Lets requests through to `app` that this server is meant for. In dev that is this machine's browser alone."""

    def __init__(self, app: ASGIApp, door: Door, *, is_dev: bool) -> None:
        self._app = app
        self._door = door
        self._is_dev = is_dev

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host, origin, asks = _read(scope)
        allowed = origin is not None and self._door.allows_origin(origin)
        added = (
            [*_ALWAYS, (b"access-control-allow-origin", origin.encode("latin-1"))] if allowed and origin else _ALWAYS
        )
        answer = _adding([*added, _EXPOSED] if allowed else added, send)
        refusal = self._refusal(host, origin, allowed)
        if refusal is not None:
            await problem_response(refusal)(scope, receive, answer)
        elif asks and scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": [*added, *_PREFLIGHT]})
            await send({"type": "http.response.body", "body": b""})
        else:
            split_path(scope)
            await self._app(scope, receive, answer)

    def _refusal(self, host: str, origin: str | None, allowed: bool) -> Refusal | None:
        if self._is_dev and not is_loopback_host(host):
            return Refusal("forbidden", "in dev only the hosts localhost, 127.0.0.1 and [::1] are served")
        if origin is not None and not allowed:
            return Refusal("forbidden", f"the origin {origin[:200]!r} is not in server.allowed_origins")
        return None


def _read(scope: Scope) -> tuple[str, str | None, bool]:
    """The host, the origin if one is told, and whether a preflight asks for a method."""
    host, origin, asks = "", None, False
    for name, value in scope["headers"]:
        if name == b"host":
            host = value.decode("latin-1")
        elif name == b"origin":
            origin = value.decode("latin-1")
        elif name == b"access-control-request-method":
            asks = True
    return host, origin, asks


def _adding(added: tuple[tuple[bytes, bytes], ...] | list[tuple[bytes, bytes]], send: Send) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            told = message["headers"]
            names = {name for name, _ in told}
            told.extend(header for header in added if header[0] not in names)
            if b"cache-control" not in names:
                told.append(_NO_STORE)
        await send(message)

    return answer
