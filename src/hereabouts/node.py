"""One server process: opens its parts, wires them together, serves, drains, closes."""

from __future__ import annotations

import os
from collections.abc import Callable

from hereabouts.auth.resolver import Resolver
from hereabouts.auth.tokens import Verifier
from hereabouts.backends.base import Backend
from hereabouts.engine.deadlines import Timed
from hereabouts.engine.limits import Limits
from hereabouts.engine.policy import PolicyBook
from hereabouts.engine.records import FeedKey, Owner
from hereabouts.engine.status import Outcome
from hereabouts.fanout.cards import Cards
from hereabouts.journal.base import Journal
from hereabouts.protocol.codes import CloseCode
from hereabouts.runtime import moving
from hereabouts.runtime.acts import Acts
from hereabouts.runtime.beats import HttpBeats
from hereabouts.runtime.canary import Canary
from hereabouts.runtime.clock import Clock
from hereabouts.runtime.commands import Commands
from hereabouts.runtime.context import Context
from hereabouts.runtime.converging import Converging
from hereabouts.runtime.dispatcher import Dispatcher
from hereabouts.runtime.driver import Driver
from hereabouts.runtime.elsewhere import Elsewhere
from hereabouts.runtime.ending import Endings
from hereabouts.runtime.entrance import Entrance
from hereabouts.runtime.fleet import Fleet
from hereabouts.runtime.governing import Governing
from hereabouts.runtime.holdings import Holdings
from hereabouts.runtime.kinds import Kinds
from hereabouts.runtime.leaving import Leaving
from hereabouts.runtime.link import Link, OwnedSession
from hereabouts.runtime.looking import Looking
from hereabouts.runtime.neighbours import Neighbours
from hereabouts.runtime.onlookers import Onlookers
from hereabouts.runtime.people import People
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.relations import Relations
from hereabouts.runtime.relay import Relay
from hereabouts.runtime.sweeping import Sweep
from hereabouts.runtime.switchboard import Switchboard
from hereabouts.runtime.tally import tally
from hereabouts.runtime.telling import Telling
from hereabouts.runtime.tenure import Tenure
from hereabouts.runtime.throttle import Throttle
from hereabouts.runtime.timers import Timers
from hereabouts.runtime.writer import Writer
from hereabouts.telemetry import Reading, Telemetry
from hereabouts.version import __version__
from hereabouts.webhooks.endpoints import Endpoints


class Node:
    """The parts of one process, put together. Gateways are given `driver`, `looking` and `beats`."""

    def __init__(
        self,
        *,
        policies: PolicyBook,
        limits: Limits,
        backend: Backend,
        journal: Journal,
        verifier: Verifier,
        owner: Owner,
        endpoints: Endpoints | None = None,
        clock: Clock | None = None,
        resolver: Resolver | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.clock = clock or Clock()
        self.verifier = verifier
        self.timers = Timers(self.clock, policies.node.sweep_seconds, self._wake, self._failed)
        self.context = Context(
            owner=owner,
            clock=self.clock,
            policies=policies,
            node_clocks=policies.node,
            limits=limits,
            backend=backend,
            journal=journal,
            telemetry=Telemetry(),
            random_bytes=random_bytes,
            file=self.timers.file,
        )
        context, self.registry = self.context, Registry()
        self.cards = Cards(context, policies.resolve().fanout_window_seconds)
        self.people = People(context, self.cards, self._turned, self.moved, self._stand_again)
        self.relay = Relay(context, self.people)
        self.switchboard = Switchboard(context)
        self.holdings = Holdings(context, self.registry, self.switchboard)
        self.kinds = Kinds(context, self.holdings)
        self.writer = Writer(context, self._part, self._over, self.holdings.departed)
        self.relations = Relations(context, resolver)
        self.onlookers = Onlookers(context, self.relay, self.cards, self.relations)
        self.looking = Looking(context, self.relay, self.cards, self.onlookers, self.kinds)
        self.entrance = Entrance(context, self.registry, self.relay, self.writer, self.moved)
        self.commands = Commands(context, self.relay, self.people, self.writer, self.looking, self.holdings)
        self.telling = Telling(context, self.switchboard)
        self.beats = HttpBeats(context, self.registry, self.entrance, self.writer, Elsewhere(context, self.switchboard))
        self.driver = Driver(
            context,
            verifier,
            self.registry,
            self.people,
            self.looking,
            self.commands,
            self.writer,
            self.entrance,
        )
        self.fleet = Fleet(context, self.registry, self.relay, self.driver)
        self.webhooks = Dispatcher(context, self.registry, endpoints or Endpoints((), ()), self.switchboard)
        self.governing = self._governing()
        self.acts, self.converging = self._acts()
        self.canary = Canary(context)
        self.is_open = self.ready_needs_store = False

    def _governing(self) -> Governing:
        return Governing(
            self.context,
            self.registry,
            self.driver,
            self.relay,
            self.people,
            self.cards,
            self.looking,
            self.onlookers,
            self.holdings,
            self.kinds,
            self.switchboard,
            self.telling,
        )

    def _acts(self) -> tuple[Acts, Converging]:
        context, registry = self.context, self.registry
        endings = Endings(context, registry, self.driver, self.writer, self.looking, self.holdings)
        sweep = Sweep(context, registry, self.people, self.relay, self.writer)
        acts = Acts(context, self.switchboard, self.telling, endings, sweep, self.relations, self.onlookers)
        return acts, Converging(context, self.governing, endings, self.onlookers)

    def neighbours(self, leaving: Leaving) -> Neighbours:
        """What this node does about the others; made once, before it is opened."""
        return Neighbours(
            self.context,
            self.registry,
            self.people,
            self.writer,
            leaving,
            self.moved,
            self.doubt,
            self.converging.soon,
        )

    async def open(self) -> None:
        """Make every part ready, lowest first. Who opens the doors then sets `is_open`."""
        self.webhooks.prepare()
        await self.context.journal.open()
        try:
            await self.webhooks.start()
            await self.governing.load()
            await self.context.backend.open()
            await self.verifier.open()
        except BaseException:
            await self.webhooks.stop()
            await self.context.journal.close()
            raise
        self.timers.start()
        self.telling.start()
        self.converging.start()

    async def close(self) -> None:
        """Let go of every part, highest first."""
        self.is_open = False
        self.timers.stop()
        await self.telling.stop()
        await self.converging.stop()
        await self.holdings.close()
        await self.webhooks.stop()
        await self.verifier.close()
        if self.relations.resolver is not None:
            await self.relations.resolver.close()
        await self.context.backend.close()
        await self.context.journal.close()

    def readings(self) -> dict[str, Reading]:
        """Every metric of `telemetry.MEASURES` at this moment."""
        context, journal = self.context, self.context.journal.health()
        return {
            **context.telemetry.readings(),
            **context.backend.readings(),
            **self.webhooks.readings(),
            **self.canary.readings(),
            **tally((owned.session for owned in self.registry), context.policies),
            "journal_rows_total": self.context.journal.counts,
            "journal_lost_rows_total": journal.lost_rows,
            "journal_stored_rows": self.context.journal.stored_rows,
            "journal_queued_rows": journal.queued_rows,
            "journal_failing": float(not journal.is_writable),
            "resolver_answers_total": self.relations.resolver.results if self.relations.resolver is not None else {},
            "nodes": self.fleet.by_state(),
            "connections": len(self.driver.links),
            "sessions": len(self.registry),
            "rooms": len(self.relay.rooms),
            "watched_users": len(self.people),
            "holdings": len(self.holdings),
            "deadlines": len(self.timers),
            "sweep_age_seconds": self.clock.tick() - self.timers.swept_tick,
            "stalled_seconds_total": self.clock.stalled_seconds,
            "longest_stall_seconds": self.timers.longest_stall_seconds,
            "degraded": float(context.is_degraded),
            "draining": float(self.driver.is_draining),
            "build_info": {__version__: 1.0},
        }

    # What the parts tell each other through here

    def _wake(self, item: Timed) -> None:
        if isinstance(item, Throttle | Canary):
            item.advance(self.context.now())
        elif isinstance(item, Tenure):
            self.holdings.advance(item)
        else:
            self.driver.wake(item)

    def _failed(self, error: Exception) -> None:
        self.context.failed(error)

    def _turned(self, owned: OwnedSession, outcome: Outcome, seq: int) -> None:
        was_invisible = owned.session.outcome.is_invisible
        self.writer.run(owned, owned.session.follow_outcome(outcome, seq, self.context.now()))
        if owned.session.outcome.is_invisible != was_invisible and self.context.backend.peers is not None:
            owned.chain.add(lambda: moving.keep(self.context, owned.session))

    def _stand_again(self, owned: OwnedSession) -> None:
        if self.context.backend.peers is not None:
            self.context.backend.peers.disown(owned.session.session_id)  # the notes went too
        self.writer.run(owned, owned.session.stand_again())
        owned.chain.add(lambda: moving.keep(self.context, owned.session))

    def moved(self, owned: OwnedSession) -> None:
        """One of our sessions goes on at another node: nothing of it is ours any more.

        What we wrote of it may reach the store only now, after the other node has taken away what it had put there.
        """
        session = owned.session
        if self.context.backend.peers is not None:
            self.context.backend.peers.disown(session.session_id)
        self.writer.run(owned, session.give_up())
        self.context.recorder.moved(session, self.context.now().at)
        late_seconds = session.lease_seconds + session.policy.grace_seconds
        self.context.later(late_seconds, lambda: self.writer.run(owned, session.take_back()))

    def doubt(self) -> None:
        """A node died, or the store was away: what was told of users and of who holds what is looked at again."""
        self.webhooks.settling.doubt()
        self.holdings.doubt()

    def _part(self, link: Link, code: CloseCode, reason: str) -> None:
        self.driver.part(link, code, reason)

    def _over(self, owned: OwnedSession) -> None:
        self.registry.drop(owned)
        self.holdings.remember(owned.session)
        owned.chain.add(lambda: self._let_go(owned))

    async def _let_go(self, owned: OwnedSession) -> None:
        session = owned.session
        feed = FeedKey(session.tenant, "user", session.user_id)
        person = self.people.find(feed)
        if person is not None:
            person.sessions.pop(owned, None)
            await self.relay.release(feed)
