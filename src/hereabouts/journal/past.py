"""What is the same of the past in every database: what is asked about, and where an open session ends for now."""

from __future__ import annotations

from typing import Final, NamedTuple

from hereabouts.engine.attendance import Span
from hereabouts.engine.buckets import Bucket
from hereabouts.engine.tenures import Tenure
from hereabouts.journal.history import Pick

NODE_SILENT_SECONDS: Final = 60
"""A node that has not said for so long that it lives proves nothing more of its open sessions."""


class Lived(NamedTuple):
    """A session as stored: until when it is proven, when its end was noticed, when its node last said that it lives."""

    user_id: str
    opened_at: int
    end_at: int | None
    latest_at: int | None
    alive_at: int | None

    def span(self, now_at: int) -> Span:
        """From when to when the user was here by it; an open one goes on until now, if its node still lives."""
        if self.end_at is not None:
            return Span(self.opened_at, self.end_at, self.latest_at or self.end_at)
        now_at = max(now_at, self.opened_at)
        if self.alive_at is not None and self.alive_at < now_at - NODE_SILENT_SECONDS * 1000:
            return Span(self.opened_at, max(self.opened_at, self.alive_at), now_at, is_open=True)
        return Span(self.opened_at, now_at, now_at, is_open=True)


class Wanted(NamedTuple):
    """See `History.held`."""

    tenant: str
    kind: str
    resource: str | None
    span: Bucket
    pick: Pick
    now_at: int

    def has(self, tenure: Tenure) -> bool:
        """Whether it is asked about."""
        span, pick = tenure.span, self.pick
        return (
            span.start_at < self.span.end_at
            and span.end_at > self.span.start_at
            and self.resource in (None, tenure.resource)
            and tenure.user_id > pick.after
            and pick.user_id in (None, tenure.user_id)
        )
