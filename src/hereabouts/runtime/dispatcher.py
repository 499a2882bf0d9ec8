"""Word of what happens here, to every endpoint of the settings."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import structlog
from msgspec import Struct

from hereabouts.errors import JournalUnavailable, Refusal
from hereabouts.journal.outbox import Outbox, Replayed, StandingKind
from hereabouts.journal.outbox_lease import Held, OutboxLease
from hereabouts.runtime.context import Context
from hereabouts.runtime.delivering import Lane
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.settling import Settling
from hereabouts.runtime.switchboard import Switchboard
from hereabouts.tasks import Tasks
from hereabouts.webhooks.addresses import Resolve, resolve
from hereabouts.webhooks.endpoints import Endpoints
from hereabouts.webhooks.schedule import Schedule
from hereabouts.webhooks.sending import Sender

log = structlog.get_logger("hereabouts")

TURN_SECONDS: Final = 1.0
"""How often a node asks whose turn it is, and looks for events of others of which no bell was heard."""

KINDS: Final[Mapping[str, StandingKind]] = {
    "user": "user",
    "room": "member",
    "member": "member",
    "resource": "resource",
}
"""What must be followed for events of a type, by the type's first word."""


class Written(Struct, frozen=True, tag="events_written"):
    """Events were written: whoever delivers them is to look."""


class Dispatcher:
    """The lanes to the endpoints. Of nodes that share an outbox one has them all, and another when that one is gone.

    Without endpoints, or without a journal, it does nothing and costs nothing.
    """

    def __init__(
        self,
        context: Context,
        registry: Registry,
        endpoints: Endpoints,
        switchboard: Switchboard,
        schedule: Schedule | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        self._context = context
        self.endpoints = endpoints
        self.settling = Settling(context, registry, lambda: bool(self.lanes))
        self._switchboard = switchboard
        switchboard.answer(Written, self._rung)
        self.schedule = schedule or Schedule()
        self._resolve = resolve
        self._held: Held | None = None
        self._has_news = asyncio.Event()
        self._tasks = Tasks(self._failed)
        self._takes_turns = False
        self.lanes: dict[str, Lane] = {}
        self.attempts: Counter[str] = Counter({"delivered": 0, "retry": 0, "dead": 0, "gone": 0})

    @property
    def outbox(self) -> Outbox:
        """Where the events are. Raises `Refusal` where nothing is kept."""
        outbox = self._context.journal.outbox
        if outbox is None:
            raise Refusal("unsupported", "this server keeps no events: journal.url is none")
        return outbox

    # Life

    def prepare(self) -> None:
        """Say what is wanted, before the journal is opened."""
        outbox = self._context.journal.outbox
        if outbox is None or not self.endpoints.by_name:
            return
        outbox.route = self.endpoints.route
        outbox.on_events = self.wake
        kinds = frozenset(KINDS[type.partition(".")[0]] for type in self.endpoints.types)
        outbox.kinds = self._context.recorder.tells = kinds

    async def start(self) -> None:
        """Begin to deliver what waits and what comes; where nodes share the outbox, when it is this node's turn."""
        outbox = self._context.journal.outbox
        if outbox is None:
            return
        if self.endpoints.by_name:
            self.settling.start()
        if outbox.lease is None or not self.endpoints.by_name:
            await self._begin()
            return
        self._takes_turns = True
        self._tasks.repeat(partial(self._take_turn, outbox.lease), TURN_SECONDS)
        self._tasks.repeat(self._ring)

    async def stop(self) -> None:
        """End; what waits is for the next start, or for another node."""
        await self.settling.stop()
        await self._tasks.end()
        await self._end()
        if self._takes_turns and self.outbox.lease is not None:
            with suppress(JournalUnavailable):
                await self.outbox.lease.let_go(self._context.owner)

    def wake(self) -> None:
        """There may be more events."""
        self._wake_lanes()
        if not self.lanes:
            self._has_news.set()

    def _wake_lanes(self) -> None:
        for lane in self.lanes.values():
            lane.wake()

    async def _begin(self) -> None:
        await self.outbox.keep_only(self.endpoints.by_name)
        context = self._context
        for name, endpoint in self.endpoints.by_name.items():
            sender = Sender(endpoint, context.clock.wall, self._resolve)
            self.lanes[name] = Lane(
                endpoint,
                sender,
                self.outbox,
                context.owner,
                context.clock,
                self.schedule,
                self._chance,
                self.attempts,
                self._failed,
            )
            self.lanes[name].start()

    async def _end(self) -> None:
        lanes, self.lanes = self.lanes, {}
        await asyncio.gather(*(lane.stop() for lane in lanes.values()))

    # Several nodes

    async def _take_turn(self, lease: OutboxLease) -> None:
        """Deliver while it is this node's turn, and look for what others wrote; what is lost of bells comes by this."""
        held = await lease.hold(self._context.owner, self._context.node_clocks.lease_seconds)
        if held != self._held:
            self._held = None
            await self._end()
            if held.holder == self._context.owner:
                await self._begin()
                self.settling.doubt()
                log.info("webhook", text="this node delivers events", term=held.term)
            self._held = held
        self._wake_lanes()

    async def _ring(self) -> None:
        """Wake the node that delivers, once for all that was written meanwhile."""
        await self._has_news.wait()
        self._has_news.clear()
        if self._held is not None and self._held.holder != self._context.owner:
            await self._switchboard.ask(self._held.holder, Written())

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, JournalUnavailable):  # nothing is sent meanwhile: each lane asks before it sends
            self._context.failed(error)

    async def _rung(self, written: Written) -> None:
        self._wake_lanes()

    async def replay(self, tenant: str, endpoint: str, after: int, until: int | None, *, only_dead: bool) -> Replayed:
        """See `Outbox.replay`."""
        replayed = await self.outbox.replay(tenant, endpoint, after, until, only_dead=only_dead)
        if endpoint in self.lanes:
            self.lanes[endpoint].again()
        elif self.outbox.lease is not None:
            await self.outbox.lease.anew()
        return replayed

    async def erase(self, tenant: str, user_id: str) -> int:
        """Forget every event that names a user, also what is about to be sent; how many."""
        if self._context.journal.outbox is None:
            return 0
        positions = await self.outbox.erase(tenant, user_id)
        for lane in self.lanes.values():
            lane.forget(positions)
        return len(positions)

    def _chance(self) -> float:
        return int.from_bytes(self._context.random_bytes(2), "big") / 65_536

    # How it stands

    def readings(self) -> dict[str, float | Mapping[str, float]]:
        """The metrics."""
        states = {name: lane.state for name, lane in self.lanes.items()}
        at = self._context.now().at
        return {
            "webhook_attempts_total": self.attempts,
            "webhook_waiting": {name: state.waiting for name, state in states.items()},
            "webhook_dead": {name: state.dead for name, state in states.items()},
            "webhook_oldest_age_seconds": {
                name: 0.0 if state.oldest_at is None else max(at - state.oldest_at, 0) / 1000
                for name, state in states.items()
            },
        }
