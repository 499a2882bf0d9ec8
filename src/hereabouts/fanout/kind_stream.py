"""Who holds what of one kind, as each view sees it, encoded once a view.

Each view has a stream of its own, numbered by `(epoch, seq)`; it steps only when what this view shows changes. What a
viewer holds itself is always told in full, so that its bytes are its own where something happened to that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, structs

from hereabouts.engine.holdings import Held
from hereabouts.engine.occupancy import Happening, Holding
from hereabouts.engine.visibility import project_holding
from hereabouts.fanout.outbox import Packet, pack
from hereabouts.fanout.viewer import KindViewing
from hereabouts.protocol import messages
from hereabouts.protocol.codes import View
from hereabouts.protocol.messages import Occupancy, OccupancyEvent

LOG_CHANGES: Final = 1_024
"""So many changes are remembered for viewers that lag; beyond it they get a snapshot."""

_encoder: Final = msgspec.json.Encoder()


class Liveness(NamedTuple):
    """What time makes of a holding: the holder's newest human input that may be told, and whether it is stale."""

    active_at: int
    is_stale: bool


class Change(NamedTuple):
    """One step: what everybody of the view is told, and instead of it those whom it is about. `seq` is after it."""

    seq: int
    shared: tuple[Raw, ...]
    own: dict[str, tuple[Raw, ...]]


class KindStream:
    """One view of one kind. `index` counts all changes, `seq` those that this view shows."""

    def __init__(self, view: View, epoch: str, held: Held, liveness: Callable[[Holding], Liveness]) -> None:
        self.view = view
        self.epoch = epoch
        self.seq = 0
        self.index = 0
        self.viewings: dict[KindViewing, None] = {}
        self._held = held
        self._liveness = liveness
        self._log: deque[Change] = deque(maxlen=LOG_CHANGES)
        self._occupied = {holding.resource for holding in held}
        self._whole: tuple[int, int, list[Raw]] = (-1, -1, [])

    # What changes

    def note(self, happenings: Sequence[Happening]) -> None:
        """Take in what happened; `held` is already as it is after it."""
        touched = [holding.resource for happening in happenings for holding in parties(happening)]
        before = self._occupied.intersection(touched)
        self._occupied.difference_update(touched)
        self._occupied.update(resource for resource in touched if resource in self._held)
        shared = self._turned(touched, before) if self.view == "existence" else self._told(happenings)
        own: dict[str, tuple[Raw, ...]] = {}
        for user_id in {party.user_id for happening in happenings for party in parties(happening)}:
            own[user_id] = tuple(self._own(happenings, user_id, before))
        self._step(tuple(shared), own)

    def renew(self, holding: Holding) -> None:
        """Time changed a holding: it is stale, or no longer."""
        if self.view == "full":
            event = self._event("updated", holding)
            self._step((event,), {holding.user_id: (self._event("updated", holding, is_self=True),)})

    def _step(self, shared: tuple[Raw, ...], own: dict[str, tuple[Raw, ...]]) -> None:
        self.index += 1
        self.seq += bool(shared)
        self._log.append(Change(self.seq, shared, own))

    def _told(self, happenings: Iterable[Happening]) -> list[Raw]:
        if self.view == "none":
            return []
        return [self._event(happening.kind, happening.holding, happening) for happening in happenings]

    def _turned(self, touched: Iterable[str], before: set[str]) -> list[Raw]:
        """What a view that sees no holders is told: which resources are free now, and which are not."""
        events = []
        for resource in dict.fromkeys(sorted(touched, key=lambda resource: resource in self._occupied)):
            if (resource in before) != (resource in self._occupied):
                events.append(_turn(resource, resource in self._occupied))
        return events

    def _own(self, happenings: Iterable[Happening], user_id: str, before: set[str]) -> list[Raw]:
        """The same for one whom it is about."""
        events: list[Raw] = []
        others: list[str] = []
        left: list[str] = []
        for happening in happenings:
            mine = [party.resource for party in parties(happening) if party.user_id == user_id]
            if happening.holding.user_id == user_id:
                events.append(self._event(happening.kind, happening.holding, happening, is_self=True))
                left += [resource for resource in mine if self._held.find(resource, user_id) is None]
            elif mine:
                loser = happening.loser
                assert loser is not None
                events.append(_lost(loser, self._shown(loser, is_self=True)))
                left += mine
            if happening.holding.user_id != user_id:
                events += self._told([happening]) if self.view != "existence" else []
            others += [party.resource for party in parties(happening) if party.resource not in mine]
        if self.view == "existence":
            events += [_turn(resource, True) for resource in dict.fromkeys(left) if resource in self._occupied]
            events += self._turned([resource for resource in others if resource not in left], before)
        return events

    def _event(
        self,
        kind: str,
        holding: Holding,
        happening: Happening | None = None,
        *,
        is_self: bool = False,
    ) -> Raw:
        event = structs.replace(self._shown(holding, is_self=is_self), event=kind)
        if happening is not None:
            came_from, loser, cause = happening.came_from, happening.loser, happening.cause
            event = structs.replace(
                event,
                came_from=UNSET if came_from is None else came_from.resource,
                replaces=loser.user_id if loser is not None and self.view in ("full", "status") else UNSET,
                cause=cause if cause is not None and (is_self or self.view == "full") else UNSET,
            )
        return Raw(_encoder.encode(event))

    def _shown(self, holding: Holding, *, is_self: bool = False) -> OccupancyEvent:
        shown = self.project(holding, is_self=is_self)
        return OccupancyEvent(**structs.asdict(shown)) if shown is not None else OccupancyEvent(holding.resource)

    def project(self, holding: Holding, *, is_self: bool = False) -> messages.Holding | None:
        """A holding as this view shows it now."""
        active_at, is_stale = self._liveness(holding)
        return project_holding(holding, self.view, active_at=active_at, is_stale=is_stale, is_self=is_self)

    # What is sent

    def listed(self, own: str) -> list[messages.Holding]:
        """Everything as a viewer who is `own` may see it; a resource once where no holder is shown."""
        found: dict[tuple[str, str], messages.Holding] = {}
        for holding in self._held:
            is_self = holding.user_id == own
            shown = self.project(holding, is_self=is_self)
            if shown is not None:
                hides = self.view == "existence" and not is_self
                found[holding.resource, "" if hides else holding.user_id] = shown
        mine = {resource for resource, user_id in found if user_id and user_id == own}
        if self.view == "existence":
            return [shown for (resource, user_id), shown in found.items() if user_id or resource not in mine]
        return list(found.values())

    def snapshot(self, kind: str, own: str, at: int) -> Packet:
        """Everything, for a viewer who is `own`. Those who hold nothing share the work for a second."""
        if self._held.of_user(own):
            held = [Raw(_encoder.encode(holding)) for holding in self.listed(own)]
        else:
            if self._whole[:2] != (self.index, at // 1000):
                encoded = [Raw(_encoder.encode(holding)) for holding in self.listed("")]
                self._whole = (self.index, at // 1000, encoded)
            held = self._whole[2]
        return pack(Occupancy(kind, self.epoch, self.seq, view=self.view, held=held))

    def delta(
        self, kind: str, viewing: KindViewing, shared: dict[int, tuple[Packet | None, set[str]]]
    ) -> Packet | None:
        """What a viewer is to be told, if anything; packets for others at the same place are kept in `shared`."""
        behind = self.index - viewing.sent
        known = shared.get(viewing.sent)
        if known is None:
            changes = list(self._log)[-behind:]
            events = [event for change in changes for event in change.shared]
            packet = self._pack(kind, viewing.seq, events) if events else None
            known = shared[viewing.sent] = (packet, {user_id for change in changes for user_id in change.own})
        if viewing.user_id not in known[1]:
            return known[0]
        changes = list(self._log)[-behind:]
        events = [event for change in changes for event in change.own.get(viewing.user_id, change.shared)]
        return self._pack(kind, viewing.seq, events) if events else None

    def covers(self, index: int) -> bool:
        """Whether everything after this place is still remembered."""
        return index >= 0 and self.index - index <= len(self._log)

    def _pack(self, kind: str, since: int, events: list[Raw]) -> Packet:
        return pack(Occupancy(kind, self.epoch, self.seq, since, events=events))


def own_events(happenings: Sequence[Happening], user_id: str, liveness: Callable[[Holding], Liveness]) -> list[Raw]:
    """What a user is told of its own holdings where it does not watch the kind."""
    held = Held()
    return KindStream("none", "", held, liveness)._own(happenings, user_id, set())


def parties(happening: Happening) -> list[Holding]:
    """Every holding that it is about."""
    return [party for party in (happening.holding, happening.came_from, happening.loser) if party is not None]


def _turn(resource: str, is_occupied: bool) -> Raw:
    event = OccupancyEvent(resource, event="occupied" if is_occupied else "released")
    return Raw(_encoder.encode(structs.replace(event, occupied=True) if is_occupied else event))


def _lost(holding: Holding, shown: OccupancyEvent) -> Raw:
    """One's own holding that gave way to another's."""
    return Raw(_encoder.encode(structs.replace(shown, event="released", cause="taken_over")))
