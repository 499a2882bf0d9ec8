"""Watched users: each watcher is sent the cards that changed, at most once a window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec
from msgspec import Raw

from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Now
from hereabouts.engine.status import OFFLINE, Outcome
from hereabouts.engine.visibility import project_user, view_of
from hereabouts.fanout.outbox import Packet, pack
from hereabouts.fanout.viewer import Viewer
from hereabouts.protocol.messages import Users

_encoder = msgspec.json.Encoder()


class CardTools(Protocol):
    """What the cards need of the world around them."""

    def now(self) -> Now:
        """The moment."""

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call once, after a while; 0 is before the event loop waits again."""

    def delivered(self, frames: int, payload_bytes: int) -> None:
        """So many frames of so many bytes went out."""


class Card:
    """One user as its watchers see it. `outcome` is what it is now; what a view shows of it is encoded once.

    One that is not followed is of a user whom its watcher may not look at: it never changes.
    """

    __slots__ = ("_shown", "is_followed", "outcome", "policy", "user_id", "watchers")

    def __init__(self, user_id: str, policy: Policy, outcome: Outcome = OFFLINE, *, is_followed: bool = True) -> None:
        self.user_id = user_id
        self.policy = policy
        self.outcome = outcome
        self.is_followed = is_followed
        self.watchers: dict[Viewer, None] = {}
        self._shown: dict[str, bytes] = {}

    def json(self, viewer: Viewer, at: int) -> bytes:
        """The card as this viewer may see it."""
        audience = self.audience(viewer)
        known = self._shown.get(audience)
        if known is None:
            known = self._shown[audience] = self._encode(audience, at)
        return known

    def audience(self, viewer: Viewer) -> str:
        """Viewers with the same word are shown the same bytes."""
        if viewer.identity.user_id == self.user_id:
            return "self"
        return view_of(viewer.identity, self.policy, "users", is_related=self.user_id in viewer.related)

    def turn(self, outcome: Outcome, at: int) -> set[str]:
        """Take a new outcome; the audiences whose picture changed."""
        self.outcome = outcome
        earlier, self._shown = self._shown, {}
        for audience in earlier:
            self._shown[audience] = self._encode(audience, at)
        return {audience for audience, json in earlier.items() if json != self._shown[audience]}

    def govern(self, policy: Policy) -> None:
        """Another policy says from now on who sees what of the user."""
        self.policy = policy
        self._shown = {}

    def _encode(self, audience: str, at: int) -> bytes:
        if audience == "self":
            return _encoder.encode(project_user(self.user_id, self.outcome, "full", self.policy, at, is_self=True))
        view = audience if audience in ("full", "status", "existence") else "none"
        return _encoder.encode(project_user(self.user_id, self.outcome, view, self.policy, at))  # type: ignore[arg-type]


class Cards:
    """The cards that changed and the viewers that are to hear of them."""

    def __init__(self, tools: CardTools, window_seconds: float) -> None:
        self._tools = tools
        self._window_seconds = window_seconds
        self._behind: dict[Viewer, None] = {}
        self._is_scheduled = False
        self._flushed_tick = float("-inf")

    def turn(self, card: Card, outcome: Outcome) -> None:
        """A user's outcome changed: those who see a difference hear of it with the next window."""
        changed = card.turn(outcome, self._tools.now().at)
        if not changed:
            return
        for viewer in card.watchers:
            if card.audience(viewer) in changed:
                viewer.cards_behind[card.user_id] = card
                self._behind[viewer] = None
        if self._behind and not self._is_scheduled:
            self._is_scheduled = True
            wait = self._flushed_tick + self._window_seconds - self._tools.now().tick
            self._tools.later(max(wait, 0.0), self._flush)

    def govern(self, card: Card, policy: Policy) -> None:
        """Another policy holds for a card: those who see a difference hear of it."""
        at = self._tools.now().at
        shown = {viewer: card.json(viewer, at) for viewer in card.watchers}
        card.govern(policy)
        for viewer, json in shown.items():
            if card.json(viewer, at) != json:
                self.renew(viewer, [card])

    def send(self, viewer: Viewer, cards: list[Card]) -> None:
        """Send these cards as they are now."""
        at = self._tools.now().at
        self._send(viewer, pack(Users([Raw(card.json(viewer, at)) for card in cards])))

    def renew(self, viewer: Viewer, cards: list[Card]) -> None:
        """These look different to the viewer now: send them, or when its connection drains."""
        if viewer.connection.is_paused:
            viewer.cards_behind.update((card.user_id, card) for card in cards)
        elif cards:
            self.send(viewer, cards)

    def catch_up(self, viewer: Viewer) -> None:
        """The viewer's connection drained: one frame with all cards that changed meanwhile."""
        if viewer.cards_behind:
            cards = list(viewer.cards_behind.values())
            viewer.cards_behind.clear()
            self.send(viewer, cards)

    def _flush(self) -> None:
        self._is_scheduled = False
        now = self._tools.now()
        self._flushed_tick = now.tick
        behind, self._behind = self._behind, {}
        shared: dict[tuple[bytes, ...], Packet] = {}
        for viewer in behind:
            if viewer.connection.is_paused or not viewer.cards_behind:
                continue
            shown = tuple(card.json(viewer, now.at) for card in viewer.cards_behind.values())
            viewer.cards_behind.clear()
            packet = shared.get(shown)
            if packet is None:
                packet = shared[shown] = pack(Users([Raw(json) for json in shown]))
            self._send(viewer, packet)

    def _send(self, viewer: Viewer, packet: Packet) -> None:
        viewer.connection.send(packet)
        self._tools.delivered(1, len(packet.payload))
