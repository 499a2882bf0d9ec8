"""Who must stay out for a while, or for good: what was cleared comes back by a fresh login alone, a cooldown ends."""

from __future__ import annotations

from hereabouts.errors import Refusal
from hereabouts.journal.cooldowns import Cooldown, Cooled, member_id
from hereabouts.runtime.context import Context

COOLDOWN = "cooldown"
"""What a refusal names as its limit, so that doors know it from others."""


def check_user(context: Context, tenant: str, user_id: str) -> None:
    """Raise `Refusal` with `forbidden` while a user cools down."""
    _check(context, tenant, "user", user_id, "this user was cleared")


def check_resume(context: Context, tenant: str, secret: str | None) -> None:
    """Raise `Refusal` with `session_expired` for the secret of a session that was cleared."""
    if not secret:
        return
    standing = context.journal.cooldowns.standing(tenant, "session", secret.partition(".")[0], context.now().at)
    if standing is not None:
        raise Refusal("session_expired", "this session was cleared; begin a new one", limit=COOLDOWN)


def check_join(context: Context, tenant: str, user_id: str, room: str) -> None:
    """Raise `Refusal` with `forbidden` while a room cools down, for everybody or for this user."""
    _check(context, tenant, "room", room, f"{room!r} was cleared")
    _check(context, tenant, "member", member_id(room, user_id), f"this user was taken out of {room!r}")


def check_hold(context: Context, tenant: str, resource: str) -> None:
    """Raise `Refusal` with `forbidden` while a resource cools down after its holding was cleared."""
    _check(context, tenant, "holding", resource, f"the holding of {resource!r} was cleared")


def _check(context: Context, tenant: str, kind: Cooled, id: str, what: str) -> None:
    at = context.now().at
    standing = context.journal.cooldowns.standing(tenant, kind, id, at)
    if standing is not None:
        raise _refusal(standing, at, what)


def _refusal(standing: Cooldown, at: int, what: str) -> Refusal:
    seconds = round((standing.until_at - at) / 1000, 3)
    text = f"{what}; it cools down for another {seconds:g} s"
    return Refusal("forbidden", text, limit=COOLDOWN, retry_after_seconds=seconds)
