"""What admins do is noted: in the log always, and in the audit where the journal keeps one."""

from __future__ import annotations

from typing import Any, NamedTuple

import structlog

from hereabouts.errors import JournalUnavailable
from hereabouts.journal.audit import Act
from hereabouts.runtime.context import Context

log = structlog.get_logger("hereabouts")


class By(NamedTuple):
    """Who acts, in which tenant, from where and why. `actor` is `user:ID`, `key:NAME` or `node:NAME`."""

    tenant: str
    actor: str
    origin: str | None = None
    reason: str | None = None


async def note(
    context: Context,
    by: By,
    action: str,
    target: str,
    user_id: str | None = None,
    details: dict[str, Any] | None = None,
) -> bool:
    """Note one act; whether it is on disk. What was done is not undone because it could not be noted."""
    act = Act(by.tenant, context.now().at, by.actor, action, target, user_id, by.reason, by.origin, details or {})
    log.info("audit", actor=by.actor, action=action, target=target, reason=by.reason, details=act.details)
    if context.journal.audit is None:
        return False
    try:
        await context.journal.audit.note([act])
    except JournalUnavailable as error:
        context.failed(error)
        return False
    return True
