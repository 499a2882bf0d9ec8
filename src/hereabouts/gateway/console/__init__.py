"""The console: its page, who is signed in to it, and the HTTP calls behind a cookie instead of a key.

The page is a customer of the HTTP API like any other: `/console/api/v1/…` is `/v1/…`, made by whoever signed in.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct
from starlette._utils import get_route_path
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hereabouts.auth.api_keys import is_api_key
from hereabouts.errors import Refusal
from hereabouts.gateway.beating import address_of
from hereabouts.gateway.console.files import console_files
from hereabouts.gateway.console.sessions import LIFE_SECONDS, Session, Sessions
from hereabouts.gateway.door import Door, is_loopback_host
from hereabouts.gateway.problems import problem_response
from hereabouts.routes import CALLER, JSON, split_path
from hereabouts.runtime.callers import Callers
from hereabouts.runtime.noting import By, note
from hereabouts.runtime.rates import Rates
from hereabouts.version import __version__

PATH: Final = "/console"

COOKIE: Final = "hereabouts_console"

LOGINS_PER_SECOND: Final = 0.2
LOGINS_AT_ONCE: Final = 10
"""Attempts of one address."""

BODY_BYTES: Final = 4_096

_READS: Final = frozenset({"GET", "HEAD"})

_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Login(Struct):
    """An API key, and of several tenants of the key the one that is meant."""

    key: str
    tenant: str | None = None


class SignedIn(Struct):
    """Who is signed in, what it may do, and the token that each act carries in `X-CSRF-Token`."""

    name: str
    tenant: str
    scopes: list[str]
    may_act: bool
    csrf: str
    version: str


class Console:
    """Serves `/console`. `calls` is the application of the HTTP calls. In dev the tokens of admins sign in too."""

    def __init__(self, calls: ASGIApp, callers: Callers, door: Door, *, is_dev: bool) -> None:
        clock = door.context.clock
        self.sessions = Sessions(clock.tick)
        self._calls = calls
        self._callers = callers
        self._door = door
        self._is_dev = is_dev
        self._rates = Rates(clock, "console_logins", LOGINS_PER_SECOND, LOGINS_AT_ONCE)
        self._files = console_files()
        self._app = Starlette(
            routes=[
                Route("/session", self._answering, methods=["GET", "POST", "DELETE"]),
                Mount("/api", self._call),
                Route("/{name:path}", self._file),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; every answer gets the console's headers."""
        split_path(scope)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, answer)

    def routes(self) -> list[BaseRoute]:
        """Where it is served."""
        return [Route(PATH, _to_folder), Mount(PATH, self)]

    async def _file(self, request: Request) -> Response:
        name = get_route_path(request.scope)
        found = self._files.get(name[1:] or "index.html")
        return found or problem_response(Refusal("not_found", "the console has no such file"))

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One of the HTTP calls, in the name of who is signed in."""
        try:
            session = self._session(scope, is_act=scope["method"] not in _READS)
        except Refusal as refusal:
            await problem_response(refusal)(scope, receive, send)
            return
        # With the path of the call alone: what is escaped in it was split before.
        inner = {**scope, "path": get_route_path(scope), "raw_path": b"", "root_path": "", CALLER: session.caller}
        await self._calls(inner, receive, send)

    async def _answering(self, request: Request) -> Response:
        try:
            if request.method == "POST":
                return await self._sign_in(request)
            session = self._session(request.scope, is_act=request.method == "DELETE")
            if request.method == "DELETE":
                return await self._sign_out(request, session)
            return _told(session)
        except Refusal as refusal:
            return problem_response(refusal)

    def _session(self, scope: Scope, *, is_act: bool) -> Session:
        headers = Headers(scope=scope)
        session = self.sessions.find(_cookie(headers))
        if is_act:
            session.check(headers.get("x-csrf-token"))
        return session

    async def _sign_in(self, request: Request) -> Response:
        address = address_of(request, self._door)
        self._rates.take(address)
        login = await _login(request)
        if not is_api_key(login.key) and not self._is_dev:
            raise Refusal("unauthenticated", "an API key signs in to the console; it begins with hk_")
        headers = {"authorization": f"Bearer {login.key}"}
        if login.tenant:
            headers["x-tenant"] = login.tenant
        caller = await self._callers.admit("admin:read", headers)
        self.sessions.close(_cookie(request.headers))
        id, session = self.sessions.open(caller)
        await self._note(request, session, "sign_in")
        response = _told(session)
        self._set_cookie(request, response, id, LIFE_SECONDS)
        return response

    async def _sign_out(self, request: Request, session: Session) -> Response:
        self.sessions.close(_cookie(request.headers))
        await self._note(request, session, "sign_out")
        response = Response(status_code=204)
        self._set_cookie(request, response, "", 0)
        return response

    async def _note(self, request: Request, session: Session, action: str) -> None:
        by = By(session.caller.identity.tenant, session.caller.name, address_of(request, self._door))
        await note(self._door.context, by, action, "console:session")

    def _set_cookie(self, request: Request, response: Response, id: str, seconds: int) -> None:
        # On this machine a browser may refuse a cookie that is for HTTPS alone.
        is_secure = request.url.scheme == "https" or not is_loopback_host(request.headers.get("host", ""))
        path = request.scope["root_path"]
        response.set_cookie(COOKIE, id, seconds, path=path, secure=is_secure, httponly=True, samesite="strict")


def _to_folder(request: Request) -> Response:
    """The page names its parts beside itself."""
    return RedirectResponse(f"{request.scope['root_path']}{PATH}/", 307)


async def _login(request: Request) -> Login:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Refusal("unsupported", f"the body must be {JSON}")
    text = bytearray()
    async for chunk in request.stream():
        text += chunk
        if len(text) > BODY_BYTES:
            raise Refusal("too_large", f"the body is over {BODY_BYTES} bytes")
    try:
        return msgspec.json.decode(text, type=Login)
    except msgspec.MsgspecError as error:
        raise Refusal("bad_request", f"the body: {error}") from None


def _cookie(headers: Headers) -> str | None:
    return cookie_parser(headers.get("cookie", "")).get(COOKIE)


def _told(session: Session) -> Response:
    caller = session.caller
    scopes = sorted(caller.key.scopes) if caller.key is not None else ["admin", "read"]
    told = SignedIn(caller.name, caller.identity.tenant, scopes, session.may_act, session.csrf, __version__)
    return Response(msgspec.json.encode(told), media_type=JSON)
