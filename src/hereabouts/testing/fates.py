"""Who must be shown and who may be, where nodes fail: a sharper and a milder truth, held against what viewers saw.

A stay of a tab in a room is *certain* from its `ok` to the first moment at which any rule lets it be published as gone,
and *possible* from its request to the last moment at which it must be. Times of trouble make views late, never wrong.
Source: `spec/semantics.md`, rules 5 to 7 and 12 to 14, and the ghost bound.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from math import inf

from hereabouts.engine.policy import NodeClocks, Policy
from hereabouts.testing.oracle import Span, cut, gaps, merged, shown_spans
from hereabouts.testing.picture import Happening

RENEWED = 3 / 4
"""The share of a node's lease that is left at least when it dies."""

PASSAGE_SECONDS = 0.75
"""From a change on one node to a viewer on another."""


@dataclass
class Stay:
    """One tab in one room, at one node: when it was there for certain, and when it may have been."""

    user_id: str
    room: str
    process: Hashable
    possible_since: float
    since: float = inf
    until: float = inf
    possible_until: float = inf

    def ends(self, certain_until: float, possible_until: float) -> None:
        """It has been ended, or will be."""
        self.until = min(self.until, certain_until)
        self.possible_until = min(self.possible_until, possible_until)


@dataclass
class Fates:
    """All stays, and all that befell the nodes."""

    policy: Policy
    clocks: NodeClocks
    stays: list[Stay] = field(default_factory=list)
    troubles: list[Span] = field(default_factory=list)
    unreachable: list[tuple[Hashable, Span, bool]] = field(default_factory=list)
    """Which process, when, and whether its lease was renewed all the same."""

    flushes: list[float] = field(default_factory=list)
    deaths: dict[Hashable, float] = field(default_factory=dict)

    @property
    def late_seconds(self) -> float:
        """How late a removal is seen at most."""
        return self.clocks.sweep_seconds + self.policy.fanout_window_seconds + PASSAGE_SECONDS

    @property
    def recovery_seconds(self) -> float:
        """How long after a fault the last ghost may go: peers judge a node after its lease and a grace of contact."""
        return 2 + self.clocks.lease_seconds + self.policy.grace_seconds + self.late_seconds

    def disconnected(self, stay: Stay, tick: float, heard_tick: float) -> None:
        """The connection is gone at `tick`; its node hears of it at `heard_tick`, or only by the lease."""
        policy = self.policy
        lost = min(heard_tick, tick + policy.lease_visible_seconds)
        stay.ends(tick + policy.grace_seconds, lost + policy.grace_seconds)

    def died(self, process: Hashable, tick: float) -> None:
        """The process was killed: what it had stands until the others have judged it."""
        self.deaths[process] = tick
        lease, grace = self.clocks.lease_seconds, self.policy.grace_seconds
        for stay in self.stays:
            if stay.process is process and stay.possible_until > tick:
                stay.ends(tick + RENEWED * lease + grace, inf)
                stay.possible_until = tick + lease + grace

    def flushed(self, tick: float) -> None:
        """The store lost everything: what a dead process had is gone with it."""
        self.flushes.append(tick)
        for stay in self.stays:
            if stay.process in self.deaths:
                stay.ends(tick, inf)

    # What is held against them

    def certain(self, user_id: str, room: str) -> list[Span]:
        """When the user was in the room, whatever else was the matter."""
        return merged(
            part
            for stay in self._of(user_id, room)
            if stay.since < stay.until
            for part in self._reached(stay.process, Span(stay.since, stay.until))
        )

    def possible(self, user_id: str, room: str) -> list[Span]:
        """When the user may have been shown."""
        return merged(Span(stay.possible_since, stay.possible_until) for stay in self._of(user_id, room))

    def trouble(self) -> list[Span]:
        """When views may have been late."""
        return merged(Span(span.since, span.until + self.recovery_seconds) for span in self.troubles)

    def check(self, user_id: str, room: str, history: Iterable[Happening], watched: Span) -> None:
        """Fail where a viewer who watched so long was told a leave that was none, or was shown a ghost."""
        happened = list(history)
        self._check_leaves(user_id, room, happened)
        self._check_ghosts(user_id, room, shown_spans(happened, user_id), watched)

    def _check_leaves(self, user_id: str, room: str, history: list[Happening]) -> None:
        absences = gaps(self.certain(user_id, room))
        for told in history:
            if (told.what, told.user_id) != ("leave", user_id):
                continue
            begun = min((span.since for span in self.trouble() if span.since <= told.tick <= span.until), default=inf)
            about = Span(min(told.tick, begun) - self.late_seconds, told.tick)
            is_true = any(gap.since <= about.until and gap.until >= about.since for gap in absences)
            assert is_true, f"{told} in {room}, but {user_id} was there in {self.certain(user_id, room)}"

    def _check_ghosts(self, user_id: str, room: str, shown: list[Span], watched: Span) -> None:
        for gap in gaps(self.possible(user_id, room)):
            nowhere = Span(gap.since + self.late_seconds, gap.until).overlap(watched)
            if nowhere is None:
                continue
            for span in shown:
                parts = [part for part in [nowhere.overlap(span)] if part is not None]
                for trouble in self.trouble():
                    parts = [rest for part in parts for rest in cut(part, trouble)]
                ghosts = [part for part in parts if part.until - part.since > 1e-6]
                assert not ghosts, f"{user_id} was a ghost in {room} in {ghosts}; it may have been there in " + str(
                    self.possible(user_id, room)
                )

    def _of(self, user_id: str, room: str) -> list[Stay]:
        return [stay for stay in self.stays if (stay.user_id, stay.room) == (user_id, room)]

    def _reached(self, process: Hashable, span: Span) -> list[Span]:
        """The part of a span in which the other nodes had no right to take the process for dead."""
        parts = [span]
        for of, away, is_renewed in self.unreachable:
            given_up = self._given_up(away, is_renewed)
            if of is process and given_up.since < away.until + 1:
                parts = [rest for part in parts for rest in cut(part, given_up)]
        return parts

    def _given_up(self, away: Span, is_renewed: bool) -> Span:
        lease, grace = self.clocks.lease_seconds, self.policy.grace_seconds
        since = inf if is_renewed else away.since + RENEWED * lease + grace
        for flush in self.flushes:  # a store that lost everything is filled by those who are there
            if away.since - 2 <= flush <= away.until:
                since = min(since, flush + lease)
        return Span(since, away.until + self.recovery_seconds)
