"""Events on their way to an endpoint: those of one subject one after the other, of different ones side by side.

What waits is on disk; a window of it is in memory. An event that fails is tried again and holds back its subject
alone; a slow endpoint holds back itself alone.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import Final

import structlog

from hereabouts.engine.records import Owner
from hereabouts.errors import JournalUnavailable
from hereabouts.journal.outbox import Delivery, EndpointState, Outbox
from hereabouts.runtime.clock import Clock
from hereabouts.tasks import FAILED_SECONDS, Failed, Tasks, log_fault
from hereabouts.webhooks.endpoints import Endpoint
from hereabouts.webhooks.schedule import Schedule
from hereabouts.webhooks.sending import CONNECTIONS, Result, Sender

log = structlog.get_logger("hereabouts")

WINDOW: Final = 1_000
"""Events of one endpoint that are in memory."""

LINE: Final = 50
"""Of one subject, so that one that fails for long leaves room for the others."""

STATE_SECONDS: Final = 1.0
"""How often what is told of an endpoint is counted anew."""

STATE_SHARE: Final = 20
"""It is waited so many times as long as the counting took."""

JOURNAL_SECONDS: Final = 1.0
"""The wait when the journal cannot be read or written."""

Subject = tuple[str, str]
"""A tenant, and what of it events are kept in order by."""


class Lane:
    """One endpoint's deliveries, by the node `owner`.

    `chance` gives a number from 0 to 1; `counts` has the attempts by outcome; `failed` is told of faults.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        sender: Sender,
        outbox: Outbox,
        owner: Owner,
        clock: Clock,
        schedule: Schedule,
        chance: Callable[[], float],
        counts: Counter[str],
        failed: Failed = log_fault,
    ) -> None:
        self.endpoint = endpoint
        self.state = EndpointState()
        self._sender = sender
        self._outbox = outbox
        self._lease = outbox.lease
        self._owner = owner
        self._clock = clock
        self._schedule = schedule
        self._chance = chance
        self._counts = counts
        self._is_disabled = False
        self._has_news, self._has_changed = asyncio.Event(), asyncio.Event()
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._loaded: set[int] = set()
        self._loaded_seq = self._seen_seq = 0
        """Up to where was read now, and the furthest that ever was."""
        self._forgotten: set[int] = set()
        self._finished: set[int] = set()
        """Those that were done or erased while the disk was being read: what was read of them is old."""
        self._has_more = False
        self._lines: dict[Subject, deque[Delivery]] = {}
        self._cut: dict[Subject, int] = {}
        """Subjects of which more waits than is in memory, from where on; read when what is here is done."""
        self._behind: set[Subject] = set()
        """Those of them that are to be read now."""
        self._failed = failed
        self._tasks = Tasks(failed)

    # Life

    def start(self) -> None:
        """Begin with what waits."""
        self._tasks.repeat(self._load)
        self._tasks.repeat(self._watch, STATE_SECONDS)
        self.wake()

    async def stop(self) -> None:
        """End; what is under way waits for the next start."""
        await self._tasks.end()
        await self._sender.close()

    def wake(self) -> None:
        """There may be more events."""
        self._has_news.set()
        self._has_changed.set()

    def again(self) -> None:
        """Events from before may wait anew, also for an endpoint that was disabled."""
        self._is_disabled = False
        self._loaded_seq = self._seen_seq = 0
        self.wake()

    def forget(self, positions: Collection[int]) -> None:
        """These events are not to be sent any more."""
        self._forgotten.update(self._loaded.intersection(positions))
        self._finished.update(positions)

    # From the disk

    async def _load(self) -> None:
        """Read what waits into the window, whenever there is news and room."""
        await self._has_news.wait()
        self._has_news.clear()
        try:
            await self._fill()
        except Exception:
            self._has_news.set()
            raise

    async def _fill(self) -> None:
        self._has_more = True
        while (room := WINDOW - len(self._loaded)) > 0:
            after = self._loaded_seq
            self._finished.clear()
            found = await self._outbox.waiting(self.endpoint.name, after, room)
            if self._loaded_seq != after:
                continue
            for delivery in found:
                self._loaded_seq = delivery.seq
                if delivery.seq not in self._loaded and delivery.seq not in self._finished:
                    self._enqueue(delivery)
            is_all = len(found) < room
            self._pass_over(is_all)
            if is_all:
                self._has_more = False
                return

    def _pass_over(self, is_all: bool) -> None:
        """Once everybody who was behind is cut again, what was seen before needs no other look."""
        self._seen_seq = max(self._seen_seq, self._loaded_seq)
        self._behind = set() if is_all else self._behind - self._cut.keys()
        if not self._behind:
            self._loaded_seq = self._seen_seq

    async def _watch(self) -> None:
        """Keep what is told of the endpoint up to date, without counting at every event."""
        await self._has_changed.wait()
        self._has_changed.clear()
        self.state = await self._outbox.state(self.endpoint.name)

    def _enqueue(self, delivery: Delivery) -> None:
        subject = (delivery.tenant, delivery.subject)
        line = self._lines.get(subject)
        if subject in self._cut or (line is not None and len(line) >= LINE):
            self._cut[subject] = min(self._cut.get(subject, delivery.seq), delivery.seq)
            return
        self._loaded.add(delivery.seq)
        if line is not None:
            line.append(delivery)
            return
        self._lines[subject] = deque([delivery])
        self._tasks.do(self._run(subject))

    # To the endpoint

    async def _run(self, subject: Subject) -> None:
        """Deliver what there is of one subject, in order."""
        line = self._lines[subject]
        while line:
            try:
                await self._deliver(line[0])
            except Exception as error:  # it is tried again, and holds back its subject alone
                self._failed(error)
                await asyncio.sleep(FAILED_SECONDS)
                continue
            seq = line.popleft().seq
            self._loaded.discard(seq)
            self._finished.add(seq)
            self._forgotten.discard(seq)
            if self._has_more:
                self._has_news.set()
        del self._lines[subject]
        cut_seq = self._cut.pop(subject, None)
        if cut_seq is not None:
            self._behind.add(subject)
            self._loaded_seq = min(self._loaded_seq, cut_seq - 1)
            self.wake()

    async def _deliver(self, delivery: Delivery) -> None:
        attempts, first_tried_at = delivery.attempts, delivery.first_tried_at
        while not self._is_disabled and delivery.seq not in self._forgotten:
            async with self._free:
                if not await self._may_send(delivery):
                    return
                result = await self._sender.send(delivery.event_id, delivery.body)
            at = self._clock.now().at
            attempts += 1
            first_tried_at = at if first_tried_at is None else first_tried_at
            is_dead = result.outcome == "retry" and self._schedule.is_over(first_tried_at, at)
            self._counts["dead" if is_dead else result.outcome] += 1
            await self._note(delivery, result, at, is_dead)
            if result.outcome != "retry" or is_dead:
                return
            await asyncio.sleep(self._schedule.wait_seconds(attempts, self._chance()))

    async def _may_send(self, delivery: Delivery) -> bool:
        """Whether it is still ours to send: this node may have stood still, or another one erased what it names."""
        while self._lease is not None:
            try:
                return await self._lease.may_send(self._owner, self.endpoint.name, delivery.seq)
            except JournalUnavailable:
                await asyncio.sleep(JOURNAL_SECONDS)
        return True

    async def _note(self, delivery: Delivery, result: Result, at: int, is_dead: bool) -> None:
        """Keep how it ended, and try until that can be kept: what is not noted is sent again after a restart."""
        name = self.endpoint.name
        while True:
            try:
                if result.outcome == "delivered":
                    await self._outbox.delivered(name, delivery.seq)
                elif result.outcome == "gone":
                    await self._disable(at)
                else:
                    await self._outbox.failed(name, delivery.seq, at, result.error, is_dead=is_dead)
                    self._say(delivery, result, is_dead)
                self._has_changed.set()
                return
            except JournalUnavailable:
                await asyncio.sleep(JOURNAL_SECONDS)

    async def _disable(self, at: int) -> None:
        """The receiver is gone for good: nothing more is sent until somebody asks for a replay."""
        if not self._is_disabled:
            log.warning("webhook", endpoint=self.endpoint.name, text="it answered 410 and is disabled until a replay")
        self._is_disabled = True
        # Also where it is known already: the first try may not have been kept.
        await self._outbox.disable(self.endpoint.name, at)

    def _say(self, delivery: Delivery, result: Result, is_dead: bool) -> None:
        if is_dead or delivery.attempts == 0:
            text = "an event was given up" if is_dead else "an event could not be delivered; it is tried again"
            log.warning("webhook", endpoint=self.endpoint.name, event_id=delivery.event_id, text=text, why=result.error)
