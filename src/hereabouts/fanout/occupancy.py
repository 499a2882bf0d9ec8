"""The fan-out of one kind of resource: every viewer is told of what happened, at most once a window (rule 9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from hereabouts.engine.holdings import Held
from hereabouts.engine.occupancy import Happening, Holding
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Now
from hereabouts.fanout.coalesce import window_seconds
from hereabouts.fanout.kind_stream import KindStream, Liveness
from hereabouts.fanout.outbox import Packet
from hereabouts.fanout.viewer import KindViewing
from hereabouts.protocol.codes import View


class KindTools(Protocol):
    """What the fan-out of a kind needs of the world around it."""

    def now(self) -> Now:
        """The moment."""

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call once, after a while; 0 is before the event loop waits again."""

    def new_epoch(self) -> str:
        """A name for a history that no other history has."""

    def delivered(self, frames: int, payload_bytes: int) -> None:
        """So many frames of so many bytes went out."""


class KindFan:
    """The fan-out of one kind to the viewers on this node. `held` is only read."""

    def __init__(
        self, kind: str, policy: Policy, held: Held, liveness: Callable[[Holding], Liveness], tools: KindTools
    ) -> None:
        self.kind = kind
        self.policy = policy
        self.streams: dict[View, KindStream] = {}
        self._held = held
        self._liveness = liveness
        self._tools = tools
        self._epoch = tools.new_epoch()
        self._is_scheduled = False
        self._flushed_tick = float("-inf")

    @property
    def viewers(self) -> int:
        """How many viewers there are on this node."""
        return sum(len(stream.viewings) for stream in self.streams.values())

    def note(self, happenings: Sequence[Happening]) -> None:
        """Something happened; the viewers hear of it with the next window."""
        for stream in self.streams.values():
            stream.note(happenings)
        self._schedule()

    def renew(self, holding: Holding) -> None:
        """A holding is stale, or no longer."""
        for stream in self.streams.values():
            stream.renew(holding)
        self._schedule()

    def stream(self, view: View) -> KindStream:
        """The stream of a view."""
        found = self.streams.get(view)
        if found is None:
            epoch = f"{self._epoch}.{len(self.streams)}"
            found = self.streams[view] = KindStream(view, epoch, self._held, self._liveness)
        return found

    def attach(self, viewing: KindViewing, view: View) -> None:
        """Let a viewer onto the stream of its view, with a snapshot."""
        self.detach(viewing)
        viewing.stream = self.stream(view)
        viewing.stream.viewings[viewing] = None
        self._send_whole(viewing, viewing.stream)

    def detach(self, viewing: KindViewing) -> None:
        """The viewer looks no more."""
        if viewing.stream is not None:
            viewing.stream.viewings.pop(viewing, None)
            viewing.stream = None

    def catch_up(self, viewing: KindViewing) -> None:
        """The viewer's connection drained: one frame brings it up to date."""
        if viewing.stream is not None:
            self._deliver(viewing, viewing.stream, {})

    def _schedule(self) -> None:
        if not self._is_scheduled and self.streams:
            self._is_scheduled = True
            window = window_seconds(self.policy, self.viewers, 0)
            wait = self._flushed_tick + window - self._tools.now().tick
            self._tools.later(max(wait, 0.0), self._flush)

    def _flush(self) -> None:
        self._is_scheduled = False
        self._flushed_tick = self._tools.now().tick
        for stream in self.streams.values():
            shared: dict[int, tuple[Packet | None, set[str]]] = {}
            for viewing in tuple(stream.viewings):
                if not viewing.viewer.connection.is_paused:
                    self._deliver(viewing, stream, shared)

    def _deliver(
        self, viewing: KindViewing, stream: KindStream, shared: dict[int, tuple[Packet | None, set[str]]]
    ) -> None:
        if viewing.sent == stream.index:
            return
        if not stream.covers(viewing.sent):
            self._send_whole(viewing, stream)
            return
        packet = stream.delta(self.kind, viewing, shared)
        viewing.sent, viewing.seq = stream.index, stream.seq
        if packet is not None:
            self._send(viewing, packet)

    def _send_whole(self, viewing: KindViewing, stream: KindStream) -> None:
        viewing.sent, viewing.seq = stream.index, stream.seq
        self._send(viewing, stream.snapshot(self.kind, viewing.user_id, self._tools.now().at))

    def _send(self, viewing: KindViewing, packet: Packet) -> None:
        viewing.viewer.connection.send(packet)
        self._tools.delivered(1, len(packet.payload))
