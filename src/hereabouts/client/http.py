"""The HTTP calls: for a program with an API key, for one with a user's token and no socket, and for `users.get`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Struct

from hereabouts.client.events import Grant, Holding, Member, User
from hereabouts.client.refusals import Refused
from hereabouts.client.tokens import Tokens, TokenSource

USERS_A_CALL: Final = 500

T = TypeVar("T")


class _Problem(Struct):
    code: str = "internal"
    detail: str = ""
    limit: str | None = None
    retry_after_seconds: float | None = None


class _Users(Struct):
    users: list[User]


class _Held(Struct):
    held: list[Holding]


class RoomPage(Struct, frozen=True):
    """One page of a roster. All pages of one reading agree on `(epoch, seq)`."""

    room: str
    epoch: str
    seq: int
    view: str
    count: int
    members: list[Member]
    next_cursor: str | None = None


class RoomCount(Struct, frozen=True):
    """How many users, and for those who may see it how many sessions, were in a room at `as_of_at` (ms)."""

    room: str
    count: int
    as_of_at: int | None = None
    sessions: int | None = None


class Minted(Struct, frozen=True):
    """A user token, and when it runs out (ms)."""

    token: str
    expires_at: int | None = None


class Swept(Struct, frozen=True):
    """What a sweep did, or with `dry_run` would do: sessions judged, those that became lost, removals by cause."""

    dry_run: bool
    sessions: int
    lost: int
    removed: dict[str, int]
    ghosts: int
    audited: bool


class BeatGiven(Struct, frozen=True):
    """A session without a socket. Give `resume` with the next heartbeat, `next_beat_seconds` from now."""

    session_id: str
    resume: str
    leave_token: str
    lease_expires_at: int
    next_beat_seconds: float | None = None
    resumed: bool = False


class AsyncCalls:
    """The calls of one credential: an API key, or a user's token, which is renewed once when it is refused."""

    def __init__(
        self,
        url: str,
        tokens: Tokens,
        timeout_seconds: float,
        *,
        headers: dict[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = http_url(url)
        self._tokens = tokens
        self._timeout_seconds = timeout_seconds
        self._headers = headers or {}
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def call(
        self, method: str, path: str, answer: type[T], *, body: Any = None, params: dict[str, Any] | None = None
    ) -> T:
        """Make a call and read its answer. Raises `Refused`; `TimeoutError`; `ConnectionError` without a server."""
        response = await self._send(method, path, body, params)
        if response.status_code == HTTPStatus.UNAUTHORIZED and self._tokens.can_renew:
            self._tokens.spoil()
            response = await self._send(method, path, body, params)
        if response.is_success:
            return msgspec.json.decode(response.content or b"null", type=answer)
        raise _refused(response)

    async def _send(self, method: str, path: str, body: Any, params: dict[str, Any] | None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {await self._tokens.current()}", **self._headers}
        content = None if body is None else msgspec.json.encode(body)
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            return await self._opened().request(method, path, content=content, params=params, headers=headers)
        except httpx.TimeoutException:
            raise TimeoutError(f"{method} {path} was not answered within {self._timeout_seconds:g} s") from None
        except httpx.TransportError as error:
            raise ConnectionError(f"{method} {path}: {error}") from error

    async def users(self, user_ids: Iterable[str]) -> list[User]:
        """The status of users, in the order asked; as many as one likes."""
        asked, found = list(user_ids), []
        for start in range(0, len(asked), USERS_A_CALL):
            body = {"ids": asked[start : start + USERS_A_CALL]}
            found += (await self.call("POST", "/v1/users/query", _Users, body=body)).users
        return found

    async def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=self._url, timeout=self._timeout_seconds, transport=self._transport
            )
        return self._client


class AsyncPresenceServer:
    """What a server-side program asks of Hereabouts, with an API key (`hk_…`).

    `tenant` picks one of several that the key names. Every call raises `Refused`, `TimeoutError` or `ConnectionError`.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        tenant: str | None = None,
        timeout_seconds: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        headers = {} if tenant is None else {"X-Tenant": tenant}
        self._calls = AsyncCalls(url, Tokens(api_key), timeout_seconds, headers=headers, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._calls.close()

    async def users(self, user_ids: Iterable[str]) -> list[User]:
        """The status of users, in the order asked."""
        return await self._calls.users(user_ids)

    async def user(self, user_id: str) -> User:
        """The status of one user."""
        return await self._calls.call("GET", f"/v1/users/{_part(user_id)}", User)

    async def count(self, room: str) -> RoomCount:
        """How many are in a room."""
        return await self._calls.call("GET", f"/v1/rooms/{_part(room)}/count", RoomCount)

    async def page(self, room: str, *, limit: int = 500, cursor: str | None = None) -> RoomPage:
        """One page of a room's members; `next_cursor` leads to the next. A lapsed cursor is refused: `cursor_gone`."""
        params: dict[str, Any] = {"limit": limit, **({} if cursor is None else {"cursor": cursor})}
        return await self._calls.call("GET", f"/v1/rooms/{_part(room)}/members", RoomPage, params=params)

    async def members(self, room: str) -> list[Member]:
        """Everybody in a room, at one moment."""
        page = await self.page(room)
        found = page.members
        while page.next_cursor is not None:
            page = await self.page(room, cursor=page.next_cursor)
            found = found + page.members
        return found

    async def occupy(
        self,
        resource: str,
        user_id: str,
        *,
        name: str | None = None,
        role: str | None = None,
        take_over: bool = False,
    ) -> Grant:
        """Let a user hold a resource, `kind:name`. Without a session of the user only release and inactivity end it."""
        told = {"user_id": user_id, "name": name, "role": role, "on_conflict": "take_over" if take_over else "reject"}
        body = {key: value for key, value in told.items() if value is not None}
        return await self._calls.call("PUT", _resource(resource), Grant, body=body)

    async def release(self, resource: str, user_id: str, *, fencing: int | None = None) -> None:
        """End a user's hold on a resource; with `fencing` only if it is still that grant."""
        params: dict[str, Any] = {"user_id": user_id, **({} if fencing is None else {"fencing": fencing})}
        await self._calls.call("DELETE", _resource(resource), object, params=params)

    async def holdings(self, kind: str) -> list[Holding]:
        """Who holds what of a kind."""
        return (await self._calls.call("GET", f"/v1/occupancy/{_part(kind)}", _Held)).held

    async def mint_token(
        self,
        user_id: str,
        *,
        name: str | None = None,
        role: str | None = None,
        info: dict[str, Any] | None = None,
        rooms: dict[str, Sequence[str]] | None = None,
        expires_in_seconds: int = 3_600,
    ) -> Minted:
        """A token for a user. `rooms` maps patterns to rights: `{"doc:*": ["join", "watch"]}`."""
        told: dict[str, Any] = {"user_id": user_id, "name": name, "role": role, "info": info, "rooms": rooms}
        body = {key: value for key, value in told.items() if value is not None}
        body["expires_in_seconds"] = expires_in_seconds
        return await self._calls.call("POST", "/v1/tokens", Minted, body=body)

    async def sweep(self, *, dry_run: bool = False, reason: str | None = None) -> Swept:
        """Do now what is due. For keys with the scope `admin` alone; the server sweeps by itself all the time."""
        body = {"dry_run": dry_run, **({} if reason is None else {"reason": reason})}
        return await self._calls.call("POST", "/v1/admin/sweep", Swept, body=body)


class AsyncHeartbeats:
    """Presence without a socket: one session that lives by HTTP. Meant for programs that wake up now and then."""

    def __init__(
        self,
        url: str,
        token: TokenSource,
        *,
        platform: str | None = None,
        timeout_seconds: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._calls = AsyncCalls(url, Tokens(token), timeout_seconds, transport=transport)
        self._platform = platform
        self.given: BeatGiven | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def beat(
        self,
        *,
        rooms: Sequence[str] | None = None,
        typing: Sequence[str] | None = None,
        visible: bool = True,
        active: bool = False,
    ) -> BeatGiven:
        """Begin the session or renew it. `rooms` and `typing`, where given, are the exact set."""
        told: dict[str, Any] = {"platform": self._platform, "rooms": rooms, "typing": typing}
        if self.given is not None:
            told |= {"session_id": self.given.session_id, "resume": self.given.resume}
        body = {key: value for key, value in told.items() if value is not None}
        body |= {"visible": visible, "active": active}
        self.given = await self._calls.call("POST", "/v1/heartbeat", BeatGiven, body=body)
        return self.given

    async def leave(self) -> None:
        """End the session at once."""
        given, self.given = self.given, None
        if given is not None:
            await self._calls.call("POST", "/v1/leave", object, body={"leave_token": given.leave_token})

    async def close(self) -> None:
        """End the session and let go of the connections."""
        try:
            await self.leave()
        finally:
            await self._calls.close()


def http_url(url: str) -> str:
    """The address for HTTP calls, from that of the server: `ws://` becomes `http://`."""
    return _with_scheme(url, {"ws": "http", "wss": "https"})


def socket_url(url: str) -> str:
    """The address of the WebSocket, from that of the server: `http://` becomes `ws://`."""
    return _with_scheme(url, {"http": "ws", "https": "wss"}) + "/v1/ws"


def _with_scheme(url: str, changes: dict[str, str]) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("http", "https", "ws", "wss"):
        raise ValueError(f"{url!r} is no address of a server: it begins with http://, https://, ws:// or wss://")
    return f"{changes.get(scheme, scheme)}://{rest.rstrip('/').removesuffix('/v1/ws')}"


def _part(name: str) -> str:
    return quote(name, safe="")


def _resource(resource: str) -> str:
    kind, _, name = resource.partition(":")
    return f"/v1/occupancy/{_part(kind)}/{_part(name)}"


def _refused(response: httpx.Response) -> Refused:
    try:
        problem = msgspec.json.decode(response.content, type=_Problem)
    except msgspec.MsgspecError:
        problem = _Problem()
    message = problem.detail or f"HTTP {response.status_code}"
    return Refused(problem.code, message, problem.limit, problem.retry_after_seconds)
