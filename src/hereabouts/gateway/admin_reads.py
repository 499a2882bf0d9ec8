"""Calls that show admins what is: sessions, rooms, nodes, numbers, cooldowns."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from hereabouts.journal.cooldowns import Cooldown
from hereabouts.routes import Asked, Bound, Call, Nothing
from hereabouts.runtime.afar import Afar
from hereabouts.runtime.context import Context
from hereabouts.runtime.fleet import Fleet, NodeRow
from hereabouts.runtime.overview import Chosen, Overview, RoomRow, SessionRow, Stats, cursor_after

Limit = Annotated[int, Meta(ge=1, le=500)]


class SessionsParams(Struct):
    """Which sessions, how many, and the `next_cursor` of the page before."""

    user_id: str | None = None
    room: str | None = None
    node: str | None = None
    limit: Limit = 100
    cursor: str | None = None


class SessionsAnswer(Struct):
    """A page of sessions, in the order of their ids.

    Of all nodes where a user or a room was given; else of `node`, which answers.
    """

    sessions: list[SessionRow]
    next_cursor: str | None
    node: str | None


class RoomsParams(Struct):
    """What the rooms' names begin with, how many, and the `next_cursor` of the page before."""

    prefix: str = ""
    limit: Limit = 100
    cursor: str | None = None


class RoomsAnswer(Struct):
    """A page of rooms, in the order of their names."""

    rooms: list[RoomRow]
    next_cursor: str | None


class NodesAnswer(Struct):
    """The server processes."""

    nodes: list[NodeRow]


class CooldownsAnswer(Struct):
    """Everything that cools down, the first to end first."""

    cooldowns: list[Cooldown]


ADMIN_SESSIONS: Final = Call(
    name="admin_sessions",
    method="GET",
    path="/v1/admin/sessions",
    summary="Sessions, of a user, in a room or on a node.",
    access="admin:read",
    params=SessionsParams,
    body=Nothing,
    answer=SessionsAnswer,
)
ADMIN_ROOMS: Final = Call(
    name="admin_rooms",
    method="GET",
    path="/v1/admin/rooms",
    summary="Rooms with their counts.",
    access="admin:read",
    params=RoomsParams,
    body=Nothing,
    answer=RoomsAnswer,
)
ADMIN_NODES: Final = Call(
    name="admin_nodes",
    method="GET",
    path="/v1/admin/nodes",
    summary="All server processes, as each told of itself.",
    access="admin:read",
    params=Nothing,
    body=Nothing,
    answer=NodesAnswer,
)
ADMIN_STATS: Final = Call(
    name="admin_stats",
    method="GET",
    path="/v1/admin/stats",
    summary="How many users there are in each status, and how many of them are stale.",
    access="admin:read",
    params=Nothing,
    body=Nothing,
    answer=Stats,
)
ADMIN_COOLDOWNS: Final = Call(
    name="admin_cooldowns",
    method="GET",
    path="/v1/admin/cooldowns",
    summary="Who and what must stay out for a while.",
    access="admin:read",
    params=Nothing,
    body=Nothing,
    answer=CooldownsAnswer,
)
ADMIN_READS: Final[tuple[Call[Any, Any], ...]] = (
    ADMIN_SESSIONS,
    ADMIN_ROOMS,
    ADMIN_NODES,
    ADMIN_STATS,
    ADMIN_COOLDOWNS,
)


class AdminReads:
    """The calls."""

    def __init__(self, context: Context, overview: Overview, afar: Afar, fleet: Fleet) -> None:
        self._context = context
        self._overview = overview
        self._afar = afar
        self._fleet = fleet

    def calls(self) -> list[Bound]:
        """`GET /v1/admin/…`."""
        return [
            ADMIN_SESSIONS.to(self._sessions),
            ADMIN_ROOMS.to(self._rooms),
            ADMIN_NODES.to(self._nodes),
            ADMIN_STATS.to(self._stats),
            ADMIN_COOLDOWNS.to(self._cooldowns),
        ]

    async def _sessions(self, asked: Asked[SessionsParams, Nothing]) -> SessionsAnswer:
        params, tenant = asked.params, asked.caller.identity.tenant
        chosen = Chosen(params.user_id, params.room, params.node)
        rows, next_cursor = await self._afar.page(tenant, chosen, params.cursor, params.limit)
        return SessionsAnswer(rows, next_cursor, None if chosen.is_everywhere else self._context.owner.node)

    async def _rooms(self, asked: Asked[RoomsParams, Nothing]) -> RoomsAnswer:
        params = asked.params
        rows = self._overview.rooms(asked.caller.identity.tenant, params.prefix, params.cursor, params.limit)
        return RoomsAnswer(rows, cursor_after([row.room for row in rows], params.limit))

    async def _nodes(self, asked: Asked[Nothing, Nothing]) -> NodesAnswer:
        return NodesAnswer(self._fleet.rows())

    async def _stats(self, asked: Asked[Nothing, Nothing]) -> Stats:
        return self._overview.stats(asked.caller.identity.tenant)

    async def _cooldowns(self, asked: Asked[Nothing, Nothing]) -> CooldownsAnswer:
        cooldowns = self._context.journal.cooldowns
        return CooldownsAnswer(cooldowns.all(asked.caller.identity.tenant, self._context.now().at))
