"""The clocks and rules in force, and for whom: declared once, layered, checked.

Source: `spec/semantics.md`, "Clocks". A policy is resolved from layers, later ones win: default, tenant, role, room
kind, platform, kind of resource; then those of the overlay that is set at run time, in the same order. A preset is a
layer's starting point; a key that stands beside it wins over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import product
from math import prod
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from hereabouts.errors import ConfigError
from hereabouts.protocol.codes import View

Scope = Literal["all", "rooms", "kinds", "node"]


class Clock(NamedTuple):
    """One key of a policy: where it lands, its unit, where it may be overridden, and what it means."""

    key: str
    field: str
    unit: str
    scope: Scope
    help: str


class Policy(Struct, frozen=True, kw_only=True):
    """What holds for one tenant, role, room kind and platform. Seconds unless the name says otherwise."""

    beat_visible_seconds: float = 20
    beat_hidden_seconds: float | None = 60
    lease_visible_seconds: float = 60
    lease_hidden_seconds: float = 150
    grace_seconds: float = 10
    idle_after_seconds: float | None = 300
    stale_after_seconds: float = 120
    typing_refresh_seconds: float = 3
    typing_lease_seconds: float = 6
    occupancy_release_after_seconds: float = 3_600
    occupancy_release_on_loss: bool = True
    occupancy_capacity: Annotated[int, Meta(ge=1)] = 1
    occupancy_per_user: Annotated[int, Meta(ge=1)] = 1
    occupancy_hold_roles: tuple[str, ...] = ("*",)
    occupancy_take_over_roles: tuple[str, ...] = ("admin",)
    occupancy_cooldown_seconds: Annotated[float, Meta(ge=0)] = 0
    fanout_window_seconds: float = 0.05
    fanout_window_max_seconds: float = 0.5
    fanout_budget: float = 20_000
    fanout_summary_above: Annotated[int, Meta(ge=1)] = 1_000
    fanout_summary_bytes: Annotated[int, Meta(ge=1)] = 262_144
    durability: Annotated[str, Meta(pattern=r"^(none|transitions|throttled\([1-9][0-9]*\))$")] = "transitions"
    members_max: Annotated[int, Meta(ge=0)] = 0
    views: dict[str, View] = {}
    views_rooms: dict[str, View] = {}
    views_users: dict[str, View] = {}
    views_occupancy: dict[str, View] = {}
    on_none: Literal["hide", "forbid"] = "hide"
    last_seen_precision: Literal["exact", "minute", "hour", "day", "recently"] = "exact"
    allow_unsafe: bool = False


class NodeClocks(Struct, frozen=True, kw_only=True):
    """The clocks of the whole node."""

    sweep_seconds: float = 1
    lease_seconds: float = 15


_VIEWS: Final = "role → full, status, existence or none"

CLOCKS: Final[tuple[Clock, ...]] = (
    Clock("beat.visible_seconds", "beat_visible_seconds", "seconds", "all", "how often a visible session beats"),
    Clock("beat.hidden_seconds", "beat_hidden_seconds", 'seconds or "pause"', "all", "how often a hidden one does"),
    Clock("lease.visible_seconds", "lease_visible_seconds", "seconds", "all", "silence after which it is lost"),
    Clock("lease.hidden_seconds", "lease_hidden_seconds", "seconds", "all", "the same while it is hidden"),
    Clock("grace_seconds", "grace_seconds", "seconds", "rooms", "time between losing a session and publishing it"),
    Clock("idle_after_seconds", "idle_after_seconds", 'seconds or "off"', "all", "no human input for so long: idle"),
    Clock("stale_after_seconds", "stale_after_seconds", "seconds", "kinds", "admin views mark a holder as stale"),
    Clock("typing.refresh_seconds", "typing_refresh_seconds", "seconds", "rooms", "how often typing is repeated"),
    Clock("typing.lease_seconds", "typing_lease_seconds", "seconds", "rooms", "typing ends unless it is repeated"),
    Clock(
        "occupancy.release_after_seconds",
        "occupancy_release_after_seconds",
        "seconds",
        "kinds",
        "a holding without human input for so long ends",
    ),
    Clock("occupancy.release_on_loss", "occupancy_release_on_loss", "yes or no", "kinds", "a lost holder loses it"),
    Clock("occupancy.capacity", "occupancy_capacity", "users", "kinds", "how many hold one resource"),
    Clock("occupancy.per_user", "occupancy_per_user", "holdings", "kinds", "how many of a kind one user holds"),
    Clock("occupancy.hold_roles", "occupancy_hold_roles", "roles, * for all", "kinds", "who may hold at all"),
    Clock("occupancy.take_over_roles", "occupancy_take_over_roles", "roles", "kinds", "who may take a holding over"),
    Clock(
        "occupancy.cooldown_seconds",
        "occupancy_cooldown_seconds",
        "seconds",
        "kinds",
        "who had to give a resource up may have it again after so long",
    ),
    Clock("fanout.window_seconds", "fanout_window_seconds", "seconds", "rooms", "least time between two frames"),
    Clock("fanout.window_max_seconds", "fanout_window_max_seconds", "seconds", "rooms", "what a window grows to"),
    Clock("fanout.budget", "fanout_budget", "deliveries a second", "rooms", "what one room may cost"),
    Clock("fanout.summary_above", "fanout_summary_above", "members", "rooms", "above it a room is counted, not listed"),
    Clock("fanout.summary_bytes", "fanout_summary_bytes", "bytes", "rooms", "the same for the size of the roster"),
    Clock("durability", "durability", "none, transitions, throttled(n)", "all", "what the journal is told"),
    Clock("members_max", "members_max", "users, 0: no limit", "rooms", "how many may be in a room"),
    Clock("views", "views", _VIEWS, "rooms", "what each role sees, everywhere"),
    Clock("views_rooms", "views_rooms", _VIEWS, "rooms", "what each role sees in rooms"),
    Clock("views_users", "views_users", _VIEWS, "all", "what each role sees of users"),
    Clock("views_occupancy", "views_occupancy", _VIEWS, "kinds", "what each role sees of holdings"),
    Clock("on_none", "on_none", "hide or forbid", "rooms", "how a room answers who may see nothing"),
    Clock(
        "last_seen_precision",
        "last_seen_precision",
        "exact, minute, hour, day or recently",
        "all",
        "how exactly last seen is told",
    ),
    Clock("allow_unsafe", "allow_unsafe", "yes or no", "all", "accept values that break a relation, with a warning"),
    Clock("sweep_seconds", "sweep_seconds", "seconds", "node", "most by which a deadline is acted upon late"),
    Clock("node.lease_seconds", "lease_seconds", "seconds", "node", "a dead node's sessions are reaped after this"),
)
"""Every key of a policy, once."""

_BY_KEY: Final = {clock.key: clock for clock in CLOCKS}
_STRUCTS: Final = ("views", "views_rooms", "views_users", "views_occupancy")

PRESETS: Final[dict[str, dict[str, Any]]] = {
    "test": {
        "beat.visible_seconds": 1, "beat.hidden_seconds": 2, "lease.visible_seconds": 3, "lease.hidden_seconds": 8,
        "grace_seconds": 2, "idle_after_seconds": 5, "stale_after_seconds": 3, "typing.refresh_seconds": 1,
        "typing.lease_seconds": 3, "occupancy.release_after_seconds": 5, "sweep_seconds": 0.5, "node.lease_seconds": 4,
    },
    "support-inbox": {
        "beat.visible_seconds": 60, "beat.hidden_seconds": "pause", "lease.visible_seconds": 300,
        "lease.hidden_seconds": 300, "grace_seconds": 5, "idle_after_seconds": "off", "stale_after_seconds": 300,
        "durability": "throttled(60)", "views": {"admin": "full", "default": "status"},
    },
    "collab-list": {
        "beat.visible_seconds": 30, "beat.hidden_seconds": 120, "lease.visible_seconds": 120,
        "lease.hidden_seconds": 300, "grace_seconds": 5, "views": {"default": "full"},
    },
    "desk": {
        "beat.visible_seconds": 60, "beat.hidden_seconds": 120, "lease.visible_seconds": 150,
        "lease.hidden_seconds": 300, "grace_seconds": 5, "occupancy.release_on_loss": False,
        "views": {"admin": "full", "default": "existence"},
    },
    "family": {
        "beat.visible_seconds": 60, "beat.hidden_seconds": 60, "lease.visible_seconds": 180,
        "lease.hidden_seconds": 180, "stale_after_seconds": 180, "views": {"@related": "status", "default": "none"},
    },
    "chat": {
        "beat.visible_seconds": 30, "beat.hidden_seconds": 60, "lease.visible_seconds": 75,
        "lease.hidden_seconds": 150, "grace_seconds": 5, "stale_after_seconds": 75,
        # In a room its members, of users' cards those whom the host says one talks with; strangers see nothing.
        "views": {"@member": "status", "@related": "status", "default": "none"},
    },
}  # fmt: skip
"""The five write-ups' values (ledger 1.7) and the profile of the tests."""


class Layer(NamedTuple):
    """Values for everybody of one tenant, role, room kind, platform or kind of resource, by their keys."""

    kind: Literal["default", "tenant", "role", "room", "resource", "platform"]
    name: str
    values: Mapping[str, Any]
    is_overlay: bool = False

    def __str__(self) -> str:
        return f"{'overlay ' if self.is_overlay else ''}{self.kind} {self.name}".strip()


_ORDER: Final = ("default", "tenant", "role", "room", "platform", "resource")

COMBINATIONS_MOST: Final = 2_000
"""Policies that tenants, roles, kinds and platforms may come to together, where every one is to be checked."""


class PolicyBook:
    """All layers; tells the policy in force. Raises `ConfigError` for a key or value that cannot be.

    `overlay` has the shape of `layers` and wins over all of them. The clocks of the node stand still while it runs, so
    that an overlay cannot have them.
    """

    def __init__(self, layers: Mapping[str, Any] | None = None, overlay: Mapping[str, Any] | None = None) -> None:
        self.file, self.overlay = layers or {}, overlay or {}
        self.layers = (*_layers(self.file), *_overlay_layers(self.overlay))
        self._resolved: dict[tuple[str | None, ...], Policy] = {}
        self._named = {kind: frozenset(layer.name for layer in self.layers if layer.kind == kind) for kind in _ORDER}
        node = self._values("node", *(None for _ in _ORDER[1:]))
        self.node: NodeClocks = _convert(node, NodeClocks, "policy.default")

    def resolve(
        self,
        tenant: str = "default",
        role: str | None = None,
        room: str | None = None,
        platform: str | None = None,
        resource: str | None = None,
    ) -> Policy:
        """The policy for this role of this tenant on this platform, in this room or for this resource (by its kind)."""
        kind, thing = _kind(room), _kind(resource)
        # What no layer names is all the same, so that the cache is as small as the configuration.
        named = self._named
        key = (
            tenant if tenant in named["tenant"] else None,
            role if role in named["role"] else None,
            kind if kind in named["room"] else None,
            platform if platform in named["platform"] else None,
            thing if thing in named["resource"] else None,
        )
        known = self._resolved.get(key)
        if known is None:
            where = " ".join(
                ["policy", *(f"{kind} {name}" for kind, name in zip(_ORDER[1:], key, strict=True) if name)]
            )
            known = self._resolved[key] = _convert(self._values("policy", *key), Policy, where)
        return known

    def explain(
        self,
        tenant: str = "default",
        role: str | None = None,
        room: str | None = None,
        platform: str | None = None,
        resource: str | None = None,
    ) -> dict[str, str]:
        """For each key that a layer set: which layer won."""
        winners: dict[str, str] = {}
        for layer in self._matching(tenant, role, _kind(room), platform, _kind(resource)):
            winners.update({key: str(layer) for key in layer.values})
        return winners

    def combinations(self) -> Iterator[tuple[str, Policy]]:
        """The default policy and every single override's, each with a name, for checks and for showing."""
        for name, where in self.named():
            yield name, self.resolve(**where)

    def named(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The default policy and every single override's: a name for each, and what `resolve` takes for it."""
        yield "default", {}
        for kind in _ORDER[1:]:
            for name in dict.fromkeys(layer.name for layer in self.layers if layer.kind == kind):
                yield f"{kind} {name}", {kind: name}

    def every_combination(self) -> Iterator[tuple[str, Policy]]:
        """Every policy that anybody can have, each with a name. Raises `ConfigError` for more than can be checked."""
        names = {kind: [None, *sorted(self._named[kind])] for kind in _ORDER[1:]}
        many = prod(len(found) for found in names.values())
        if many > COMBINATIONS_MOST:
            raise ConfigError(
                f"the layers combine to {many} policies and at most {COMBINATIONS_MOST} can be checked; "
                f"name fewer tenants, roles, kinds or platforms"
            )
        for key in product(*names.values()):
            named = [f"{kind} {name}" for kind, name in zip(_ORDER[1:], key, strict=True) if name is not None]
            yield " ".join(named) or "default", self.resolve(key[0] or "", *key[1:])

    def _matching(self, *names: str | None) -> list[Layer]:
        named = dict(zip(_ORDER, ("", *names), strict=True))
        return [layer for layer in self.layers if named[layer.kind] == layer.name]

    def _values(self, part: str, *names: str | None) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for layer in self._matching(*names):
            for key, value in layer.values.items():
                clock = _BY_KEY[key]
                if (clock.scope == "node") == (part == "node"):
                    values[clock.field] = None if value in ("pause", "off") else value
        return values


def _kind(name: str | None) -> str | None:
    return name.partition(":")[0] if name is not None else None


_SCOPES: Final[dict[str, tuple[Scope, ...]]] = {
    "default": ("all", "rooms", "kinds", "node"),
    "tenant": ("all", "rooms", "kinds"),
    "role": ("all", "rooms", "kinds"),
    "room": ("rooms",),
    "resource": ("kinds",),
    "platform": ("all", "rooms", "kinds"),
}
"""What each kind of layer may set. Of a preset it takes just that."""


def _layers(given: Mapping[str, Any]) -> Iterator[Layer]:
    sections = {
        "tenants": "tenant", "roles": "role", "rooms": "room", "kinds": "resource", "platforms": "platform",
    }  # fmt: skip
    found: list[Layer] = [Layer("default", "", _flat(given.get("default", {}), "policy.default", _SCOPES["default"]))]
    for section, layers in given.items():
        if section == "default":
            continue
        if section not in sections:
            raise ConfigError(_unknown(f"policy.{section}", section, ["default", *sections]))
        for name, values in _table(layers, f"policy.{section}").items():
            where = f"policy.{section}.{name}"
            kind: Any = sections[section]
            layer = Layer(kind, name, _flat(values, where, _SCOPES[kind]))
            _check_scope(layer, where)
            found.append(layer)
    yield from sorted(found, key=lambda layer: _ORDER.index(layer.kind))


def _overlay_layers(given: Mapping[str, Any]) -> Iterator[Layer]:
    for layer in _layers(given):
        for key in layer.values:
            if _BY_KEY[key].scope == "node" and key in _told(given):
                raise ConfigError(f"policy.default.{key}: this clock is the node's and stands still while it runs")
        values = {key: value for key, value in layer.values.items() if _BY_KEY[key].scope != "node"}
        yield layer._replace(values=values, is_overlay=True)


def _told(given: Mapping[str, Any]) -> set[str]:
    """The keys that stand in the default layer itself, not in its preset."""
    return {key for key, _ in _leaves(given.get("default", {}), "")}


def _check_scope(layer: Layer, where: str) -> None:
    for key in layer.values:
        scope = _BY_KEY[key].scope
        if scope == "node":
            raise ConfigError(f"{where}.{key}: this clock is the whole node's; set it in policy.default")
        if scope not in _SCOPES[layer.kind]:
            whose = "a room kind's" if layer.kind == "room" else "a kind of resource's"
            raise ConfigError(f"{where}.{key}: this is not {whose} to set; set it by tenant, role or platform")


def _table(values: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} is {values!r} and must be a table of keys and values")
    return values


def _flat(values: Any, where: str, scopes: tuple[Scope, ...]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for key, value in _leaves(_table(values, where), ""):
        if key == "preset":
            continue
        if key not in _BY_KEY:
            raise ConfigError(_unknown(f"{where}.{key}", key, [*_BY_KEY, "preset"]))
        told[key] = value
    preset = values.get("preset")
    if preset is None:
        return told
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ConfigError(_unknown(f"{where}.preset = {preset!r}", str(preset), list(PRESETS)))
    base = {key: value for key, value in PRESETS[preset].items() if _BY_KEY[key].scope in scopes}
    return {**base, **told}


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and f"{prefix}{key}" not in _STRUCTS:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _unknown(where: str, key: str, known: list[str]) -> str:
    near = get_close_matches(key, known, 1)
    return f"{where} is not known" + (f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}")


def _convert(values: dict[str, Any], kind: type[Any], where: str) -> Any:
    try:
        # Not strict: a number that comes from the environment is text.
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$.")
        clock = next((clock for clock in CLOCKS if clock.field == place.strip("`").partition("[")[0]), None)
        if clock is None:
            raise ConfigError(f"{where}: {error}") from None
        given = values[clock.field]
        raise ConfigError(f"{where}: {clock.key} is {given!r}, but takes {clock.unit} ({what})") from None
