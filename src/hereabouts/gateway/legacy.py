"""The names that earlier systems called, with the same meaning."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import msgspec
from msgspec import Struct, UnsetType, structs
from starlette.responses import Response

from hereabouts.gateway.beating import Beacons, address_of, bare_token
from hereabouts.gateway.lookups import split_ids
from hereabouts.protocol.messages import User
from hereabouts.routes import JSON, TEXT, Asked, Bound, Call, Nothing
from hereabouts.runtime.beats import HttpBeat, HttpBeatAnswer, HttpBeats
from hereabouts.runtime.callers import Callers
from hereabouts.runtime.reading import Reading

DEPRECATED_AT: Final = "@1767225600"
"""Since when the old names are deprecated: 2026-01-01. Source: RFC 9745."""

REMEMBERED_USERS: Final = 100_000
"""So many users who beat without a secret are remembered; the oldest are forgotten and begin a new session."""


class StatusParams(Struct):
    """User ids with commas between them."""

    userIds: str


class OldStatus(Struct):
    """Whether a user is there. `lastActiveAt` is in milliseconds, as far as the caller may see."""

    isOnline: bool
    lastActiveAt: int | None


class OldPresence(Struct):
    """The users that were asked for."""

    presence: dict[str, OldStatus]


class DisconnectBody(Struct):
    """A leave token, or with a bearer token the session to end; without both, all of the user's."""

    leave_token: str | None = None
    session_id: str | None = None
    after_seconds: float | None = None


OLD_HEARTBEAT: Final = Call(
    name="old_heartbeat",
    method="POST",
    path="/api/presence/heartbeat",
    summary="`POST /v1/heartbeat`. Beats without `resume` are all of one session of the user.",
    access="user",
    params=Nothing,
    body=HttpBeat,
    answer=HttpBeatAnswer,
    codes=("limit_exceeded", "degraded"),
    is_deprecated=True,
)
OLD_STATUS: Final = Call(
    name="old_status",
    method="GET",
    path="/api/presence/status",
    summary="`GET /v1/users`, in fewer words.",
    access="reader",
    params=StatusParams,
    body=Nothing,
    answer=OldPresence,
    codes=("too_large", "degraded"),
    is_deprecated=True,
)
OLD_DISCONNECT: Final = Call(
    name="old_disconnect",
    method="POST",
    path="/api/user-disconnect",
    summary="`POST /v1/leave`, or with a bearer token the end of the user's sessions.",
    access="anybody",
    params=Nothing,
    body=DisconnectBody,
    body_types=(TEXT, JSON),
    reads=bare_token,
    codes=("rate_limited", "unauthenticated", "token_expired"),
    is_deprecated=True,
)
OLD_NAMES: Final[tuple[Call[Any, Any], ...]] = (OLD_HEARTBEAT, OLD_STATUS, OLD_DISCONNECT)


class OldNames:
    """The calls."""

    def __init__(self, beats: HttpBeats, reading: Reading, callers: Callers, beacons: Beacons) -> None:
        self._beats = beats
        self._reading = reading
        self._callers = callers
        self._beacons = beacons
        self._resumes: OrderedDict[tuple[str, str], str] = OrderedDict()

    def calls(self) -> list[Bound]:
        """`/api/presence/heartbeat`, `/api/presence/status` and `/api/user-disconnect`."""
        return [
            OLD_HEARTBEAT.to(self._heartbeat),
            OLD_STATUS.to(self._status),
            OLD_DISCONNECT.to(self._disconnect),
        ]

    async def _heartbeat(self, asked: Asked[Nothing, HttpBeat]) -> Response:
        identity = asked.caller.identity.placed(self._beacons.door.region(asked.request.headers))
        body = asked.body
        user = (identity.tenant, identity.user_id)
        if body.resume is None:
            body = structs.replace(body, resume=self._resumes.get(user))
        door = self._beacons.door
        origin = door.origin(asked.request.headers, address_of(asked.request, door))
        answer = await self._beats.beat(identity, body, origin)
        if asked.body.resume is None:
            self._resumes[user] = answer.resume
            self._resumes.move_to_end(user)
            if len(self._resumes) > REMEMBERED_USERS:
                self._resumes.popitem(last=False)
        return self._answer(OLD_HEARTBEAT, answer, "/v1/heartbeat")

    async def _status(self, asked: Asked[StatusParams, Nothing]) -> Response:
        read = await self._reading.users(asked.caller.identity, split_ids(asked.params.userIds, "userIds"))
        presence = {card.user_id: OldStatus(card.status != "offline", _last_active_at(card)) for card in read.users}
        return self._answer(OLD_STATUS, OldPresence(presence), "/v1/users")

    async def _disconnect(self, asked: Asked[Nothing, DisconnectBody]) -> Response:
        body = asked.body
        if body.leave_token is not None:
            await self._beacons.leave(asked.request, body.leave_token, body.after_seconds)
        else:
            identity = (await self._callers.admit("user", asked.request.headers)).identity
            await self._beats.leave_user(identity.tenant, identity.user_id, body.session_id)
        return self._answer(OLD_DISCONNECT, None, "/v1/leave")

    def _answer(self, call: Call[Any, Any], answer: Struct | None, successor: str) -> Response:
        self._beacons.door.context.telemetry.old_calls[call.name] += 1
        headers = {"Deprecation": DEPRECATED_AT, "Link": f'<{successor}>; rel="successor-version"'}
        if answer is None:
            return Response(status_code=204, headers=headers)
        return Response(msgspec.json.encode(answer), headers=headers, media_type=JSON)


def _last_active_at(card: User) -> int | None:
    for time_at in (card.last_active_at, card.last_seen_at):
        if time_at is not None and not isinstance(time_at, UnsetType):
            return time_at
    return None
