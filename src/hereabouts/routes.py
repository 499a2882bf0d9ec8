"""Calls over HTTP, typed: what a call takes and gives is declared once.

Decoding, refusals and OpenAPI follow from the declaration. A call is given decoded values and gives back a value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import unquote

import msgspec
from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

from hereabouts.errors import HereaboutsError, JournalUnavailable, Refusal, StoreUnavailable
from hereabouts.protocol.codec import strict
from hereabouts.runtime.callers import Access, Caller, Callers

JSON: Final = "application/json"
TEXT: Final = "text/plain"

CALLER: Final = "hereabouts.caller"
"""The key of a scope under which the console tells who calls; no request from outside can set it."""

_SLASH: Final = "\ue000"
"""Stands for an escaped slash while a path is matched: of a category that no id may have."""


class Nothing(Struct):
    """For calls without parameters, or without a body."""


P = TypeVar("P", bound=Struct)
B = TypeVar("B", bound=Struct)


@dataclass(frozen=True)
class Asked(Generic[P, B]):
    """One call that was made: by whom, and what for."""

    request: Request
    caller: Caller
    params: P
    body: B


Act = Callable[[Asked[P, B]], Awaitable[Struct | Response | None]]


@dataclass(frozen=True, kw_only=True)
class Call(Generic[P, B]):
    """One call: where it is, who may make it, what it takes, what it answers and with which codes it may refuse.

    `params` has the names in the path and in the query. `reads` turns a body of plain text into what `body` decodes.
    `formats` are the media types that the answer may have instead, when the parameter `format` asks for it.
    `told_apart_by` gives of an answer what makes it another one, or None where it must be had anew: who tells by
    `If-None-Match` that it has that answer already is not sent it again.
    """

    name: str
    method: str
    path: str
    summary: str
    access: Access
    params: type[P]
    body: type[B]
    answer: type[Struct] | None = None
    media_type: str = JSON
    formats: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    body_types: tuple[str, ...] = (JSON,)
    reads: Callable[[bytes], bytes] | None = None
    is_deprecated: bool = False
    told_apart_by: Callable[[Any], object] | None = None

    def to(self, act: Act[P, B]) -> Bound:
        """The call, done by `act`."""
        return Bound(self, act)

    @property
    def status(self) -> int:
        """The status of success."""
        return 200 if self.answer is not None or self.media_type != JSON else 204

    @property
    def takes_body(self) -> bool:
        """Whether a body is read at all."""
        return self.body is not Nothing

    @property
    def all_codes(self) -> tuple[str, ...]:
        """Every code that the call may refuse with."""
        codes = [*self.codes, "internal"]
        if self.params is not Nothing or self.takes_body:
            codes.append("bad_request")
        if self.takes_body:
            codes += ["too_large", "unsupported"]
        if self.access != "anybody":
            codes += ["unauthenticated", "token_expired", "forbidden", "bad_request", "rate_limited"]
        return tuple(dict.fromkeys(codes))


class Bound(NamedTuple):
    """A call, and what does it."""

    call: Call[Any, Any]
    act: Act[Any, Any]


class Routes:
    """Makes routes of calls. `refused` gives the answer to a refusal, `failed` hears of faults of ours."""

    def __init__(
        self,
        callers: Callers,
        *,
        body_bytes: int,
        depth: int,
        refused: Callable[[Refusal], Response],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._callers = callers
        self._body_bytes = body_bytes
        self._depth = depth
        self._refused = refused
        self._failed = failed

    def of(self, bounds: Iterable[Bound]) -> list[Route]:
        """The routes, in the order of the calls."""
        return [
            Route(bound.call.path, self._endpoint(bound), methods=[bound.call.method], name=bound.call.name)
            for bound in bounds
        ]

    def _endpoint(self, bound: Bound) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                return await self._answer(bound.call, bound.act, request)
            except Refusal as refusal:
                return self._refused(refusal)
            except (StoreUnavailable, JournalUnavailable) as error:
                return self._refused(_degraded(error))
            except ClientDisconnect:
                return Response(status_code=400)
            except Exception as error:
                self._failed(error)
                return self._refused(Refusal("internal", "a fault of the server; it is in its log"))

        return endpoint

    async def _answer(self, call: Call[Any, Any], act: Act[Any, Any], request: Request) -> Response:
        known: Caller | None = request.scope.get(CALLER)
        if known is not None:
            caller = self._callers.check(call.access, known)
        else:
            caller = await self._callers.admit(call.access, request.headers)
        params = Nothing() if call.params is Nothing else _params(call.params, request)
        body = await self._body(call, request) if call.takes_body else Nothing()
        answer = await act(Asked(request, caller, params, body))
        if isinstance(answer, Response):
            return answer
        if answer is None:
            return Response(status_code=204)
        tag = _tag(call, answer)
        if tag is None:
            return Response(msgspec.json.encode(answer), media_type=JSON)
        if _has(request, tag):
            return Response(status_code=304, headers={"ETag": tag})
        return Response(msgspec.json.encode(answer), headers={"ETag": tag}, media_type=JSON)

    async def _body(self, call: Call[Any, Any], request: Request) -> Struct:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        text = await self._read(request)
        if text and kind not in call.body_types:
            raise Refusal("unsupported", f"the body must be {' or '.join(call.body_types)}, not {kind[:100]!r}")
        if call.reads is not None and kind == TEXT:
            text = call.reads(text)
        text = text or b"{}"
        strict(text, depth=self._depth)
        try:
            decoded: Struct = msgspec.json.decode(text, type=call.body)
        except msgspec.ValidationError as error:
            raise Refusal("bad_request", f"the body: {error}") from None
        return decoded

    async def _read(self, request: Request) -> bytes:
        told = request.headers.get("content-length", "0")
        if told.isdecimal() and int(told[:20]) > self._body_bytes:
            raise self._too_large()
        text = bytearray()
        async for chunk in request.stream():
            text += chunk
            if len(text) > self._body_bytes:
                raise self._too_large()
        return bytes(text)

    def _too_large(self) -> Refusal:
        return Refusal("too_large", f"the body is over {self._body_bytes} bytes", limit="frame_bytes")


def _degraded(error: HereaboutsError) -> Refusal:
    return Refusal("degraded", f"the server cannot see its store: {error}", retry_after_seconds=1)


def _tag(call: Call[Any, Any], answer: Struct) -> str | None:
    """A weak entity tag: answers that tell the same have the same one, whenever they were given."""
    told = None if call.told_apart_by is None else call.told_apart_by(answer)
    if told is None:
        return None
    return f'W/"{hashlib.blake2b(msgspec.json.encode(told), digest_size=16).hexdigest()}"'


def _has(request: Request, tag: str) -> bool:
    """Whether the caller has the answer with this tag. Source: RFC 9110, section 13.1.2 (weak comparison)."""
    told = [part.strip() for line in request.headers.getlist("if-none-match") for part in line.split(",")]
    return "*" in told or tag.removeprefix("W/") in {part.removeprefix("W/") for part in told}


def _params(kind: type[Struct], request: Request) -> Struct:
    told: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in told:
            raise Refusal("bad_request", f"the query has {name[:64]!r} twice")
        told[name] = value
    told.update((name, value.replace(_SLASH, "/")) for name, value in request.path_params.items())
    try:
        return msgspec.convert(told, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal("bad_request", f"the query: {error}") from None


def split_path(scope: Scope) -> None:
    """Let a slash that is escaped in a path be part of a name rather than end it."""
    raw: bytes = scope.get("raw_path") or b""
    if b"%2f" in raw.lower():
        text = raw.partition(b"?")[0].decode("latin-1").replace("%2f", "%2F")
        scope["path"] = _SLASH.join(unquote(part) for part in text.split("%2F"))
