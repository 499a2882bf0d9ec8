"""Word of what happens here, to every endpoint of the settings."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Final

from hereabouts.engine.records import FeedKey, Membership
from hereabouts.engine.status import fold
from hereabouts.errors import HereaboutsError, Refusal
from hereabouts.journal.outbox import Outbox, OutboxRow, Replayed, StandingKind
from hereabouts.runtime.context import Context
from hereabouts.runtime.delivering import Lane
from hereabouts.runtime.registry import Registry
from hereabouts.webhooks.addresses import Resolve, resolve
from hereabouts.webhooks.endpoints import Endpoints
from hereabouts.webhooks.schedule import Schedule
from hereabouts.webhooks.sending import Sender

KINDS: Final[Mapping[str, StandingKind]] = {
    "user": "user",
    "room": "member",
    "member": "member",
    "resource": "resource",
}
"""What must be followed for events of a type, by the type's first word."""


class Dispatcher:
    """The lanes to the endpoints. Without endpoints, or without a journal, it does nothing and costs nothing."""

    def __init__(
        self,
        context: Context,
        registry: Registry,
        endpoints: Endpoints,
        schedule: Schedule | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        self._context = context
        self._registry = registry
        self.endpoints = endpoints
        self.schedule = schedule or Schedule()
        self._resolve = resolve
        self._settling: asyncio.Task[None] | None = None
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
        """Begin to deliver what waits and what comes."""
        if self._context.journal.outbox is None:
            return
        await self.outbox.keep_only(self.endpoints.by_name)
        for name, endpoint in self.endpoints.by_name.items():
            sender = Sender(endpoint, self._context.clock.wall, self._resolve)
            self.lanes[name] = Lane(
                endpoint, sender, self.outbox, self._context.clock, self.schedule, self._chance, self.attempts
            )
            self.lanes[name].start()

    async def stop(self) -> None:
        """End; what waits is for the next start."""
        if self._settling is not None:
            self._settling.cancel()
            await asyncio.gather(self._settling, return_exceptions=True)
        for lane in self.lanes.values():
            await lane.stop()
        self.lanes = {}

    def wake(self) -> None:
        """There may be more events."""
        for lane in self.lanes.values():
            lane.wake()

    async def replay(self, tenant: str, endpoint: str, after: int, until: int | None, *, only_dead: bool) -> Replayed:
        """See `Outbox.replay`."""
        replayed = await self.outbox.replay(tenant, endpoint, after, until, only_dead=only_dead)
        self.lanes[endpoint].again()
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

    # After a start

    def settle_after(self, seconds: float) -> None:
        """In so many seconds give word of who did not come back after a crash, or is here and was not told of."""
        if self._context.recorder.tells:
            self._settling = asyncio.create_task(self._settle_after(seconds))

    async def _settle_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        try:
            await self.settle()
        except HereaboutsError as error:
            self._context.failed(error)

    async def settle(self) -> None:
        """Compare whom the events left as present with who is here, and give word of the difference."""
        users: set[FeedKey] = set()
        rooms: dict[FeedKey, set[str]] = {}
        for stands in await self.outbox.standing():
            if stands.kind == "user":
                users.add(FeedKey(stands.tenant, "user", stands.user_id))
            elif stands.kind == "member":
                rooms.setdefault(FeedKey(stands.tenant, "room", stands.place), set()).add(stands.user_id)
        for session in [owned.session for owned in self._registry if owned.session.policy.durability != "none"]:
            users.add(session.user_feed())
            for room in session.rooms:
                rooms.setdefault(session.room_feed(room), set()).add(session.user_id)
        for user in users:
            await self._settle_user(user)
        for feed, user_ids in rooms.items():
            await self._settle_room(feed, user_ids)

    async def _settle_user(self, feed: FeedKey) -> None:
        """Nothing may come between the reading and the word: who comes meanwhile is told of after it."""
        status = fold((await self._context.backend.snapshot(feed)).records).status
        value, cause = (None, "node_lost") if status == "offline" else (status, None)
        self._tell(OutboxRow(feed.tenant, "user", "", feed.name, value, cause, self._context.now().at))

    async def _settle_room(self, feed: FeedKey, user_ids: set[str]) -> None:
        records = (await self._context.backend.snapshot(feed)).records
        here = {record.user_id for record in records if isinstance(record, Membership)}
        at = self._context.now().at
        for user_id in user_ids:
            value, cause = ("in", None) if user_id in here else (None, "node_lost")
            self._tell(OutboxRow(feed.tenant, "member", feed.name, user_id, value, cause, at))

    def _tell(self, row: OutboxRow) -> None:
        self._context.recorder.tell(row)

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
