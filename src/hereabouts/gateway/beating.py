"""Calls that change presence: a beat, a leave, and the making of a token for those who beat."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request

from hereabouts.auth.minting import Minter, TokenRequest, permitted
from hereabouts.errors import Refusal
from hereabouts.gateway.door import Door
from hereabouts.routes import JSON, TEXT, Asked, Bound, Call, Nothing
from hereabouts.runtime.beats import HttpBeat, HttpBeatAnswer, HttpBeats
from hereabouts.runtime.rates import Rates

LEAVES_PER_SECOND: Final = 20.0
"""Leaves by beacon from one address."""

LEAVES_AT_ONCE: Final = 200.0
"""So many in one burst: an office may close its tabs at the same moment."""


class LeaveBody(Struct):
    """A leave token, and how many seconds to wait for the page to come back (at most the grace)."""

    leave_token: str
    after_seconds: Annotated[float, Meta(ge=0, le=86_400)] | None = None


class TokenAnswer(Struct):
    """A user token, and when it runs out."""

    token: str
    expires_at: int


def bare_token(text: bytes) -> bytes:
    """A beacon in plain text: JSON, or nothing but the token, with white space around it."""
    stripped = text.strip()
    if not stripped or stripped.startswith(b"{"):
        return stripped
    return msgspec.json.encode({"leave_token": stripped.decode("utf-8", "replace")})


HEARTBEAT: Final = Call(
    name="heartbeat",
    method="POST",
    path="/v1/heartbeat",
    summary="A beat without a socket: begins a session, or renews the one that `resume` is for.",
    access="user",
    params=Nothing,
    body=HttpBeat,
    answer=HttpBeatAnswer,
    codes=("limit_exceeded", "degraded"),
)
LEAVE: Final = Call(
    name="leave",
    method="POST",
    path="/v1/leave",
    summary="A beacon: ends the one session that the token is for. A wrong token is answered alike.",
    access="anybody",
    params=Nothing,
    body=LeaveBody,
    body_types=(TEXT, JSON),
    reads=bare_token,
    codes=("rate_limited",),
)
MINT_TOKEN: Final = Call(
    name="mint_token",
    method="POST",
    path="/v1/tokens",
    summary="Mint a user token in the tenant of the API key.",
    access="minter",
    params=Nothing,
    body=TokenRequest,
    answer=TokenAnswer,
)
BEATING: Final[tuple[Call[Any, Any], ...]] = (HEARTBEAT, LEAVE, MINT_TOKEN)


def address_of(request: Request, door: Door) -> str:
    """The address that limits count a request by."""
    peer = request.client.host if request.client is not None else ""
    # A proxy may add a line rather than to the client's own: only together they are in order.
    forwarded_for = ",".join(request.headers.getlist("x-forwarded-for"))
    return door.address(peer, forwarded_for or None)


class Beacons:
    """Hands leave tokens in. A beacon carries no other credential, so that its address is held to a rate."""

    def __init__(self, beats: HttpBeats, door: Door) -> None:
        self._beats = beats
        self.door = door
        self._rates = Rates(door.context.clock, "leaves_per_second", LEAVES_PER_SECOND, LEAVES_AT_ONCE)

    async def leave(self, request: Request, token: str, after_seconds: float | None) -> None:
        """End the session that the token is for. Raises `Refusal` with `rate_limited`."""
        self._rates.take(address_of(request, self.door))
        await self._beats.leave_anywhere(token, after_seconds)


def beating_calls(
    beats: HttpBeats, beacons: Beacons, minter: Minter | None, admin_roles: Collection[str]
) -> list[Bound]:
    """`/v1/heartbeat`, `/v1/leave` and `/v1/tokens`."""

    async def heartbeat(asked: Asked[Nothing, HttpBeat]) -> HttpBeatAnswer:
        region = beacons.door.region(asked.request.headers)
        origin = beacons.door.origin(asked.request.headers, address_of(asked.request, beacons.door))
        return await beats.beat(asked.caller.identity.placed(region), asked.body, origin)

    async def leave(asked: Asked[Nothing, LeaveBody]) -> None:
        await beacons.leave(asked.request, asked.body.leave_token, asked.body.after_seconds)

    return [
        HEARTBEAT.to(heartbeat),
        LEAVE.to(leave),
        MINT_TOKEN.to(_mint(minter, admin_roles)),
    ]


def _mint(minter: Minter | None, admin_roles: Collection[str]) -> Callable[[Asked[Nothing, TokenRequest]], Any]:
    async def mint(asked: Asked[Nothing, TokenRequest]) -> TokenAnswer:
        if minter is None or asked.caller.key is None:
            raise Refusal("unsupported", "this server holds nothing to sign tokens with (auth.signing_key_file)")
        minted = minter.mint(permitted(asked.body, asked.caller.key, admin_roles))
        return TokenAnswer(minted.token, minted.expires_at)

    return mint
