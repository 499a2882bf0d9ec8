"""Calls that ask the journal about the past: for admins, of their own tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, get_args
from urllib.parse import quote

from msgspec import Meta, Struct
from starlette.responses import Response

from hereabouts.engine.analytics import HOUR_SECONDS, REGION_USERS_LEAST, Hour, Lengths, Online, heat_map
from hereabouts.engine.attendance import Span, days, merge
from hereabouts.engine.buckets import DAY_SECONDS, Bucket, Window
from hereabouts.engine.occupancy import kind_of
from hereabouts.errors import Refusal
from hereabouts.gateway.sheets import Cell, sheet
from hereabouts.gateway.zones import zone
from hereabouts.journal.history import USERS_MOST, History, Pick, Region, UserStatuses, UserThen
from hereabouts.protocol.codes import Status
from hereabouts.routes import Asked, Bound, Call, Nothing
from hereabouts.runtime.context import Context

Moment = Annotated[int, Meta(ge=0, le=4_102_444_800_000)]
"""A time up to the year 2100."""

UserId = Annotated[str, Meta(min_length=1, max_length=200)]

STATUSES: Final[tuple[Status, ...]] = get_args(Status)


class WindowParams(Struct, kw_only=True):
    """From `from_at` until before `to_at`, in the days of the time zone `tz`; as JSON or as `csv`."""

    from_at: Moment
    to_at: Moment
    tz: Annotated[str, Meta(max_length=64)] = "Z"
    format: Literal["json", "csv"] = "json"


class OnlineParams(WindowParams, kw_only=True):
    """The same, in pieces of so many seconds: a whole part of a day."""

    interval_seconds: int = HOUR_SECONDS


class UsersParams(WindowParams, kw_only=True):
    """The same, of one user or of a page of users; `cursor` is the `next_cursor` of the page before."""

    user_id: UserId | None = None
    limit: Annotated[int, Meta(ge=1, le=USERS_MOST)] = 100
    cursor: UserId | None = None


class AttendanceParams(UsersParams, kw_only=True):
    """The same. Gaps shorter than `gap_seconds` count as being here; the tenant's grace unless told.

    With a `kind` of resource it is about holding one, or this `resource`, rather than about being here.
    """

    gap_seconds: Annotated[float, Meta(ge=0, le=DAY_SECONDS)] | None = None
    kind: UserId | None = None
    resource: UserId | None = None


class AtParams(Struct, kw_only=True):
    """A moment, and which users."""

    at: Moment
    user_id: UserId | None = None
    limit: Annotated[int, Meta(ge=1, le=USERS_MOST)] = 100
    cursor: UserId | None = None
    format: Literal["json", "csv"] = "json"


class OnlineAnswer(Struct):
    """How many users were here, piece by piece."""

    interval_seconds: int
    buckets: list[Online]


class HeatMap(Struct):
    """How many users were here in each hour of the week that the window touches."""

    hours: list[Hour]


class StatusesAnswer(Struct):
    """For how long each user had each status."""

    users: list[UserStatuses]
    next_cursor: str | None


class DayHere(Struct):
    """A local day of somebody: for how many seconds here for certain, at most, and from when to when."""

    day: str
    seconds: float
    most_seconds: float
    is_approximate: bool
    first_at: int
    last_at: int


class SpanHere(Struct):
    """Here from `from_at` until `to_at` for certain; an approximate end lies between that and `latest_to_at`."""

    from_at: int
    to_at: int
    latest_to_at: int
    is_approximate: bool
    is_open: bool


class UserAttendance(Struct):
    """When one user was here."""

    user_id: str
    seconds: float
    most_seconds: float
    days: list[DayHere]
    spans: list[SpanHere]


class AttendanceAnswer(Struct):
    """When each user was here."""

    gap_seconds: float
    users: list[UserAttendance]
    next_cursor: str | None


class AtAnswer(Struct):
    """Who was here at a moment."""

    at: int
    users: list[UserThen]
    next_cursor: str | None


class RegionsAnswer(Struct):
    """The regions that users came from. One with fewer than `users_least` users is not in it."""

    users_least: int
    regions: list[Region]


def _call(name: str, summary: str, params: type[Struct], answer: type[Struct]) -> Call[Any, Any]:
    return Call(
        name=f"analytics_{name}",
        method="GET",
        path=f"/v1/admin/analytics/{name}",
        summary=summary,
        access="admin:read",
        params=params,
        body=Nothing,
        answer=answer,
        formats=("text/csv",),
        codes=("unsupported", "limit_exceeded", "degraded"),
    )


ONLINE: Final = _call("online", "How many users were here, over time.", OnlineParams, OnlineAnswer)
HEATMAP: Final = _call("heatmap", "How many users were here, by hour of the week.", WindowParams, HeatMap)
SESSIONS: Final = _call("sessions", "How long the sessions were that ended then.", WindowParams, Lengths)
STATUSES_CALL: Final = _call("statuses", "How long users had each status.", UsersParams, StatusesAnswer)
ATTENDANCE: Final = _call("attendance", "When users were here, by day.", AttendanceParams, AttendanceAnswer)
AT: Final = _call("at", "Who was here at a moment, with which status and sessions.", AtParams, AtAnswer)
REGIONS: Final = _call("regions", "How many users came from which region.", WindowParams, RegionsAnswer)
ANALYTICS: Final[tuple[Call[Any, Any], ...]] = (
    ONLINE,
    HEATMAP,
    SESSIONS,
    STATUSES_CALL,
    ATTENDANCE,
    AT,
    REGIONS,
)


class Analytics:
    """The calls."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def calls(self) -> list[Bound]:
        """`/v1/admin/analytics/…`."""
        return [
            ONLINE.to(self._online),
            HEATMAP.to(self._heat_map),
            SESSIONS.to(self._sessions),
            STATUSES_CALL.to(self._statuses),
            ATTENDANCE.to(self._attendance),
            AT.to(self._at),
            REGIONS.to(self._regions),
        ]

    @property
    def _history(self) -> History:
        history = self._context.journal.history
        if history is None:
            raise Refusal("unsupported", 'this server keeps no record of the past (journal.url is "none")')
        return history

    async def _online(self, asked: Asked[OnlineParams, Nothing]) -> OnlineAnswer | Response:
        params = asked.params
        curve = await self._curve(asked, params.interval_seconds)
        if params.format == "csv":
            return sheet("online", Online.__struct_fields__, [(o.start_at, o.end_at, o.peak, o.mean) for o in curve])
        return OnlineAnswer(params.interval_seconds, curve)

    async def _heat_map(self, asked: Asked[WindowParams, Nothing]) -> HeatMap | Response:
        hours = heat_map(_window(asked.params), await self._curve(asked, HOUR_SECONDS))
        if asked.params.format == "csv":
            return sheet("heatmap", Hour.__struct_fields__, [(h.weekday, h.hour, h.peak, h.mean) for h in hours])
        return HeatMap(hours)

    async def _curve(self, asked: Asked[Any, Nothing], interval_seconds: int) -> list[Online]:
        buckets = _buckets(_window(asked.params), interval_seconds)
        return await self._history.online(asked.caller.identity.tenant, buckets)

    async def _sessions(self, asked: Asked[WindowParams, Nothing]) -> Lengths | Response:
        told = await self._history.lengths(asked.caller.identity.tenant, _span(asked.params))
        if asked.params.format == "csv":
            rows = [(group.from_seconds, group.below_seconds, group.sessions) for group in told.groups]
            return sheet("sessions", ("from_seconds", "below_seconds", "sessions"), rows)
        return told

    async def _statuses(self, asked: Asked[UsersParams, Nothing]) -> StatusesAnswer | Response:
        params = asked.params
        users = await self._history.statuses(asked.caller.identity.tenant, _span(params), _pick(params))
        cursor = _next(params, [user.user_id for user in users])
        if params.format == "csv":
            rows: list[tuple[Cell, ...]] = [
                (user.user_id, *(user.seconds.get(status, 0.0) for status in STATUSES)) for user in users
            ]
            columns = ("user_id", *(f"{status}_seconds" for status in STATUSES))
            return _linked(sheet("statuses", columns, rows), cursor)
        return StatusesAnswer(users, cursor)

    async def _attendance(self, asked: Asked[AttendanceParams, Nothing]) -> AttendanceAnswer | Response:
        params, tenant = asked.params, asked.caller.identity.tenant
        window = _window(params)
        _buckets(window, DAY_SECONDS)
        gap = params.gap_seconds
        gap_seconds = self._context.policy(tenant).grace_seconds if gap is None else gap
        found = await self._spans(tenant, params)
        # Many sessions are more than the loop should stand still for.
        users = await asyncio.to_thread(lambda: [_attendance(window, *one, gap_seconds) for one in found])
        cursor = _next(params, [user.user_id for user in users])
        if params.format == "csv":
            return _linked(sheet("attendance", ("user_id", *DayHere.__struct_fields__), _days_of(users)), cursor)
        return AttendanceAnswer(gap_seconds, users, cursor)

    async def _spans(self, tenant: str, params: AttendanceParams) -> list[tuple[str, list[Span]]]:
        span, pick, now_at = _span(params), _pick(params), self._context.now().at
        kind = params.kind if params.resource is None else kind_of(params.resource)
        if kind is None:
            return await self._history.spans(tenant, span, pick, now_at)
        return await self._history.held(tenant, span, pick, now_at, kind, params.resource)

    async def _at(self, asked: Asked[AtParams, Nothing]) -> AtAnswer | Response:
        params = asked.params
        users = await self._history.at(asked.caller.identity.tenant, params.at, _pick(params))
        cursor = _next(params, [user.user_id for user in users])
        if params.format == "csv":
            rows = [(user.user_id, user.status, user.is_approximate, len(user.sessions)) for user in users]
            return _linked(sheet("at", ("user_id", "status", "is_approximate", "sessions"), rows), cursor)
        return AtAnswer(params.at, users, cursor)

    async def _regions(self, asked: Asked[WindowParams, Nothing]) -> RegionsAnswer | Response:
        tenant = asked.caller.identity.tenant
        found = await self._history.regions(tenant, _span(asked.params), REGION_USERS_LEAST)
        if asked.params.format == "csv":
            return sheet("regions", Region.__struct_fields__, [(r.region, r.users, r.sessions) for r in found])
        return RegionsAnswer(REGION_USERS_LEAST, found)


def _window(params: WindowParams) -> Window:
    if params.to_at <= params.from_at:
        raise Refusal("bad_request", f"to_at ({params.to_at}) must be later than from_at ({params.from_at})")
    return Window(params.from_at, params.to_at, zone(params.tz))


def _span(params: WindowParams) -> Bucket:
    window = _window(params)
    return Bucket(window.from_at, window.to_at)


def _buckets(window: Window, interval_seconds: int) -> list[Bucket]:
    try:
        return window.buckets(interval_seconds)
    except ValueError as error:
        raise Refusal("bad_request", str(error)) from None


def _pick(params: UsersParams | AtParams) -> Pick:
    return Pick(params.limit, params.cursor or "", params.user_id)


def _next(params: UsersParams | AtParams, user_ids: Sequence[str]) -> str | None:
    return user_ids[-1] if len(user_ids) == params.limit and params.user_id is None else None


def _linked(response: Response, cursor: str | None) -> Response:
    """A table has no room for a cursor; the next page is told in a header (RFC 8288)."""
    if cursor is not None:
        response.headers["Link"] = f'<?cursor={quote(cursor, safe="")}>; rel="next"'
    return response


def _attendance(window: Window, user_id: str, sessions: Sequence[Span], gap_seconds: float) -> UserAttendance:
    spans = merge(sessions, gap_seconds)
    found = [
        DayHere(day.day.isoformat(), day.seconds, day.most_seconds, day.is_approximate, day.first_at, day.last_at)
        for day in days(window, spans)
    ]
    return UserAttendance(
        user_id,
        sum(day.seconds for day in found),
        sum(day.most_seconds for day in found),
        found,
        [SpanHere(s.start_at, s.end_at, s.latest_at, s.is_approximate, s.is_open) for s in spans],
    )


def _days_of(users: Sequence[UserAttendance]) -> list[tuple[Cell, ...]]:
    return [
        (user.user_id, day.day, day.seconds, day.most_seconds, day.is_approximate, day.first_at, day.last_at)
        for user in users
        for day in user.days
    ]
