"""Calls that read the audit: in pages, and whole as JSON lines or as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response, StreamingResponse

from hereabouts.errors import Refusal
from hereabouts.gateway.sheets import Cell, cell
from hereabouts.journal.audit import Audit, AuditEntry, AuditFilter
from hereabouts.routes import Asked, Bound, Call, Nothing
from hereabouts.runtime.context import Context

PAGE: Final = 500

Number = Annotated[int, Meta(ge=0, le=2**53)]
"""A time or a position; all that are kept are smaller."""

COLUMNS: Final = ("id", "at", "actor", "action", "target", "user_id", "reason", "origin", "details")


class AuditParams(Struct):
    """Which acts; `since_at` is included, `until_at` is not. How many, and the `next_cursor` of the page before."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    user_id: str | None = None
    since_at: Number | None = None
    until_at: Number | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE)] = 100
    cursor: Number | None = None


class AuditExportParams(Struct):
    """Which acts, and how they are written."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    user_id: str | None = None
    since_at: Number | None = None
    until_at: Number | None = None
    format: Literal["jsonl", "csv"] = "jsonl"


class AuditRow(Struct):
    """Who did what, to whom, why, from where and when."""

    id: int
    at: int
    actor: str
    action: str
    target: str
    user_id: str | None
    reason: str | None
    origin: str | None
    details: dict[str, Any]


class AuditAnswer(Struct):
    """A page of acts, newest first."""

    entries: list[AuditRow]
    next_cursor: int | None


ADMIN_AUDIT: Final = Call(
    name="admin_audit",
    method="GET",
    path="/v1/admin/audit",
    summary="What admins did, newest first.",
    access="admin:read",
    params=AuditParams,
    body=Nothing,
    answer=AuditAnswer,
    codes=("unsupported", "degraded"),
)
ADMIN_AUDIT_EXPORT: Final = Call(
    name="admin_audit_export",
    method="GET",
    path="/v1/admin/audit/export",
    summary="The same, all of it, as JSON lines or CSV.",
    access="admin:read",
    params=AuditExportParams,
    body=Nothing,
    media_type="application/x-ndjson",
    codes=("unsupported", "degraded"),
)
ADMIN_AUDITS: Final[tuple[Call[Any, Any], ...]] = (ADMIN_AUDIT, ADMIN_AUDIT_EXPORT)


class AdminAudit:
    """The calls."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def calls(self) -> list[Bound]:
        """`GET /v1/admin/audit…`."""
        return [ADMIN_AUDIT.to(self._page), ADMIN_AUDIT_EXPORT.to(self._export)]

    async def _page(self, asked: Asked[AuditParams, Nothing]) -> AuditAnswer:
        params = asked.params
        found = await self._audit().find(
            asked.caller.identity.tenant, _which(params), before_id=params.cursor, limit=params.limit
        )
        cursor = found[-1].id if len(found) == params.limit else None
        return AuditAnswer([row_of(entry) for entry in found], cursor)

    async def _export(self, asked: Asked[AuditExportParams, Nothing]) -> Response:
        audit, tenant, which = self._audit(), asked.caller.identity.tenant, _which(asked.params)
        is_csv = asked.params.format == "csv"
        # What cannot be read is refused before the answer begins.
        first = await audit.find(tenant, which, limit=PAGE)
        text = _pages(audit, tenant, which, first, csv_lines if is_csv else json_lines, csv_head() if is_csv else "")
        headers = {"Content-Disposition": f'attachment; filename="audit.{asked.params.format}"'}
        return StreamingResponse(
            text, media_type="text/csv; charset=utf-8" if is_csv else "application/x-ndjson", headers=headers
        )

    def _audit(self) -> Audit:
        if self._context.journal.audit is None:
            raise Refusal("unsupported", 'this server keeps no audit: journal.url is "none"')
        return self._context.journal.audit


def _which(params: AuditParams | AuditExportParams) -> AuditFilter:
    return AuditFilter(
        actor=params.actor,
        action=params.action,
        target=params.target,
        user_id=params.user_id,
        since_at=params.since_at,
        until_at=params.until_at,
    )


async def _pages(
    audit: Audit,
    tenant: str,
    which: AuditFilter,
    page: list[AuditEntry],
    lines: Callable[[list[AuditRow]], str],
    head: str,
) -> AsyncIterator[str]:
    yield head
    while page:
        yield lines([row_of(entry) for entry in page])
        page = await audit.find(tenant, which, before_id=page[-1].id, limit=PAGE) if len(page) == PAGE else []


def row_of(entry: AuditEntry) -> AuditRow:
    """An act as it is told."""
    act = entry.act
    return AuditRow(
        entry.id, act.at, act.actor, act.action, act.target, act.user_id, act.reason, act.origin, act.details
    )


def json_lines(rows: list[AuditRow]) -> str:
    """One JSON object a line."""
    return msgspec.json.Encoder().encode_lines(rows).decode()


def csv_head() -> str:
    """The names of the columns."""
    return ",".join(COLUMNS) + "\r\n"


def csv_lines(rows: list[AuditRow]) -> str:
    """One line an act, by RFC 4180; no cell is a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        writer.writerow([cell(_flat(getattr(row, name))) for name in COLUMNS])
    return out.getvalue()


def _flat(value: Any) -> Cell:
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else value
