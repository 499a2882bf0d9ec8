"""Who ought to be shown, told from what the clients did and from the rules alone, and compared with what was shown.

A session is present in a room from its join until it leaves, or until the moment that the rules give: lease and grace
after its last application frame, grace after its close, the moment of its leave token. A user is present while any
session is and nothing hides it. Source: `spec/semantics.md`, the ghost bound and rules 1 to 7.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import inf
from typing import NamedTuple

from hereabouts.engine.policy import Policy
from hereabouts.testing.picture import Happening


class Span(NamedTuple):
    """From a tick up to another."""

    since: float
    until: float

    def overlap(self, other: Span) -> Span | None:
        """What both have in common."""
        common = Span(max(self.since, other.since), min(self.until, other.until))
        return common if common.since < common.until else None


class Life:
    """One session, as the rules have it. Call what happened in the order in which it happened."""

    def __init__(self, user_id: str, policy: Policy, tick: float, visible: bool = True) -> None:
        self.user_id = user_id
        self.policy = policy
        self.visible = visible
        self.frame_tick = tick
        self.rooms: dict[str, float] = {}
        self.past: list[tuple[str, Span]] = []
        self.unsure: list[Span] = []
        self.closed_tick = inf
        self.leave_tick = inf
        self.over_tick = inf

    @property
    def ends_tick(self) -> float:
        """When it is to be gone, unless something happens before."""
        policy = self.policy
        lease = policy.lease_visible_seconds if self.visible else policy.lease_hidden_seconds
        lost = min(self.closed_tick, self.frame_tick + lease) + policy.grace_seconds
        return min(lost, self.leave_tick, self.over_tick)

    def frame(self, tick: float, visible: bool | None = None) -> None:
        """An application frame was accepted, or the session was resumed: it lives."""
        if self.ends_tick < tick:
            # The node had not swept it yet, or had parked it. Whether it was gone for a moment cannot be said.
            self.unsure.append(Span(self.ends_tick, tick))
        self.frame_tick = tick
        self.closed_tick = self.leave_tick = inf
        if visible is not None:
            self.visible = visible

    def join(self, room: str, tick: float) -> None:
        """It joined."""
        self.rooms.setdefault(room, tick)

    def leave(self, room: str, tick: float) -> None:
        """It left."""
        since = self.rooms.pop(room, None)
        if since is not None:
            self.past.append((room, Span(since, tick)))

    def close(self, tick: float) -> None:
        """The node heard that its present connection is gone."""
        self.closed_tick = min(self.closed_tick, tick)

    def beacon(self, tick: float, after_seconds: float) -> None:
        """Its leave token was handed in. That is no sign of life: it never lengthens what was left."""
        self.leave_tick = min(self.leave_tick, tick + after_seconds)

    def bye(self, tick: float) -> None:
        """It said bye."""
        self.over_tick = tick

    def spans(self, room: str) -> list[Span]:
        """When it was in a room."""
        spans = [span for name, span in self.past if name == room]
        if room in self.rooms:
            spans.append(Span(self.rooms[room], self.ends_tick))
        return spans


class Oracle:
    """All sessions of all users, and when each user was hidden."""

    def __init__(self) -> None:
        self.lives: list[Life] = []
        self.hidden: dict[str, list[tuple[float, bool]]] = {}

    def hide(self, user_id: str, tick: float, is_hidden: bool) -> None:
        """A user went invisible, or came back."""
        self.hidden.setdefault(user_id, []).append((tick, is_hidden))

    def wanted(self, user_id: str, room: str, passage_seconds: float = 0.0) -> list[Span]:
        """When a user is to be shown in a room, if what comes may be shown that much later than it came."""
        own = [span for life in self.lives if life.user_id == user_id for span in life.spans(room)]
        spans = merged(Span(span.since + passage_seconds, span.until) for span in own)
        turns = [*self.hidden.get(user_id, []), (inf, False)]
        for (tick, is_hidden), (until, _) in pairwise(turns):
            if is_hidden:
                spans = [part for span in spans for part in cut(span, Span(tick, until + passage_seconds))]
        return spans

    def unsure(self, user_id: str) -> list[Span]:
        """When nothing can be said of a user."""
        return [span for life in self.lives if life.user_id == user_id for span in life.unsure]

    def check(self, user_id: str, room: str, shown: list[Span], *, late_seconds: float, passage_seconds: float) -> None:
        """Fail where the user was shown too long, taken away too early, or shown too late."""
        wanted, unsure = self.wanted(user_id, room), self.unsure(user_id)
        musts = self.wanted(user_id, room, passage_seconds)
        must_nots = [Span(gap.since + late_seconds, gap.until) for gap in gaps(wanted)]
        story = f"\nwanted {wanted}\nshown  {shown}\nunsure {unsure}"
        for must in musts:
            for gap in gaps(shown):
                missed = _certain(must.overlap(gap), unsure, late_seconds)
                assert not missed, f"{user_id} was to be shown in {room} in {missed}{story}"
        for must_not in must_nots:
            for span in shown:
                ghost = _certain(must_not.overlap(span), unsure, late_seconds)
                assert not ghost, f"{user_id} was a ghost in {room} in {ghost}{story}"


def shown_spans(history: Iterable[Happening], user_id: str) -> list[Span]:
    """When a viewer's picture of a room had a user in it."""
    spans: list[Span] = []
    since: float | None = None
    for happened in history:
        if happened.user_id != user_id:
            continue
        if happened.what == "join":
            assert since is None, f"{user_id} came twice"
            since = happened.tick
        else:
            assert since is not None, f"{user_id} went without having come"
            spans.append(Span(since, happened.tick))
            since = None
    return spans if since is None else [*spans, Span(since, inf)]


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same time in spans that do not overlap. Those that only touch stay two: a leave and a join at one instant."""
    joined: list[Span] = []
    for span in sorted(spans):
        if span.since > span.until:
            continue
        if joined and span.since < joined[-1].until:
            joined[-1] = Span(joined[-1].since, max(joined[-1].until, span.until))
        else:
            joined.append(span)
    return joined


def gaps(spans: list[Span]) -> list[Span]:
    """The time between and around spans that are in order."""
    edges = [-inf, *(edge for span in spans for edge in span), inf]
    return [Span(since, until) for since, until in zip(edges[::2], edges[1::2], strict=True) if since < until]


def cut(span: Span, away: Span) -> list[Span]:
    """A span without a part of it."""
    parts = [Span(span.since, min(span.until, away.since)), Span(max(span.since, away.until), span.until)]
    return [part for part in parts if part.since <= part.until]


def _certain(span: Span | None, unsure: list[Span], slack_seconds: float) -> list[Span]:
    certain = [] if span is None else [span]
    for doubt in unsure:
        wide = Span(doubt.since, doubt.until + slack_seconds)
        certain = [part for span in certain for part in cut(span, wide)]
    return [span for span in certain if span.until - span.since > 1e-6]
