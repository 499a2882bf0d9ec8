"""Calls with which the host says who may watch whom."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from hereabouts.routes import Asked, Bound, Call, Nothing
from hereabouts.runtime.acts import Acts
from hereabouts.runtime.relations import Relations


class EdgeParams(Struct):
    """The ids of two users: `watcher` watches `watched`."""

    watcher: str
    watched: str


class WatcherParams(Struct):
    """A user id."""

    watcher: str


class EdgesAnswer(Struct):
    """Whom a user may watch by edges, in the order of the ids."""

    watcher: str
    watched: list[str]


EDGES: Final = Call(
    name="relations",
    method="GET",
    path="/v1/relations/{watcher}",
    summary="Whom a user may watch, by edges that were set.",
    access="server",
    params=WatcherParams,
    body=Nothing,
    answer=EdgesAnswer,
    codes=("too_large", "unsupported", "degraded"),
)
PUT_EDGE: Final = Call(
    name="put_relation",
    method="PUT",
    path="/v1/relations/{watcher}/{watched}",
    summary="From now on the watcher may watch the watched user.",
    access="writer",
    params=EdgeParams,
    body=Nothing,
    codes=("too_large", "unsupported", "limit_exceeded", "degraded"),
)
DELETE_EDGE: Final = Call(
    name="delete_relation",
    method="DELETE",
    path="/v1/relations/{watcher}/{watched}",
    summary="From now on the watcher may not; on open connections the watched user goes offline.",
    access="writer",
    params=EdgeParams,
    body=Nothing,
    codes=("too_large", "unsupported", "degraded"),
)
RELATIONS: Final[tuple[Call[Any, Any], ...]] = (EDGES, PUT_EDGE, DELETE_EDGE)


class RelationCalls:
    """The calls. Each returns when those who look have been told, on every node that answers."""

    def __init__(self, relations: Relations, acts: Acts) -> None:
        self._relations = relations
        self._acts = acts

    def calls(self) -> list[Bound]:
        """`/v1/relations/…`."""
        return [EDGES.to(self._list), PUT_EDGE.to(self._put), DELETE_EDGE.to(self._delete)]

    async def _list(self, asked: Asked[WatcherParams, Nothing]) -> EdgesAnswer:
        watcher = asked.params.watcher
        return EdgesAnswer(watcher, sorted(await self._relations.watched_by(asked.caller.identity.tenant, watcher)))

    async def _put(self, asked: Asked[EdgeParams, Nothing]) -> None:
        tenant, params = asked.caller.identity.tenant, asked.params
        await self._acts.relate(tenant, params.watcher, params.watched, may_watch=True)

    async def _delete(self, asked: Asked[EdgeParams, Nothing]) -> None:
        tenant, params = asked.caller.identity.tenant, asked.params
        await self._acts.relate(tenant, params.watcher, params.watched, may_watch=False)
