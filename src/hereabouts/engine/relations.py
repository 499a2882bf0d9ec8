"""What must hold between clocks, and the bounds that follow from them.

Source: `spec/semantics.md`, "Clocks" and "The ghost bound".
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Final, NamedTuple

from msgspec import Struct

from hereabouts.engine.policy import CLOCKS, NodeClocks, Policy, PolicyBook
from hereabouts.errors import ConfigError


class Problem(NamedTuple):
    """A relation that does not hold. `is_unsafe` ones may be allowed by `allow_unsafe` and then only warn."""

    text: str
    is_unsafe: bool = True


SLACK_SECONDS: Final = 5.0
"""What a lease leaves for a late beat; a tenth of the lease where that is under ten seconds."""


def slack_seconds(lease_seconds: float) -> float:
    """How much longer than two beats a lease must be."""
    return SLACK_SECONDS if lease_seconds >= 10 else lease_seconds / 10


def check(policy: Policy, node: NodeClocks) -> list[Problem]:
    """Every relation that this policy breaks, with both numbers."""
    return [Problem(text) for text in _broken(policy, node)] + [
        Problem(text, False) for text in _impossible(policy, node)
    ]


def require_sound(book: PolicyBook) -> None:
    """Raise `ConfigError`, with both numbers, where any policy of the book breaks a relation that it does not allow."""
    broken: dict[str, None] = {}
    for name, policy in book.every_combination():
        for problem in check(policy, book.node):
            if not problem.is_unsafe:
                broken[f"policy {name}: {problem.text}"] = None
            elif not policy.allow_unsafe:
                broken[f"policy {name}: {problem.text}; allow_unsafe = true accepts it"] = None
    if broken:
        raise ConfigError("\n".join(broken))


def _broken(policy: Policy, node: NodeClocks) -> Iterator[str]:
    yield from _lease("visible", policy.lease_visible_seconds, policy.beat_visible_seconds)
    yield from _lease("hidden", policy.lease_hidden_seconds, policy.beat_hidden_seconds)
    shortest = min(policy.lease_visible_seconds, policy.lease_hidden_seconds)
    pairs = [
        ("lease.hidden_seconds", policy.lease_hidden_seconds, "lease.visible_seconds", policy.lease_visible_seconds),
        (
            "typing.lease_seconds",
            policy.typing_lease_seconds,
            "2 × typing.refresh_seconds",
            2 * policy.typing_refresh_seconds,
        ),
        ("the shortest lease", shortest, "grace_seconds", policy.grace_seconds),
        (
            "the shortest lease + grace_seconds",
            shortest + policy.grace_seconds,
            "node.lease_seconds",
            node.lease_seconds,
        ),
        (
            "occupancy.release_after_seconds",
            policy.occupancy_release_after_seconds,
            "stale_after_seconds",
            policy.stale_after_seconds,
        ),
    ]
    if policy.idle_after_seconds is not None:
        release = policy.occupancy_release_after_seconds
        pairs.append(("occupancy.release_after_seconds", release, "idle_after_seconds", policy.idle_after_seconds))
    for name, value, floor_name, floor in pairs:
        if value < floor:
            yield f"{name} is {value:g} s and must be at least {floor_name}, which is {floor:g} s"


def _lease(which: str, lease: float, beat: float | None) -> Iterator[str]:
    if beat is None:
        return
    floor = 2 * beat + slack_seconds(lease)
    if lease < floor:
        yield (
            f"lease.{which}_seconds is {lease:g} s and must be at least {floor:g} s: "
            f"twice beat.{which}_seconds ({beat:g} s) and {slack_seconds(lease):g} s of slack"
        )


_MEASURES: Final = frozenset({"seconds", 'seconds or "pause"', 'seconds or "off"', "deliveries a second"})
"""The units of what is measured, not counted or named; none may be 0 but these two."""

_MAY_BE_NOTHING: Final = frozenset({"grace_seconds", "occupancy.cooldown_seconds"})


def _impossible(policy: Policy, node: NodeClocks) -> Iterator[str]:
    for clock in CLOCKS:
        value = getattr(node if clock.scope == "node" else policy, clock.field)
        if not isinstance(value, float | int) or clock.unit not in _MEASURES:
            continue
        if not isfinite(value):
            yield f"{clock.key} is {value:g} and must be a finite number"
        elif clock.key in _MAY_BE_NOTHING and value < 0:
            yield f"{clock.key} is {value:g} and must not be negative"
        elif clock.key not in _MAY_BE_NOTHING and not value > 0:
            yield f"{clock.key} is {value:g} and must be greater than 0"
    if policy.fanout_window_max_seconds < policy.fanout_window_seconds:
        yield (
            f"fanout.window_max_seconds is {policy.fanout_window_max_seconds:g} s and must be at least "
            f"fanout.window_seconds, which is {policy.fanout_window_seconds:g} s"
        )


class GhostBound(Struct, frozen=True):
    """By when somebody who is gone is shown as gone, in seconds after the last sign of life or the cause.

    A silent session is never published as gone before `silent_earliest`, while its node is up.
    """

    silent_visible: float
    silent_hidden: float
    silent_earliest: float
    closed: float
    leave: float
    dead_node_earliest: float
    dead_node_latest: float


def ghost_bound(policy: Policy, node: NodeClocks, window_seconds: float, *, same_node: bool = True) -> GhostBound:
    """The bounds that follow from a policy, with the stream's present window."""
    publish = window_seconds + (0.25 if same_node else 0.75)
    late = policy.grace_seconds + node.sweep_seconds + publish
    return GhostBound(
        silent_visible=policy.lease_visible_seconds + late,
        silent_hidden=policy.lease_hidden_seconds + late,
        silent_earliest=min(policy.lease_visible_seconds, policy.lease_hidden_seconds) + policy.grace_seconds,
        closed=late,
        leave=publish,
        dead_node_earliest=node.lease_seconds * 3 / 4 + policy.grace_seconds,
        dead_node_latest=node.lease_seconds + late,
    )
