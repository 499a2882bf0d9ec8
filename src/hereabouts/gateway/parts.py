"""What the doors need of the node that stands behind them."""

from __future__ import annotations

from typing import Protocol

from hereabouts.auth.tokens import Verifier
from hereabouts.runtime.acts import Acts
from hereabouts.runtime.beats import HttpBeats
from hereabouts.runtime.context import Context
from hereabouts.runtime.dispatcher import Dispatcher
from hereabouts.runtime.driver import Driver
from hereabouts.runtime.entrance import Entrance
from hereabouts.runtime.fleet import Fleet
from hereabouts.runtime.governing import Governing
from hereabouts.runtime.holdings import Holdings
from hereabouts.runtime.kinds import Kinds
from hereabouts.runtime.looking import Looking
from hereabouts.runtime.onlookers import Onlookers
from hereabouts.runtime.people import People
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.relations import Relations
from hereabouts.runtime.relay import Relay
from hereabouts.runtime.switchboard import Switchboard
from hereabouts.runtime.telling import Telling
from hereabouts.runtime.timers import Timers
from hereabouts.runtime.writer import Writer
from hereabouts.telemetry import Reading


class Parts(Protocol):
    """A node, as `hereabouts.node.Node` is one."""

    is_open: bool
    ready_needs_store: bool
    context: Context
    verifier: Verifier
    registry: Registry
    people: People
    relay: Relay
    looking: Looking
    relations: Relations
    onlookers: Onlookers
    entrance: Entrance
    beats: HttpBeats
    holdings: Holdings
    kinds: Kinds
    driver: Driver
    fleet: Fleet
    timers: Timers
    writer: Writer
    webhooks: Dispatcher
    governing: Governing
    switchboard: Switchboard
    telling: Telling
    acts: Acts

    def readings(self) -> dict[str, Reading]:
        """Every metric at this moment."""
