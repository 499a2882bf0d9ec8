"""Calls with which admins act: sweep, clear, kick, revoke, and the end of a cooldown. Each is noted in the audit."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from hereabouts.errors import JournalUnavailable, Refusal
from hereabouts.gateway.beating import address_of
from hereabouts.gateway.door import Door
from hereabouts.journal.cooldowns import Cooled
from hereabouts.protocol.codec import check_id
from hereabouts.routes import Asked, Bound, Call, Nothing
from hereabouts.runtime.acts import Acts
from hereabouts.runtime.context import Context
from hereabouts.runtime.ending import End, Ended
from hereabouts.runtime.noting import By, note

COOLDOWN_SECONDS: Final = 300.0
"""How long a cooldown is that names no length."""

Reason = Annotated[str, Meta(min_length=1, max_length=200)]
Seconds = Annotated[float, Meta(gt=0, le=31_536_000)]
Mode = Literal["once", "cooldown"]


class SweepBody(Struct):
    """Whether nothing is to be changed, and why one sweeps."""

    dry_run: bool = False
    reason: Reason | None = None


class SweepAnswer(Struct):
    """Sessions judged, those that became lost, removals by cause, records that an earlier life left.

    `audited` says whether the act is on disk in the audit; a dry run is not noted.
    """

    dry_run: bool
    sessions: int
    lost: int
    removed: dict[str, int]
    ghosts: int
    audited: bool


class ClearBody(Struct):
    """What to end, and why. A `cooldown` keeps it out for `cooldown_seconds` (default 300)."""

    what: Literal["session", "user", "room", "holding"]
    id: str
    reason: Reason
    mode: Mode = "once"
    cooldown_seconds: Seconds | None = None
    dry_run: bool = False


class KickBody(Struct):
    """Whom to take out of which room, and why. A `cooldown` keeps the user out of it for `cooldown_seconds`."""

    room: str
    user_id: str
    reason: Reason
    mode: Mode = "once"
    cooldown_seconds: Seconds | None = None
    dry_run: bool = False


class RevokeBody(Struct):
    """A user, all of whose tokens issued until now are good no more, or one token by its `jti`; and why."""

    reason: Reason
    user_id: str | None = None
    token_id: str | None = None
    dry_run: bool = False


class ActAnswer(Struct):
    """Whom it concerned: sessions of all nodes, and up to 500 users, theirs or the holders.

    `until_at` is the end of the cooldown. `silent` names nodes that have not answered; they are told for five minutes.
    """

    dry_run: bool
    sessions: int
    users: list[str]
    until_at: int | None
    audited: bool
    silent: list[str]


class CooldownParams(Struct):
    """A cooldown, as `GET /v1/admin/cooldowns` names it."""

    kind: Cooled
    id: str
    reason: Reason | None = None


class CooldownEnded(Struct):
    """Whether there was one."""

    ended: bool
    audited: bool


ADMIN_SWEEP: Final = Call(
    name="admin_sweep",
    method="POST",
    path="/v1/admin/sweep",
    summary="Do now what is due, and say what was removed, by cause.",
    access="admin",
    params=Nothing,
    body=SweepBody,
    answer=SweepAnswer,
    codes=("degraded",),
)
ADMIN_CLEAR: Final = Call(
    name="admin_clear",
    method="POST",
    path="/v1/admin/clear",
    summary="End a session, a user's sessions, a room's memberships or a holding.",
    access="admin",
    params=Nothing,
    body=ClearBody,
    answer=ActAnswer,
    codes=("degraded",),
)
ADMIN_KICK: Final = Call(
    name="admin_kick",
    method="POST",
    path="/v1/admin/kick",
    summary="Take a user out of a room.",
    access="admin",
    params=Nothing,
    body=KickBody,
    answer=ActAnswer,
    codes=("degraded",),
)
ADMIN_REVOKE: Final = Call(
    name="admin_revoke",
    method="POST",
    path="/v1/admin/revoke",
    summary="Let a user's tokens, or one token, be good no more, and end what lives by them.",
    access="admin",
    params=Nothing,
    body=RevokeBody,
    answer=ActAnswer,
    codes=("degraded",),
)
ADMIN_END_COOLDOWN: Final = Call(
    name="admin_end_cooldown",
    method="DELETE",
    path="/v1/admin/cooldowns",
    summary="End a cooldown before its time.",
    access="admin",
    params=CooldownParams,
    body=Nothing,
    answer=CooldownEnded,
    codes=("degraded",),
)
ADMIN_ACTS: Final[tuple[Call[Any, Any], ...]] = (
    ADMIN_SWEEP,
    ADMIN_CLEAR,
    ADMIN_KICK,
    ADMIN_REVOKE,
    ADMIN_END_COOLDOWN,
)

USERS_TOLD: Final = 500


class AdminActs:
    """The calls."""

    def __init__(self, context: Context, door: Door, acts: Acts) -> None:
        self._context = context
        self._door = door
        self._acts = acts

    def calls(self) -> list[Bound]:
        """`POST /v1/admin/…`."""
        return [
            ADMIN_SWEEP.to(self._do_sweep),
            ADMIN_CLEAR.to(self._clear),
            ADMIN_KICK.to(self._kick),
            ADMIN_REVOKE.to(self._revoke),
            ADMIN_END_COOLDOWN.to(self._end_cooldown),
        ]

    async def _do_sweep(self, asked: Asked[Nothing, SweepBody]) -> SweepAnswer:
        body, by = asked.body, by_of(asked, self._door, asked.body.reason)
        swept = await self._acts.sweep(by.tenant, is_dry=body.dry_run)
        told: dict[str, Any] = {
            "sessions": swept.sessions,
            "lost": swept.lost,
            "removed": swept.removed,
            "ghosts": swept.ghosts,
        }
        audited = not body.dry_run and await note(self._context, by, "sweep", f"tenant:{by.tenant}", details=told)
        return SweepAnswer(dry_run=body.dry_run, audited=audited, **told)

    async def _clear(self, asked: Asked[Nothing, ClearBody]) -> ActAnswer:
        body, by = asked.body, by_of(asked, self._door, asked.body.reason)
        self._check_id(body.id, f"the id of a {body.what}")
        until_at = self._until_at(body.mode, body.cooldown_seconds)
        end = End(body.what, by.tenant, body.id, body.reason, self._context.now().at, until_at)
        user_id = body.id if body.what == "user" else None
        return await self._act(end, by, "clear", f"{body.what}:{body.id}", user_id, is_dry=body.dry_run)

    async def _kick(self, asked: Asked[Nothing, KickBody]) -> ActAnswer:
        body, by = asked.body, by_of(asked, self._door, asked.body.reason)
        self._check_id(body.room, "the id of a room")
        self._check_id(body.user_id, "the id of a user")
        until_at = self._until_at(body.mode, body.cooldown_seconds)
        end = End("member", by.tenant, body.room, body.reason, self._context.now().at, until_at, body.user_id)
        return await self._act(end, by, "kick", f"room:{body.room}", body.user_id, is_dry=body.dry_run)

    async def _revoke(self, asked: Asked[Nothing, RevokeBody]) -> ActAnswer:
        body, by = asked.body, by_of(asked, self._door, asked.body.reason)
        if (body.user_id is None) == (body.token_id is None):
            raise Refusal("bad_request", "the body names a user_id or a token_id: one of them")
        kind, id = ("user", body.user_id) if body.user_id is not None else ("token", body.token_id or "")
        self._check_id(id, f"the id of a {kind}")
        what: Ended = "token" if body.user_id is None else "user_tokens"
        end = End(what, by.tenant, id, body.reason, self._context.now().at)
        return await self._act(end, by, "revoke", f"{kind}:{id}", body.user_id, is_dry=body.dry_run)

    async def _act(self, end: End, by: By, action: str, target: str, user_id: str | None, *, is_dry: bool) -> ActAnswer:
        if is_dry:
            concerned = await self._acts.whom(end)
            return ActAnswer(True, concerned.sessions, concerned.users[:USERS_TOLD], end.until_at, False, [])
        try:
            concerned, silent = await self._acts.end(end)
        except JournalUnavailable:
            # In force without being on disk: the log at least has it.
            await note(self._context, by, action, target, user_id, {"written": False})
            raise
        sessions, users = concerned.sessions, concerned.users
        details: dict[str, Any] = {"sessions": sessions, "users": users[:USERS_TOLD]}
        details |= {} if end.until_at is None else {"until_at": end.until_at}
        details |= {"silent": silent} if silent else {}
        if user_id is None and len(users) == 1 and end.what != "room":
            user_id = users[0]
        audited = await note(self._context, by, action, target, user_id, details)
        return ActAnswer(False, sessions, users[:USERS_TOLD], end.until_at, audited, silent)

    async def _end_cooldown(self, asked: Asked[CooldownParams, Nothing]) -> CooldownEnded:
        params, by = asked.params, by_of(asked, self._door, asked.params.reason)
        ended = await self._acts.end_cooldown(by.tenant, params.kind, params.id)
        if not ended:
            return CooldownEnded(ended=False, audited=False)
        target = f"{params.kind}:{params.id}"
        user_id = params.id if params.kind == "user" else None
        return CooldownEnded(ended=True, audited=await note(self._context, by, "end_cooldown", target, user_id))

    def _check_id(self, id: str, what: str) -> None:
        check_id(id, what, id_bytes=self._context.limits.id_bytes)

    def _until_at(self, mode: Mode, seconds: float | None) -> int | None:
        if mode == "once":
            if seconds is not None:
                raise Refusal("bad_request", 'cooldown_seconds goes with mode "cooldown"')
            return None
        return self._context.now().at + int((COOLDOWN_SECONDS if seconds is None else seconds) * 1000)


def by_of(asked: Asked[Any, Any], door: Door, reason: str | None) -> By:
    """Who makes a call, for the audit."""
    caller = asked.caller
    return By(caller.identity.tenant, caller.name, address_of(asked.request, door), reason)
