"""What the runtime's parts share: values and the parts below, put together by `node.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Final

import structlog

from hereabouts.backends.base import Backend
from hereabouts.engine.deadlines import Timed
from hereabouts.engine.limits import Limits
from hereabouts.engine.policy import NodeClocks, Policy, PolicyBook
from hereabouts.engine.records import Change, Commit, FeedKey, Now, Owner
from hereabouts.engine.session import Session
from hereabouts.errors import JournalUnavailable, StoreUnavailable
from hereabouts.journal.base import Journal
from hereabouts.journal.recorder import Recorder
from hereabouts.runtime.clock import Clock
from hereabouts.telemetry import Telemetry

log = structlog.get_logger("hereabouts")

OUTAGE_SECONDS: Final = 1.0
"""An outage has at most one line in the log in so long."""


@dataclass
class Context:
    """The surroundings of every decision on this node. Also the `Tools` of the fan-out."""

    owner: Owner
    clock: Clock
    policies: PolicyBook
    node_clocks: NodeClocks
    limits: Limits
    backend: Backend
    journal: Journal
    telemetry: Telemetry
    random_bytes: Callable[[int], bytes]
    file: Callable[[Timed], None]
    degraded_since_at: int | None = None
    recorder: Recorder = field(init=False)
    _epochs: int = field(default=0)
    _told_ticks: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.journal)

    def now(self) -> Now:
        """The moment."""
        return self.clock.now()

    async def commit(self, session: Session, feed: FeedKey, change: Change) -> Commit:
        """Let the store take what a session asked for, and the record hear what it did."""
        commit = await self.backend.commit(feed, change)
        self.recorder.committed(session, feed, change, commit, self.now().at)
        return commit

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call once, after a while; 0 is before the event loop waits again."""
        loop = asyncio.get_running_loop()
        if seconds <= 0:
            loop.call_soon(self._call, call)
        else:
            loop.call_later(seconds, self._call, call)

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:
            self.failed(error)

    def new_epoch(self) -> str:
        """A name for a stream's history that no other has, on this or any other life of a node."""
        self._epochs += 1
        return f"{self.owner.node}.{self.owner.incarnation}.{self._epochs}"

    @property
    def is_degraded(self) -> bool:
        """Whether views may be stale."""
        return self.degraded_since_at is not None

    def failed(self, error: BaseException) -> None:
        """Something of ours went wrong: it is counted and logged, and nobody else suffers from it.

        A store or a journal out of reach is no fault of this node; what fails by it is told once a second, for every
        session may have something that does.
        """
        if isinstance(error, StoreUnavailable | JournalUnavailable):
            which = "store" if isinstance(error, StoreUnavailable) else "journal"
            if self.clock.monotonic() - self._told_ticks.get(which, -inf) >= OUTAGE_SECONDS:
                self._told_ticks[which] = self.clock.monotonic()
                log.warning(which, text=str(error))
            return
        self.telemetry.faults += 1
        log.error("fault", exc_info=error)

    def delivered(self, frames: int, payload_bytes: int) -> None:
        """So many frames of so many bytes went out."""
        self.telemetry.deliveries += frames
        self.telemetry.delivered_bytes += payload_bytes

    def policy(
        self, tenant: str, role: str | None = None, room: str | None = None, resource: str | None = None
    ) -> Policy:
        """The policy in force for a role, in a room or for a resource or kind."""
        return self.policies.resolve(tenant=tenant, role=role, room=room, resource=resource)
