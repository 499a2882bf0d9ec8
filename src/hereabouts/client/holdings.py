"""What a client knows of one kind of resource, folded from what the server says of it. Pure, as the fold of a room."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, structs

from hereabouts.client.events import Holding, HoldingEvent, HoldingUpdated, Occupied, Released, Synced
from hereabouts.protocol.messages import Occupancy, OccupancyEvent

_holding: Final = msgspec.json.Decoder(Holding)
_event: Final = msgspec.json.Decoder(OccupancyEvent)


class KindStep(NamedTuple):
    """What one message did: the events for the reader, and whether the kind is to be watched anew."""

    events: tuple[HoldingEvent | Synced, ...] = ()
    needs_watch: bool = False


def released(message: Occupancy) -> Iterator[Released]:
    """What a notice says that was released; it comes for a kind that is not watched."""
    for raw in () if message.events is UNSET else message.events:
        event = _event.decode(raw)
        if event.event == "released":
            yield Released(_holding.decode(raw), None if event.cause is UNSET else event.cause)


class KindFold:
    """One kind. Where no holders are shown there is one holding a resource, without a user."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.is_known = False
        self.position: tuple[str, int] | None = None
        self._held: dict[tuple[str, str | None], Holding] = {}

    @property
    def holdings(self) -> tuple[Holding, ...]:
        """Who holds what, as far as the viewer may see it."""
        return tuple(self._held.values())

    def apply(self, message: Occupancy) -> KindStep:
        """Take in the next message of the kind. A notice, which has no position, changes nothing here."""
        if message.epoch is UNSET or message.seq is UNSET:
            return KindStep()
        if message.held is not UNSET:
            return self._snapshot(message.held, (message.epoch, message.seq))
        if self.position is None or message.events is UNSET or self.position != (message.epoch, message.since):
            self.position = None
            return KindStep(needs_watch=self.is_known)
        self.position = (message.epoch, message.seq)
        return KindStep(tuple(found for raw in message.events if (found := self._happened(raw)) is not None))

    def _snapshot(self, held: list[Raw], position: tuple[str, int]) -> KindStep:
        before, was_known = self._held, self.is_known
        self._held = {(holding.resource, holding.user_id): holding for holding in map(_holding.decode, held)}
        self.position, self.is_known = position, True
        if not was_known:
            return KindStep((Synced(),))
        gone = [Released(holding) for key, holding in before.items() if key not in self._held]
        new = [
            Occupied(holding)
            for key, holding in self._held.items()
            if key not in before or before[key].fencing != holding.fencing
        ]
        return KindStep((*gone, *new))

    def _happened(self, raw: Raw) -> HoldingEvent | None:
        event, holding = _event.decode(raw), _holding.decode(raw)
        key, cause = (holding.resource, holding.user_id), None if event.cause is UNSET else event.cause
        if event.event == "released":
            gone = self._held.pop(key, None)
            return None if gone is None else Released(structs.replace(gone, is_self=holding.is_self), cause)
        if event.event == "updated":
            self._held[key] = holding
            return HoldingUpdated(holding)
        if event.replaces is not UNSET:
            self._held.pop((holding.resource, event.replaces), None)
        if event.came_from is not UNSET:
            self._held.pop((event.came_from, holding.user_id), None)
        if holding.is_self:
            # One's own is told in full, instead of the bare fact.
            self._held.pop((holding.resource, None), None)
        self._held[key] = holding
        return Occupied(holding, None if event.came_from is UNSET else event.came_from, cause)
