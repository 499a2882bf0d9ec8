"""Calls for admins: which endpoints there are, which events were kept, and to send some again."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Raw, Struct

from hereabouts.errors import Refusal
from hereabouts.gateway.admin_acts import by_of
from hereabouts.gateway.door import Door
from hereabouts.routes import Asked, Bound, Call, Nothing
from hereabouts.runtime.context import Context
from hereabouts.runtime.dispatcher import Dispatcher
from hereabouts.runtime.noting import note

Position = Annotated[int, Meta(ge=0, le=2**53)]


class EndpointJson(Struct):
    """An endpoint: how much waits for it and since when, how much was given up, and since when it is disabled."""

    name: str
    events: tuple[str, ...]
    waiting: int
    dead: int
    oldest_at: int | None
    disabled_at: int | None


class EndpointsAnswer(Struct):
    """The endpoints that events of the caller's tenant go to."""

    endpoints: list[EndpointJson]


class EventsParams(Struct):
    """The position of the last event that is known, and how many to give."""

    after: Position = 0
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class EventJson(Struct):
    """An event. `body` is what is sent; `waiting` and `dead` name endpoints that have not had it."""

    seq: int
    id: str
    type: str
    at: int
    body: Raw
    waiting: tuple[str, ...]
    dead: tuple[str, ...]


class EventsAnswer(Struct):
    """Events, oldest first; `next_after` is for the next call, and there is more when `has_more` says so."""

    events: list[EventJson]
    next_after: int
    has_more: bool


class ReplayBody(Struct):
    """Which events go again: those after one position up to another, all or only those that were given up."""

    endpoint: str
    after: Position
    until: Position | None = None
    only_dead: bool = False


class ReplayAnswer(Struct):
    """How many events go again, and up to where was looked. Ask again from there until `replayed` is 0."""

    replayed: int
    next_after: int


ENDPOINTS: Final = Call(
    name="webhook_endpoints",
    method="GET",
    path="/v1/admin/webhooks",
    summary="The endpoints of webhooks, and how it stands with them.",
    access="admin:read",
    params=Nothing,
    body=Nothing,
    answer=EndpointsAnswer,
    codes=("unsupported", "degraded"),
)
EVENTS: Final = Call(
    name="webhook_events",
    method="GET",
    path="/v1/admin/webhooks/events",
    summary="Events that are kept, after a position and in order.",
    access="admin:read",
    params=EventsParams,
    body=Nothing,
    answer=EventsAnswer,
    codes=("unsupported", "degraded"),
)
REPLAY: Final = Call(
    name="webhook_replay",
    method="POST",
    path="/v1/admin/webhooks/replay",
    summary="Send events to an endpoint again; one that was disabled is enabled.",
    access="admin",
    params=Nothing,
    body=ReplayBody,
    answer=ReplayAnswer,
    codes=("unsupported", "degraded", "not_found"),
)
CALLS: Final = (ENDPOINTS, EVENTS, REPLAY)


class WebhookCalls:
    """Does these calls, each in the caller's tenant."""

    def __init__(self, context: Context, door: Door, webhooks: Dispatcher) -> None:
        self._context = context
        self._door = door
        self._webhooks = webhooks

    def calls(self) -> list[Bound]:
        """The calls."""
        return [ENDPOINTS.to(self._endpoints), EVENTS.to(self._events), REPLAY.to(self._replay)]

    async def _endpoints(self, asked: Asked[Nothing, Nothing]) -> EndpointsAnswer:
        found: list[EndpointJson] = []
        for endpoint in self._webhooks.endpoints.of_tenant(asked.caller.identity.tenant):
            state = await self._webhooks.outbox.state(endpoint.name)
            found.append(
                EndpointJson(
                    endpoint.name, endpoint.events, state.waiting, state.dead, state.oldest_at, state.disabled_at
                )
            )
        return EndpointsAnswer(found)

    async def _events(self, asked: Asked[EventsParams, Nothing]) -> EventsAnswer:
        after, limit = asked.params.after, asked.params.limit
        kept = await self._webhooks.outbox.events(asked.caller.identity.tenant, after, limit + 1)
        some = kept[:limit]
        events = [EventJson(e.seq, e.id, e.type, e.at, Raw(e.body), e.waiting, e.dead) for e in some]
        return EventsAnswer(events, some[-1].seq if some else after, len(kept) > limit)

    async def _replay(self, asked: Asked[Nothing, ReplayBody]) -> ReplayAnswer:
        tenant, body = asked.caller.identity.tenant, asked.body
        names = [endpoint.name for endpoint in self._webhooks.endpoints.of_tenant(tenant)]
        if body.endpoint not in names:
            raise Refusal("not_found", f"there is no endpoint {body.endpoint[:100]!r}; there are {names}")
        replayed = await self._webhooks.replay(tenant, body.endpoint, body.after, body.until, only_dead=body.only_dead)
        details = {"events": replayed.events, "after": body.after, "until": replayed.seq}
        await note(
            self._context,
            by_of(asked, self._door, None),
            "webhook_replay",
            f"endpoint:{body.endpoint}",
            details=details,
        )
        return ReplayAnswer(replayed.events, replayed.seq)
