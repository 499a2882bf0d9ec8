"""How a process goes and how the next one begins: drain, hand-over, and views that say they may be stale.

Source: `spec/semantics.md`, rules 12 and 15.
"""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec

from hereabouts.engine import handover
from hereabouts.fanout.outbox import pack
from hereabouts.protocol import codes
from hereabouts.protocol.messages import Degraded, Reconnect, Restored
from hereabouts.runtime import moving
from hereabouts.runtime.context import Context
from hereabouts.runtime.driver import Driver
from hereabouts.runtime.entrance import Entrance
from hereabouts.runtime.link import Link
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.relay import Relay

RESTART_SECONDS = 1.0
"""What a client is asked to wait beyond the drain: about what a restart takes."""


class Leaving:
    """Takes a node out of service and its sessions over to the next process."""

    def __init__(self, context: Context, driver: Driver, registry: Registry, relay: Relay, entrance: Entrance) -> None:
        self._context = context
        self._driver = driver
        self._registry = registry
        self._relay = relay
        self._entrance = entrance
        self._doubts: set[str] = set()

    # Going

    async def drain(self, drain_seconds: float) -> None:
        """Ask every client to move, each at a moment of its own, then close it with 4200."""
        self._driver.is_draining = True
        links = self._driver.links
        if not links:
            return
        step_seconds = drain_seconds / len(links)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for place, link in enumerate(links):
            ask = partial(self._ask, link, drain_seconds - place * step_seconds)
            self._context.later(place * step_seconds, ask)
        self._context.later(drain_seconds, lambda: done.set_result(None))
        await done

    def _ask(self, link: Link, remaining_seconds: float) -> None:
        if link.is_closed:
            return
        chance = int.from_bytes(self._context.random_bytes(2), "big") / 65_536
        after_seconds = round(remaining_seconds + RESTART_SECONDS * (1 + chance), 3)
        link.connection.send(pack(Reconnect(after_seconds, "drain")))
        self._driver.part(link, codes.DRAIN, "the node is draining")

    async def hand_over(self) -> int:
        """Leave the live sessions to the next process, in the journal; how many."""
        for owned in self._registry:
            await owned.chain.settled()
        published = [owned.session for owned in self._registry if owned.session.is_published]
        if not published:
            return 0
        now = self._context.now()
        longest = max(session.lease_seconds for session in published)
        payloads = [handover.hand_over(session) for session in published]
        await self._context.journal.hand_over(payloads, now.at, now.at + int(longest * 1000))
        return len(payloads)

    # Beginning

    async def take_over(self) -> int:
        """Bring back what the earlier process left here; how many sessions."""
        taken = 0
        for payload in await self._context.journal.take_over(self._context.now().at):
            try:
                handed = handover.read(payload)
            except msgspec.MsgspecError as error:
                self._context.failed(error)
                continue
            identity = handed.identity
            policy = self._context.policies.resolve(
                tenant=identity.tenant, role=identity.role, platform=handed.platform
            )
            session = handover.take_over(handed, self._context.owner, policy, self._context.now())
            if await moving.is_gone(self._context, session):
                self._context.recorder.moved(session, self._context.now().at)
                continue
            await self._entrance.bring_back(session)
            taken += 1
        return taken

    def degrade_for(self, seconds: float) -> None:
        """Say so long that views may be stale: who was here before may not be back yet."""
        self.degrade("start")
        self._context.later(seconds, lambda: self.restore("start"))

    def degrade(self, doubt: str) -> None:
        """From now on say that views may be stale, until this doubt and every other are gone."""
        self._doubts.add(doubt)
        if self._context.degraded_since_at is None:
            self._context.degraded_since_at = self._context.now().at
            self._tell_all(Degraded(self._context.degraded_since_at))

    def restore(self, doubt: str) -> None:
        """This doubt is gone; with the last one views are current again, and what was shown in doubt is shown anew."""
        self._doubts.discard(doubt)
        if self._doubts or self._context.degraded_since_at is None:
            return
        self._context.degraded_since_at = None
        self._tell_all(Restored())
        self._relay.restore()

    def _tell_all(self, message: Degraded | Restored) -> None:
        packet = pack(message)
        for link in self._driver.links:
            if link.viewer is not None:
                link.connection.send(packet)
