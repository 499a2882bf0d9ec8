"""The projection of a room for one audience, numbered.

`(epoch, seq)` number what this audience is shown on this node, and step only when that changes, so that nothing leaks
by counting. Per viewer only the position last sent is kept; what it is sent next is the net change since.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UNSET, Raw

from hereabouts.engine.roster import MemberFold, Roster
from hereabouts.fanout.audience import Audience, join_json, leave_json, member_json, update_json
from hereabouts.fanout.coalesce import ChangeLog, Step
from hereabouts.fanout.outbox import Packet, pack
from hereabouts.fanout.viewer import Viewing
from hereabouts.protocol.messages import Count, Delta, Snapshot


class Stream:
    """One audience of one room. `roster` is the room's and is only read."""

    def __init__(self, room: str, audience: Audience, epoch: str, roster: Roster) -> None:
        self.room = room
        self.audience = audience
        self.epoch = epoch
        self.seq = 0
        self.roster = roster
        self.viewings: dict[Viewing, None] = {}
        self.is_summary = False
        self.shown_bytes = 0
        self.pending: dict[str, str | None] = {}
        self._shown: dict[str, bytes] = {}
        self._count = self._shown_count()
        self._sessions = roster.sessions
        self._log = ChangeLog()
        self._whole: Packet | None = None
        if audience.sees_members:
            for user_id, member in roster.members.items():
                self._show(user_id, member)

    @property
    def is_counting(self) -> bool:
        """Whether its viewers get counts only."""
        return self.is_summary or self.audience.mode == "count"

    @property
    def count(self) -> int:
        """How many members this audience is told of."""
        return self._count

    # What changes

    def advance(self) -> bool:
        """Take what is `pending` (users that changed, with causes) into the projection; whether it stepped."""
        steps: list[tuple[str, bool, str | None]] = []
        changed, self.pending = self.pending, {}
        if self.audience.sees_members and not self.is_summary:
            for user_id, cause in changed.items():
                was = self._shown.get(user_id)
                if self._show(user_id, self.roster.members.get(user_id)):
                    steps.append((user_id, was is not None, cause))
        counted = (self._shown_count(), self.roster.sessions)
        if not steps and not self._count_changed(counted):
            return False
        self._count, self._sessions = counted
        self.seq += 1
        self._whole = None
        for user_id, was_shown, cause in steps:
            self._log.note(Step(self.seq, user_id, was_shown, cause))
        return True

    def summarise(self, is_summary: bool) -> None:
        """Change between showing members and counting them; every viewer starts anew."""
        self.is_summary = is_summary
        self.pending.clear()
        self._shown.clear()
        self.shown_bytes = 0
        if not is_summary and self.audience.sees_members:
            for user_id, member in self.roster.members.items():
                self._show(user_id, member)
        self.seq += 1
        self._count, self._sessions = self._shown_count(), self.roster.sessions
        self._log.clear(self.seq)
        self._whole = None

    def _show(self, user_id: str, member: MemberFold | None) -> bool:
        json = None if member is None else member_json(member, self.audience.view)
        was = self._shown.get(user_id)
        if json == was:
            return False
        self.shown_bytes += (0 if json is None else len(json)) - (0 if was is None else len(was))
        if json is None:
            del self._shown[user_id]
        else:
            self._shown[user_id] = json
        return True

    def _shown_count(self) -> int:
        return 0 if self.audience.view == "none" else self.roster.count

    def _count_changed(self, counted: tuple[int, int]) -> bool:
        if self.is_counting and self.audience.view == "full":
            return counted != (self._count, self._sessions)
        return counted[0] != self._count

    # What is sent

    def can_continue(self, epoch: str, seq: int) -> bool:
        """Whether a viewer at this position can be given the change since, rather than everything.

        Where no member is shown everything is no more than the viewer itself, and of that there is no history.
        """
        is_followed = self.audience.sees_members and not self.is_summary
        return epoch == self.epoch and seq <= self.seq and is_followed and self._log.covers(seq)

    def snapshot(self, own: str, typing: Iterable[str], degraded: bool) -> Packet:
        """Everything, for a viewer who is `own`: the own entry is full, and those typing are marked."""
        marked = [user_id for user_id in typing if user_id in self._shown and self.audience.view == "full"]
        if self.is_summary or (own not in self.roster.members and not marked):
            if self._whole is None or degraded:
                whole = self._snapshot(self._shown.values(), degraded)
                if degraded:
                    return whole
                self._whole = whole
            return self._whole
        shown = dict(self._shown)
        for user_id in (*marked, own):
            member = self.roster.members.get(user_id)
            json = member and member_json(
                member, self.audience.view, is_typing=user_id in marked, is_self=user_id == own
            )
            if json:
                shown[user_id] = json
        return self._snapshot(shown.values(), degraded)

    def _snapshot(self, members: Iterable[bytes], degraded: bool) -> Packet:
        return pack(
            Snapshot(
                room=self.room,
                epoch=self.epoch,
                seq=self.seq,
                mode="summary" if self.is_summary else "roster",
                view=self.audience.view,
                count=self._count,
                members=[Raw(member) for member in members],
                degraded=True if degraded else UNSET,
            )
        )

    def count_packet(self) -> Packet:
        """How many; how many sessions is for the view `full`."""
        sessions = self.roster.sessions if self.audience.view == "full" else UNSET
        return pack(Count(self.room, self._count, sessions))

    def delta(
        self, since: int, own: str | None = None, *, tell_own: bool = False, own_was_shown: bool = False
    ) -> Packet | None:
        """The net change since a position, or `None` where it is forgotten.

        For the viewer `own` its own entry is full. With `tell_own` it is there even if the projection did not change;
        `own_was_shown` is then whether the viewer knew of itself before.
        """
        if not self._log.covers(since):
            return None
        changed = self._log.since(since)
        if tell_own and own is not None:
            changed.setdefault(own, Step(self.seq, own, own_was_shown, None))
        events: list[Raw] = []
        for user_id, step in changed.items():
            json = self._own_json(user_id) if user_id == own else self._shown.get(user_id)
            if json is not None:
                events.append(update_json(json) if step.was_shown else join_json(json))
            elif step.was_shown:
                events.append(leave_json(user_id, step.cause, self.audience.view))
        return pack(Delta(self.room, self.epoch, since, self.seq, events, self._count))

    def _own_json(self, user_id: str) -> bytes | None:
        member = self.roster.members.get(user_id)
        return None if member is None else member_json(member, self.audience.view, is_self=True)
