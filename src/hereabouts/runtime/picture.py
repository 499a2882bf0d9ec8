"""This node's picture of who holds what: for its viewers, and for when holdings end.

It follows what the journal decided and decides nothing. Source: `spec/semantics.md`, rule 17.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from hereabouts.engine.occupancy import Happening, Holding, gone, kind_of
from hereabouts.engine.policy import Policy
from hereabouts.fanout.kind_stream import own_events, parties
from hereabouts.fanout.occupancy import KindFan
from hereabouts.fanout.outbox import pack
from hereabouts.protocol.messages import Occupancy
from hereabouts.runtime.context import Context
from hereabouts.runtime.deciding import Kind
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.switchboard import Switchboard
from hereabouts.runtime.tenure import Tenures


class Picture:
    """All kinds of all tenants. `end` is told of a holding whose time is over."""

    def __init__(
        self, context: Context, registry: Registry, switchboard: Switchboard, end: Callable[[Holding, str], None]
    ) -> None:
        self._context = context
        self._registry = registry
        self._kinds: dict[tuple[str, str], Kind] = {}
        self.tenures = Tenures(context, registry, switchboard, self.policy, end, self._renew)

    def __len__(self) -> int:
        return sum(len(kind.held) for kind in self._kinds.values())

    def __iter__(self) -> Iterator[Holding]:
        for kind in tuple(self._kinds.values()):
            yield from tuple(kind.held)

    def of_resource(self, tenant: str, resource: str) -> list[Holding]:
        """All holdings of a resource."""
        kind = self._kinds.get((tenant, kind_of(resource)))
        return [] if kind is None else list(kind.held.of_resource(resource))

    def of_user(self, tenant: str, user_id: str) -> list[Holding]:
        """All that a user holds."""
        return [h for kind in self._kinds.values() if kind.tenant == tenant for h in kind.held.of_user(user_id)]

    def policy(self, holding: Holding) -> Policy:
        """The policy in force for a holding."""
        return self._context.policy(holding.tenant, holding.role, resource=holding.resource)

    # Kinds

    def kind(self, tenant: str, name: str) -> Kind:
        """A kind, whether or not anything of it is held."""
        return self._kinds.setdefault((tenant, name), Kind(tenant, name))

    def fan(self, tenant: str, name: str) -> KindFan:
        """The fan-out of a kind. Give it back with `let_go` when nobody looks."""
        kind = self.kind(tenant, name)
        if kind.fan is None:
            kind.fan = KindFan(
                name, self._context.policy(tenant, resource=name), kind.held, self.tenures.liveness, self._context
            )
        return kind.fan

    def let_go(self, tenant: str, name: str) -> None:
        """Somebody looks no more."""
        kind = self.kind(tenant, name)
        if kind.fan is not None and not kind.fan.viewers:
            kind.fan = None
        self.tidy(kind)

    def tidy(self, kind: Kind) -> None:
        """Forget a kind of which nothing is held, looked at or decided."""
        if not kind.is_needed:
            self._kinds.pop((kind.tenant, kind.name), None)

    def govern(self) -> None:
        """Another policy is in force: for the windows of each kind, and for when holdings end."""
        for kind in self._kinds.values():
            if kind.fan is not None:
                kind.fan.policy = self._context.policy(kind.tenant, resource=kind.name)
            for holding in kind.held:
                self.tenures.file_anew(holding)

    # What happens

    def take_up(self, holdings: Iterable[Holding]) -> None:
        """What stood before the process began."""
        for holding in holdings:
            self.kind(holding.tenant, holding.kind).held.put(holding)

    def apply(self, kind: Kind, happenings: tuple[Happening, ...]) -> None:
        """One decision stands, and is told."""
        if not happenings:
            return
        kind.held.apply(happenings)
        if kind.fan is not None:
            kind.fan.note(happenings)
        self._notify(kind, happenings)
        # Last: the times of what ended were told with its end.
        for holding in gone(happenings):
            self.tenures.forget(holding)
        for happening in happenings:
            if happening.kind != "released":
                self.tenures.stand(happening.holding)

    def confirm(self, kind: Kind, holding: Holding) -> None:
        """The holder asked again for what it holds; nothing where that is over meanwhile."""
        if kind.held.grant(holding.resource, holding.fencing) is not None:
            kind.held.put(holding)
            self.tenures.stand(holding)

    def _notify(self, kind: Kind, happenings: tuple[Happening, ...]) -> None:
        """Tell the sessions of those whom it is about, where they do not watch the kind."""
        for user_id in {party.user_id for happening in happenings for party in parties(happening)}:
            for owned in self._registry.of_user(kind.tenant, user_id):
                viewer = owned.link.viewer if owned.link is not None else None
                if viewer is not None and kind.name not in viewer.kinds:
                    events = own_events(happenings, user_id, self.tenures.liveness)
                    viewer.connection.send(pack(Occupancy(kind.name, events=events)))

    def _renew(self, holding: Holding) -> None:
        """It is stale, or no longer."""
        kind = self.kind(holding.tenant, holding.kind)
        if kind.fan is not None:
            kind.fan.renew(holding)
