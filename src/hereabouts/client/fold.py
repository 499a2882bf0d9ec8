"""What a client knows of one room, folded from what the server says of it. Pure, and the same in every language.

A delta applies where it follows the position that the fold has, and nowhere else; after a gap the fold is stale and
asks for a snapshot, once. Nothing is applied twice. Each step tells the net difference.
`spec/vectors/client_fold.json` holds cases that every client passes.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct

from hereabouts.client.events import CountChanged, Joined, Left, Member, RoomEvent, Synced, TypingChanged, Updated
from hereabouts.protocol.messages import Count, Delta, JoinEvent, LeaveEvent, Snapshot, TypingNow, UpdateEvent

RoomMessage: TypeAlias = Snapshot | Delta | Count | TypingNow
Position: TypeAlias = tuple[str, int]


class _Typist(Struct):
    """The part of a member in a snapshot that says who is typing."""

    user_id: str
    typing: bool = False
    self: bool = False


_member: Final = msgspec.json.Decoder(Member)
_typist: Final = msgspec.json.Decoder(_Typist)
_change: Final = msgspec.json.Decoder(JoinEvent | UpdateEvent | LeaveEvent)


class Step(NamedTuple):
    """What one message did: the events for the reader, and whether to ask the server for a snapshot."""

    events: tuple[RoomEvent, ...] = ()
    needs_sync: bool = False


class RoomFold:
    """One room. `position` is `None` until there is a list, and while there are only counts."""

    def __init__(self, room: str) -> None:
        self.room = room
        self.count = 0
        self.sessions: int | None = None
        self.typing: tuple[str, ...] = ()
        self.position: Position | None = None
        self.is_known = False
        self.is_stale = False
        self.is_summary = False
        self.is_degraded = False
        self._members: dict[str, Member] = {}

    @property
    def members(self) -> tuple[Member, ...]:
        """Those in the room, as far as the viewer may see them."""
        return tuple(self._members.values())

    @property
    def own(self) -> Member | None:
        """The viewer's own entry."""
        return next((member for member in self._members.values() if member.is_self), None)

    @property
    def seen(self) -> Position | None:
        """Where a resumed session may go on; `None` where it needs a snapshot.

        After a degraded snapshot it does: the list may hold people whom no delta will ever name.
        """
        return None if self.is_stale or self.is_degraded else self.position

    def apply(self, message: RoomMessage) -> Step:
        """Take in the next message of the room."""
        if isinstance(message, Snapshot):
            return Step(self._snapshot(message))
        if isinstance(message, Delta):
            return self._delta(message)
        if isinstance(message, Count):
            return Step(self._counted(message))
        return Step(self._set_typing(tuple(message.user_ids)))

    def lose(self) -> Step:
        """The connection is gone. What is known of the members stays; whoever typed may have stopped meanwhile."""
        return Step(self._set_typing(()))

    def _snapshot(self, message: Snapshot) -> tuple[RoomEvent, ...]:
        if self.position is not None and message.epoch == self.position[0] and message.seq < self.position[1]:
            return ()
        is_summary = message.mode == "summary"
        starts_anew = not self.is_known or is_summary != self.is_summary
        self.is_known, self.is_stale, self.is_summary = True, False, is_summary
        self.is_degraded = message.degraded is True
        self.position = None if is_summary else (message.epoch, message.seq)
        told = {member.user_id: member for member in map(_member.decode, message.members)}
        before, self._members = self._members, told
        if self.is_degraded and not is_summary:
            self._members = told | {user_id: member for user_id, member in before.items() if user_id not in told}
        events = (Synced(self.room),) if starts_anew else self._difference(before)
        return (*events, *self._set_count(message.count), *self._set_typing(_typing_in(message.members)))

    def _difference(self, before: dict[str, Member]) -> tuple[RoomEvent, ...]:
        events: list[RoomEvent] = [Left(user_id, None, self.room) for user_id in before if user_id not in self._members]
        for user_id, member in self._members.items():
            if user_id not in before:
                events.append(Joined(member, self.room))
            elif before[user_id] != member:
                events.append(Updated(member, self.room))
        return tuple(events)

    def _delta(self, message: Delta) -> Step:
        if self.is_stale:
            return Step()
        position = self.position
        is_next = position == (message.epoch, message.since)
        if not is_next and position is not None and position[0] == message.epoch and message.seq <= position[1]:
            return Step()
        if not is_next:
            self.is_stale = True
            return Step(needs_sync=True)
        try:
            changes = [_change.decode(raw) for raw in message.events]
        except msgspec.MsgspecError:
            # A kind of change that this version does not know: the snapshot tells what it came to.
            self.is_stale = True
            return Step(needs_sync=True)
        self.position = (message.epoch, message.seq)
        events = [event for change in changes if (event := self._change(change)) is not None]
        return Step((*events, *self._set_count(message.count)))

    def _change(self, change: JoinEvent | UpdateEvent | LeaveEvent) -> RoomEvent | None:
        if isinstance(change, LeaveEvent):
            gone = self._members.pop(change.user_id, None)
            cause = None if change.cause is UNSET else change.cause
            return None if gone is None else Left(change.user_id, cause, self.room)
        member = _member.decode(change.member)
        before = self._members.get(member.user_id)
        self._members[member.user_id] = member
        if before is None:
            return Joined(member, self.room)
        return None if before == member else Updated(member, self.room)

    def _counted(self, message: Count) -> tuple[RoomEvent, ...]:
        """A `count` comes only where members are not listed: what list there was is dropped, as one event."""
        starts_anew = not self.is_known or not self.is_summary
        self.is_known, self.is_stale, self.is_summary = True, False, True
        self.position = None
        self._members = {}
        self.sessions = None if message.sessions is UNSET else message.sessions
        events = (Synced(self.room),) if starts_anew else ()
        return (*events, *self._set_count(message.count))

    def _set_count(self, told: int) -> tuple[RoomEvent, ...]:
        # A list that a degraded snapshot may not shorten can be longer than the server's count.
        count = max(told, len(self._members))
        if count == self.count:
            return ()
        self.count = count
        return (CountChanged(count, self.room),)

    def _set_typing(self, user_ids: tuple[str, ...]) -> tuple[RoomEvent, ...]:
        if user_ids == self.typing:
            return ()
        self.typing = user_ids
        return (TypingChanged(user_ids, self.room),)


def _typing_in(members: list[Raw]) -> tuple[str, ...]:
    told = map(_typist.decode, members)
    return tuple(typist.user_id for typist in told if typist.typing and not typist.self)
