"""One room on this node: its roster, its streams, who is typing, and when its viewers are next told.

The first change of a quiet room goes out at once; after that there is at most one frame per viewer and window
(rule 9). Typing is not stored and has no seq: the whole list is sent each time it changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hereabouts.engine.crowding import Crowd
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Entry, FeedKey, FeedSnapshot, Now
from hereabouts.engine.roster import Roster, RosterChange
from hereabouts.engine.typists import Typists
from hereabouts.engine.visibility import shows_typing
from hereabouts.fanout.audience import Audience
from hereabouts.fanout.coalesce import window_seconds
from hereabouts.fanout.outbox import Packet, pack
from hereabouts.fanout.stream import Stream
from hereabouts.fanout.viewer import Viewing
from hereabouts.protocol.messages import TypingNow


class Tools(Protocol):
    """What a room needs of the world around it."""

    def now(self) -> Now:
        """The moment."""

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call once, after a while; 0 is before the event loop waits again."""

    def file(self, room: RoomFan) -> None:
        """Wake the room at its `due_at()`."""

    def new_epoch(self) -> str:
        """A name for a history that no other history has."""

    @property
    def is_degraded(self) -> bool:
        """Whether views may be stale."""

    def delivered(self, frames: int, payload_bytes: int) -> None:
        """So many frames of so many bytes went out."""


class RoomFan:
    """The fan-out of one room to the viewers on this node."""

    def __init__(self, feed: FeedKey, policy: Policy, snapshot: FeedSnapshot, tools: Tools) -> None:
        self.feed = feed
        self.policy = policy
        self.roster = Roster(snapshot)
        self.streams: dict[Audience, Stream] = {}
        self.typing = Typists()
        self.filed_slot = -1
        self.window_seconds = policy.fanout_window_seconds
        self._tools = tools
        self._epoch = tools.new_epoch()
        self._own: dict[str, dict[Viewing, None]] = {}
        self._churn = 0
        self._typing_shared: tuple[int, Packet] = (0, pack(TypingNow(feed.name, [])))
        self._is_scheduled = False
        self._flushed_tick = float("-inf")
        self._crowd = Crowd()
        self._is_to_look_again = False

    @property
    def is_summary(self) -> bool:
        """Whether the room is too large to be listed."""
        return self._crowd.is_summary

    # What changes

    def entry(self, entry: Entry) -> RosterChange:
        """The next step of the room's feed."""
        change = self.roster.apply(entry)
        self._note(change)
        return change

    def replace(self, snapshot: FeedSnapshot) -> None:
        """The whole feed, after a gap: only the net change is told."""
        for change in self.roster.replace(snapshot):
            self._note(change)

    def _note(self, change: RosterChange) -> None:
        if change.before == change.after:
            return
        if (change.before is None) != (change.after is None):
            self._churn += 1
        for stream in self.streams.values():
            stream.pending[change.user_id] = change.cause
        if change.after is None:
            self.typing.stop(change.user_id)
        for viewing in self._own.get(change.user_id, ()):
            viewing.own_changed = True
        self._schedule()

    def signal(self, user_id: str, on: bool) -> None:
        """Somebody typed, or stopped. It lapses by this node's clock unless repeated."""
        if user_id not in self.roster.members:
            return
        if on:
            is_new = self.typing.start(user_id, self._tools.now().tick + self.policy.typing_lease_seconds)
            self._tools.file(self)
        else:
            is_new = self.typing.stop(user_id)
        if is_new:
            self._schedule()

    def govern(self, policy: Policy) -> None:
        """Another policy holds from now on: its windows, its size, how long typing lasts."""
        self.policy = policy
        self._schedule()

    def due_at(self) -> float | None:
        """When the next typing lapses."""
        return self.typing.due_at()

    def advance(self, now: Now) -> None:
        """End the typing that has lapsed."""
        if self.typing.lapse(now.tick):
            self._schedule()

    # Who looks

    @property
    def viewers(self) -> int:
        """How many viewers there are on this node."""
        return sum(len(stream.viewings) for stream in self.streams.values())

    def attach(self, viewing: Viewing, audience: Audience, seen: tuple[str, int] | None = None) -> None:
        """Let a viewer onto the stream of its audience, from `seen` on if that can be, else with a snapshot."""
        self.detach(viewing)
        stream = self.streams.get(audience)
        if stream is None:
            stream = self._open(audience)
        else:
            stream.advance()
        viewing.stream = stream
        viewing.own_changed = False
        stream.viewings[viewing] = None
        self._own.setdefault(viewing.user_id, {})[viewing] = None
        if seen is not None and stream.can_continue(*seen):
            self._continue(viewing, stream, seen[1])
        else:
            self.send_whole(viewing)

    def _open(self, audience: Audience) -> Stream:
        stream = Stream(self.feed.name, audience, f"{self._epoch}.{len(self.streams)}", self.roster)
        self.streams[audience] = stream
        self._judge_size(self._tools.now().tick)
        if self.is_summary and audience.mode == "roster" and not stream.is_summary:
            stream.summarise(True)
        return stream

    def _continue(self, viewing: Viewing, stream: Stream, since: int) -> None:
        viewing.sent = stream.seq
        viewing.shows_own = viewing.user_id in self.roster.members
        # What a narrower view does not show of the viewer itself has no history: it is told as it is now.
        tell_own = stream.audience.view != "full" and viewing.shows_own
        if since < stream.seq or tell_own:
            packet = stream.delta(since, viewing.user_id, tell_own=tell_own, own_was_shown=True)
            if packet is not None:
                self._send(viewing, packet)
        viewing.typing_sent = -1
        self._send_typing(viewing)

    def send_whole(self, viewing: Viewing) -> None:
        """Send everything that the viewer's stream shows now."""
        stream = viewing.stream
        if stream is None:
            return
        stream.advance()
        viewing.sent = stream.seq
        viewing.own_changed = False
        viewing.shows_own = not stream.is_counting and viewing.user_id in self.roster.members
        if stream.audience.mode == "count":
            self._send(viewing, stream.count_packet())
            return
        viewing.is_doubtful = self._tools.is_degraded
        self._send(viewing, stream.snapshot(viewing.user_id, self.typing, viewing.is_doubtful))
        viewing.typing_sent = -1
        viewing.shows_typing = False
        self._send_typing(viewing)

    def detach(self, viewing: Viewing) -> None:
        """The viewer looks no more."""
        if viewing.stream is None:
            return
        viewing.stream.viewings.pop(viewing, None)
        viewing.stream = None
        own = self._own.get(viewing.user_id, {})
        own.pop(viewing, None)
        if not own:
            self._own.pop(viewing.user_id, None)

    def catch_up(self, viewing: Viewing) -> None:
        """The viewer's connection drained: one frame brings it up to date."""
        stream = viewing.stream
        if stream is not None:
            stream.advance()
            self._deliver(stream, viewing, {})
            self._send_typing(viewing)

    def restore(self) -> None:
        """After an outage: everything to those whose snapshot said that it may be stale, the net change to the rest."""
        for stream in self.streams.values():
            for viewing in stream.viewings:
                if viewing.is_doubtful:
                    viewing.sent = -1
        self._schedule()

    def _show_anew(self, stream: Stream) -> None:
        """Send every viewer everything: those whose connections hold too much when they have drained."""
        for viewing in tuple(stream.viewings):
            if viewing.viewer.connection.is_paused:
                viewing.sent = -1
            else:
                self.send_whole(viewing)

    # When they are told

    def _schedule(self) -> None:
        if self._is_scheduled:
            return
        self._is_scheduled = True
        wait = self._flushed_tick + self.window_seconds - self._tools.now().tick
        self._tools.later(max(wait, 0.0), self._flush)

    def _flush(self) -> None:
        self._is_scheduled = False
        tick = self._tools.now().tick
        self._flushed_tick = tick
        self.window_seconds = window_seconds(self.policy, self.viewers, self._churn)
        self._churn = 0
        for stream in self.streams.values():
            stream.advance()
        self._judge_size(tick)
        for stream in self.streams.values():
            self._publish(stream)

    def _publish(self, stream: Stream) -> None:
        """Bring all viewers of a stream up to date. This loop is what a change costs a viewer."""
        shared: dict[int, Packet] = {}
        seq, is_shared, typing_version = stream.seq, not stream.is_counting, self.typing.version
        frames = payload_bytes = 0
        for viewing in tuple(stream.viewings):
            connection = viewing.viewer.connection
            if connection.is_paused:
                continue
            packet = shared.get(viewing.sent)
            if packet is not None and is_shared and not viewing.own_changed:
                viewing.sent = seq
                connection.send(packet)
                frames += 1
                payload_bytes += len(packet.payload)
            else:
                self._deliver(stream, viewing, shared)
            if viewing.typing_sent != typing_version:
                self._send_typing(viewing)
        self._tools.delivered(frames, payload_bytes)

    def _deliver(self, stream: Stream, viewing: Viewing, shared: dict[int, Packet]) -> None:
        since = viewing.sent
        if since == stream.seq and not viewing.own_changed:
            return
        if since < 0:
            self.send_whole(viewing)
            return
        if stream.is_counting:
            self._deliver_count(stream, viewing, shared)
            return
        if viewing.own_changed:
            viewing.own_changed = False
            was_shown, viewing.shows_own = viewing.shows_own, viewing.user_id in self.roster.members
            if since == stream.seq and not (was_shown or viewing.shows_own):
                return
            packet = stream.delta(since, viewing.user_id, tell_own=True, own_was_shown=was_shown)
        else:
            packet = shared.get(since) or stream.delta(since)
            if packet is not None:
                shared[since] = packet
        if packet is None:
            self.send_whole(viewing)
            return
        viewing.sent = stream.seq
        self._send(viewing, packet)

    def _deliver_count(self, stream: Stream, viewing: Viewing, shared: dict[int, Packet]) -> None:
        viewing.own_changed = False
        if viewing.sent == stream.seq:
            return
        if -1 not in shared:
            shared[-1] = stream.count_packet()
        viewing.sent = stream.seq
        self._send(viewing, shared[-1])

    def _send_typing(self, viewing: Viewing) -> None:
        stream = viewing.stream
        if stream is None or viewing.typing_sent == self.typing.version:
            return
        viewing.typing_sent = self.typing.version
        if stream.is_counting or not shows_typing(stream.audience.view):
            return
        own = viewing.user_id if viewing.user_id in self.typing else None
        shows = len(self.typing) > (own is not None)
        if shows or viewing.shows_typing:
            viewing.shows_typing = shows
            self._send(viewing, self._typing_packet(own))

    def _typing_packet(self, own: str | None) -> Packet:
        if own is None and self._typing_shared[0] == self.typing.version:
            return self._typing_shared[1]
        packet = pack(TypingNow(self.feed.name, [user_id for user_id in self.typing if user_id != own]))
        if own is None:
            self._typing_shared = (self.typing.version, packet)
        return packet

    def _send(self, viewing: Viewing, packet: Packet) -> None:
        viewing.viewer.connection.send(packet)
        self._tools.delivered(1, len(packet.payload))

    # Rooms too large to list

    def _judge_size(self, tick: float) -> None:
        roster_bytes = max((stream.shown_bytes for stream in self.streams.values()), default=0)
        if self._crowd.judge(self.policy, self.roster.count, roster_bytes, tick):
            self._summarise()
        wait = self._crowd.wait_seconds(self.policy, self.roster.count, tick)
        if wait is not None and not self._is_to_look_again:
            self._is_to_look_again = True
            self._tools.later(wait, self._look_again)

    def _look_again(self) -> None:
        # A room that became small soon and then quiet would stay a summary if only changes made it look.
        self._is_to_look_again = False
        self._schedule()

    def _summarise(self) -> None:
        for stream in self.streams.values():
            if stream.audience.mode == "roster":
                stream.summarise(self.is_summary)
                self._show_anew(stream)
