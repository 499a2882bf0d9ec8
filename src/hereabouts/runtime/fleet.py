"""What each node tells of itself beside its lease, and what is known of all of them. Nobody is asked for it.

A node describes itself each time that its lease was renewed, and the next renewal tells the others, so what is read of
another node is up to half a lease old. Two versions of the server can read each other: fields are only ever added,
each with a default.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Final, Literal

import msgspec
from msgspec import Struct

from hereabouts.backends.base import Peer, Roll
from hereabouts.runtime.context import Context
from hereabouts.runtime.driver import Driver
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.relay import Relay
from hereabouts.version import __version__

State = Literal["serving", "draining", "degraded", "stalled", "dead"]

STATES: Final[tuple[State, ...]] = ("serving", "draining", "degraded", "stalled", "dead")

TENANTS: Final = 100
"""Of more tenants than these no node tells the numbers of each: every node reads them with every renewal."""


class Here(Struct, frozen=True):
    """Live sessions and their users at one node, those in their grace and invisible ones included."""

    sessions: int
    users: int


class Summary(Struct, frozen=True):
    """A node's numbers over all tenants, as it counted them at `told_at`.

    `cpus` is how many CPUs it used between two renewals of its lease; `None` where it has no lease to renew.
    """

    told_at: int
    version: str = ""
    sessions: int = 0
    users: int = 0
    connections: int = 0
    rooms: int = 0
    cpus: float | None = None
    draining: bool = False
    degraded: bool = False


class Note(Struct, frozen=True):
    """What stands beside a lease. `tenants` is `None` where there are too many to tell each."""

    summary: Summary
    tenants: dict[str, Here] | None = None


class NodeRow(Struct, frozen=True):
    """One server process. `alive_at` is when it last renewed its lease; `summary` is `None` where it has told none yet.

    `stalled` renews its lease and counts no more: its event loop stands still. `dead` has let its lease run out, also
    after an orderly end; the other nodes take away what it left, and then its row.
    """

    node: str
    state: State
    started_at: int
    alive_at: int
    summary: Summary | None


class Everywhere(Struct, frozen=True):
    """Sums over `nodes` nodes: those that live and have told their numbers.

    A user with sessions at two nodes is counted at both.
    """

    nodes: int
    sessions: int
    users: int


class Fleet:
    """Describes this node, and reads what the others told."""

    def __init__(self, context: Context, registry: Registry, relay: Relay, driver: Driver) -> None:
        self._context = context
        self._registry = registry
        self._relay = relay
        self._driver = driver
        self._peers: tuple[Peer, ...] = ()
        self._seen_at = 0
        self._cpus: float | None = None
        self._measured: tuple[float, float] | None = None
        if context.backend.peers is not None:
            context.backend.peers.on_roll(self._rolled)

    def rows(self) -> list[NodeRow]:
        """All nodes, by name: this one as it is now, the others as the last renewal found them."""
        now_at = self._context.now().at
        own = self._row(Peer(self._context.owner, now_at, ""), self._note(now_at))
        others = [self._row(peer, _read(peer.note)) for peer in self._peers]
        return sorted([own, *others], key=lambda row: (row.node, row.started_at))

    def everywhere(self, tenant: str) -> Everywhere:
        """The numbers of a tenant over all nodes."""
        living = [peer for peer in self._peers if not self._is_over(peer.renewed_at)]
        notes = [self._note(self._context.now().at), *(_read(peer.note) for peer in living)]
        told = [note.tenants for note in notes if note is not None and note.tenants is not None]
        found = [tenants[tenant] for tenants in told if tenant in tenants]
        return Everywhere(len(told), sum(here.sessions for here in found), sum(here.users for here in found))

    def by_state(self) -> dict[str, int]:
        """How many nodes there are in each state."""
        found = Counter(row.state for row in self.rows())
        return {state: found[state] for state in STATES}

    def _rolled(self, roll: Roll | None) -> None:
        peers = self._context.backend.peers
        if roll is None or peers is None:
            return  # what was known last stays known
        self._peers, self._seen_at = roll.peers, roll.at
        self._measure(roll.tick)
        peers.describe(msgspec.json.encode(self._note(self._context.now().at)).decode())

    def _measure(self, tick: float) -> None:
        used = time.process_time()
        if self._measured is not None and tick > self._measured[0]:
            self._cpus = round((used - self._measured[1]) / (tick - self._measured[0]), 2)
        self._measured = tick, used

    def _note(self, now_at: int) -> Note:
        registry, users = self._registry, self._registry.users
        summary = Summary(
            told_at=now_at,
            version=__version__,
            sessions=len(registry),
            users=users.total(),
            connections=len(self._driver.links),
            rooms=len(self._relay.rooms),
            cpus=self._cpus,
            draining=self._driver.is_draining,
            degraded=self._context.is_degraded,
        )
        if len(users) > TENANTS:
            return Note(summary)
        return Note(summary, {tenant: Here(registry.sessions[tenant], users[tenant]) for tenant in users})

    def _row(self, peer: Peer, note: Note | None) -> NodeRow:
        summary = note.summary if note is not None else None
        state: State = "serving"
        if self._is_over(peer.renewed_at):
            state = "dead"
        elif summary is not None and self._is_over(summary.told_at):
            state = "stalled"
        elif summary is not None and (summary.draining or summary.degraded):
            state = "draining" if summary.draining else "degraded"
        return NodeRow(peer.owner.node, state, peer.owner.incarnation, peer.renewed_at, summary)

    def _is_over(self, since_at: int) -> bool:
        return since_at + self._context.node_clocks.lease_seconds * 1000 <= self._seen_at


def _read(note: str) -> Note | None:
    """What a node told; nothing of one that has told nothing, or nothing that this version can read."""
    try:
        return msgspec.json.decode(note, type=Note) if note else None
    except msgspec.MsgspecError:
        return None
