"""Calls about one person: what is kept of her, to forget her, and whether a push would find her looking already."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from hereabouts.engine.notifying import Reason
from hereabouts.gateway.admin_acts import by_of
from hereabouts.gateway.door import Door
from hereabouts.gateway.lookups import UserParams
from hereabouts.routes import Asked, Bound, Call, Nothing
from hereabouts.runtime.erasing import Erasing
from hereabouts.runtime.reading import Reading


class ExportAnswer(Struct):
    """All that is kept of a user: live sessions, and the journal's rows by class."""

    user_id: str
    tenant: str
    exported_at: int
    sessions: list[dict[str, Any]]
    stored: dict[str, list[dict[str, Any]]]


class EraseAnswer(Struct):
    """How many rows of each class are gone or bear an alias; `live` are sessions that were ended."""

    user_id: str
    erased: dict[str, int]


class NotifyAnswer(Struct):
    """Whether a push notification is worth sending, and why or why not."""

    notify: bool
    reason: Reason


EXPORT: Final = Call(
    name="export_user",
    method="GET",
    path="/v1/users/{id}/export",
    summary="Everything that is kept of a user.",
    access="admin:read",
    params=UserParams,
    body=Nothing,
    answer=ExportAnswer,
    codes=("too_large", "unsupported", "degraded"),
)
ERASE: Final = Call(
    name="erase_user",
    method="DELETE",
    path="/v1/users/{id}",
    summary="Forget a user. Only a token that is issued afterwards brings the user back.",
    access="admin",
    params=UserParams,
    body=Nothing,
    answer=EraseAnswer,
    codes=("too_large", "unsupported", "degraded"),
)
SHOULD_NOTIFY: Final = Call(
    name="should_notify",
    method="GET",
    path="/v1/users/{id}/should_notify",
    summary="Whether to send a push notification: not while the user certainly looks, and in every doubt.",
    access="server",
    params=UserParams,
    body=Nothing,
    answer=NotifyAnswer,
    codes=("too_large",),
)
SUBJECTS: Final[tuple[Call[Any, Any], ...]] = (EXPORT, SHOULD_NOTIFY, ERASE)


class SubjectCalls:
    """The calls."""

    def __init__(self, door: Door, erasing: Erasing, reading: Reading) -> None:
        self._door = door
        self._erasing = erasing
        self._reading = reading

    def calls(self) -> list[Bound]:
        """`/v1/users/{id}` and what is under it, for servers and admins."""
        return [EXPORT.to(self._export), SHOULD_NOTIFY.to(self._should_notify), ERASE.to(self._erase)]

    async def _export(self, asked: Asked[UserParams, Nothing]) -> ExportAnswer:
        tenant, user_id = asked.caller.identity.tenant, asked.params.id
        told = await self._erasing.export(tenant, user_id)
        return ExportAnswer(user_id, tenant, self._reading.now_at, told.sessions, told.stored)

    async def _erase(self, asked: Asked[UserParams, Nothing]) -> EraseAnswer:
        user_id = asked.params.id
        return EraseAnswer(user_id, await self._erasing.erase(by_of(asked, self._door, None), user_id))

    async def _should_notify(self, asked: Asked[UserParams, Nothing]) -> NotifyAnswer:
        return NotifyAnswer(*await self._reading.should_notify(asked.caller.identity.tenant, asked.params.id))
