"""Several whole nodes over one store in one event loop, and what can befall each: cut, deaf, frozen, killed.

Each node is a process of its own: it has turns that can be stopped, a clock that is set wrong, and a line to the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Final

from hereabouts.auth.tokens import DevVerifier
from hereabouts.engine.limits import Limits
from hereabouts.engine.records import Owner
from hereabouts.errors import ConfigError
from hereabouts.journal.none import NoJournal
from hereabouts.node import Node
from hereabouts.runtime.clock import Clock
from hereabouts.runtime.leaving import Leaving
from hereabouts.testing.shared import Line, SharedBackend
from hereabouts.testing.toy_valkey import ToyValkey
from hereabouts.testing.virtual_time import virtual_loop
from hereabouts.testing.world import ABNORMAL, ScriptedClient, Wire, World

SKEW_SECONDS: Final = 3600
"""By how much the nodes' own clocks are wrong at most."""


class Process:
    """One node process, from its start to its end."""

    def __init__(self, node: Node, line: Line) -> None:
        self.node = node
        self.line = line
        self.leaving = Leaving(node.context, node.driver, node.registry, node.relay, node.entrance)
        self.neighbours = node.neighbours(self.leaving)
        self.wires: list[FarWire] = []
        self.is_dead = False

    @property
    def is_open(self) -> bool:
        """Whether it has begun and not been killed."""
        return self.node.is_open and not self.is_dead

    async def open(self) -> None:
        """Start, as `serving.py` does it."""
        await self.line.turns.start(self._open())

    async def _open(self) -> None:
        await self.node.open()
        await self.neighbours.open()
        self.node.is_open = True

    def freeze(self) -> None:
        """The process stands still, its lease with it (SIGSTOP)."""
        self.line.turns.is_shut = self.line.renewals.is_shut = True

    def stall(self) -> None:
        """Its event loop stands still; the thread that renews its lease does not."""
        self.line.turns.is_shut = True

    def thaw(self) -> None:
        """It goes on."""
        self.line.renewals.open()
        self.line.turns.open()

    def kill(self) -> None:
        """It is no more (SIGKILL). What it had written stays; connections end."""
        self.is_dead = True
        self.freeze()
        self.line.cut()
        for wire in self.wires:
            wire.close(ABNORMAL, "the node is gone")


class FarWire(Wire):
    """A connection to a process that may be frozen or gone."""

    def __init__(self, client: ScriptedClient, process: Process) -> None:
        self.process = process
        self.ended_tick = inf
        process.wires.append(self)
        super().__init__(client, process.node)

    def close(self, code: int, reason: str) -> None:
        """See `Connection.close`."""
        if self.ended is None:
            self.ended_tick = virtual_loop().time()
        super().close(code, reason)

    def reach(self, call: Callable[..., None], *arguments: Any) -> None:
        """See `Wire.reach`."""
        self.process.line.turns.run(call, *arguments)


class Cluster(World):
    """Some node processes over one store; `processes` and `nodes` have the same order. Those replaced are `buried`."""

    def __init__(
        self, seed: int = 0, *, nodes: int = 2, policy: Mapping[str, Any] | None = None, delay_seconds: float = 0.02
    ) -> None:
        self.engine = ToyValkey(lambda: int(self.wall() * 1000))
        self.processes: list[Process] = []
        self.buried: list[Process] = []
        self._delay_seconds = delay_seconds
        self._incarnations = 0
        super().__init__(seed, nodes=nodes, policy=policy)

    def _node(self, name: str, limits: Limits) -> Node:
        self._incarnations += 1
        owner = Owner(name, self._incarnations)
        line = Line(self.engine, self.random, self._delay_seconds)
        skew_seconds = self.random.uniform(-SKEW_SECONDS, SKEW_SECONDS)
        node = Node(
            policies=self.policies,
            limits=limits,
            backend=SharedBackend(line, owner, self.policies.node.lease_seconds),
            journal=NoJournal(),
            verifier=DevVerifier(self.wall),
            owner=owner,
            clock=Clock(self.loop.time, lambda: self.wall() + skew_seconds),
            random_bytes=self.random.randbytes,
        )
        self.processes.append(Process(node, line))
        return node

    async def __aenter__(self) -> Cluster:
        for process in self.processes:
            await process.open()
        return self

    async def __aexit__(self, kind: object, *rest: object) -> None:
        try:
            await super().__aexit__(kind, *rest)
        finally:
            for process in self.processes + self.buried:
                process.line.cut()
                process.thaw()

    def process(self, node: Node) -> Process:
        """The process that runs a node."""
        return next(process for process in self.processes if process.node is node)

    def wire(self, client: ScriptedClient, node: Node) -> FarWire:
        """See `World.wire`."""
        return FarWire(client, self.process(node))

    async def restart(self, process: Process) -> Process:
        """Another process takes the place of one that was killed, under the same name.

        One that finds no store ends at once, and is started again, as a supervisor does it.
        """
        place = self.processes.index(process)
        while True:
            self.buried.append(self.processes[place])
            self._node(process.node.context.owner.node, Limits())
            new = self.processes.pop()
            self.processes[place], self.nodes[place] = new, new.node
            try:
                await new.open()
            except ConfigError:
                continue
            return new
