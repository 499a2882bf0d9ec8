"""A server in this process with real sockets, its clients, and a misbehaving network between them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from random import Random
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from hereabouts.gateway.server import Server
from hereabouts.serving import Serving
from hereabouts.settings import load
from hereabouts.testing.engines import Engine
from hereabouts.testing.fault_proxy import FaultProxy
from hereabouts.testing.waiting import eventually
from hereabouts.testing.wire import Wire

PROFILE: Final[dict[str, Any]] = {"preset": "test"}
BEAT_SECONDS: Final = 0.5
"""Twice as often as the test profile asks for, so that a busy machine loses nobody."""


class Arena:
    """One running server. `settings` has the shape of the configuration file and goes over the test profile.

    Over an engine of several nodes, `serving` and `node` are the first; who asks for the port gets them in turn.
    """

    engine: ClassVar[Engine] = Engine()
    """Where every arena keeps things. A suite puts another one here to be run over that as well."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        given = dict(settings or {})
        policy = {**given.get("policy", {})}
        policy["default"] = PROFILE | policy.get("default", {})
        flags = self.engine.placed({"journal": {"url": "none"}, **given, "policy": policy})
        self._servings = [Serving(load(None, part, environment={}), is_dev=True) for part in self._each(flags)]
        self._servers = [Server(serving.app, serving.door, "127.0.0.1", 0) for serving in self._servings]
        self._turns = cycle(self._servers)
        self.serving, self.server = self._servings[0], self._servers[0]
        self.node = self.serving.node
        self.wires: list[Wire] = []
        self._proxies: list[FaultProxy] = []

    def _each(self, flags: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The settings of each node."""
        names = self.engine.nodes
        return [{**flags, "server": {**flags.get("server", {}), **({"node": name} if name else {})}} for name in names]

    async def __aenter__(self) -> Self:
        await self.engine.ready()
        for serving, server in zip(self._servings, self._servers, strict=True):
            await serving.open()
            await server.start()
        others = len(self._servings) - 1
        await eventually(lambda: all(len(each.node.switchboard.others()) >= others for each in self._servings))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for wire in self.wires:
            await wire.reset()
        for proxy in self._proxies:
            await proxy.__aexit__(None, None, None)
        for serving, server in zip(self._servings, self._servers, strict=True):
            await server.stop()
            await serving.close()
        if error is None:
            for wire in self.wires:
                wire.folds.check()

    @property
    def port(self) -> int:
        """Where it listens."""
        return next(self._turns).port

    @property
    def url(self) -> str:
        """The WebSocket address."""
        return ws_url(self.port)

    async def proxy(self, seed: int = 1) -> FaultProxy:
        """A new network path to the server."""
        proxy = FaultProxy("127.0.0.1", self.port, random=Random(seed))
        await proxy.__aenter__()
        self._proxies.append(proxy)
        return proxy

    async def connect(self, *, through: FaultProxy | None = None, **options: Any) -> Wire:
        """A connection that has not said hello."""
        wire = await Wire.open(self.url if through is None else ws_url(through.port), **options)
        self.wires.append(wire)
        return wire

    async def enter(
        self, user_id: str, *rooms: str, through: FaultProxy | None = None, beats: bool = True, **hello: Any
    ) -> Wire:
        """A user's new tab: connected, welcomed, in these rooms, and beating."""
        wire = await self.connect(through=through)
        await wire.hello(f"dev:{user_id}", **hello)
        if beats:
            wire.beat_every(BEAT_SECONDS)
        for room in rooms:
            await wire.join(room)
        return wire

    async def come_back(self, before: Wire, user_id: str, *, through: FaultProxy | None = None) -> Wire:
        """The same session on a new connection, beating."""
        wire = await self.connect(through=through, folds=before.folds)
        await wire.resume(before, f"dev:{user_id}")
        wire.beat_every(BEAT_SECONDS)
        return wire


def ws_url(port: int) -> str:
    """The WebSocket address of a server on this machine."""
    return f"ws://127.0.0.1:{port}/v1/ws"
