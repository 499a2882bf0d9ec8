"""All that is held of one kind, found by resource and by user."""

from __future__ import annotations

from collections.abc import Iterator

from hereabouts.engine.occupancy import Happening, Holding, gone


class Held:
    """The holdings of one kind of one tenant."""

    def __init__(self) -> None:
        self._of_resource: dict[str, dict[str, Holding]] = {}
        self._of_user: dict[str, dict[str, Holding]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of_user.values()))

    def __iter__(self) -> Iterator[Holding]:
        for holders in self._of_resource.values():
            yield from holders.values()

    def __contains__(self, resource: object) -> bool:
        """Whether anybody holds this resource."""
        return resource in self._of_resource

    def of_resource(self, resource: str) -> tuple[Holding, ...]:
        """Who holds it."""
        return tuple(self._of_resource.get(resource, {}).values())

    def of_user(self, user_id: str) -> tuple[Holding, ...]:
        """What this user holds."""
        return tuple(self._of_user.get(user_id, {}).values())

    def find(self, resource: str, user_id: str) -> Holding | None:
        """This user's hold on this resource."""
        return self._of_user.get(user_id, {}).get(resource)

    def grant(self, resource: str, fencing: int) -> Holding | None:
        """The hold on this resource that was granted with this number."""
        return next((holding for holding in self.of_resource(resource) if holding.fencing == fencing), None)

    def put(self, holding: Holding) -> None:
        """It stands, instead of what stood there before."""
        self._of_resource.setdefault(holding.resource, {})[holding.user_id] = holding
        self._of_user.setdefault(holding.user_id, {})[holding.resource] = holding

    def apply(self, happenings: tuple[Happening, ...]) -> None:
        """What happened stands."""
        for holding in gone(happenings):
            self._drop(holding)
        for happening in happenings:
            if happening.kind != "released":
                self.put(happening.holding)

    def _drop(self, holding: Holding) -> None:
        for index, key, other in (
            (self._of_resource, holding.resource, holding.user_id),
            (self._of_user, holding.user_id, holding.resource),
        ):
            found = index.get(key, {})
            found.pop(other, None)
            if not found:
                index.pop(key, None)
