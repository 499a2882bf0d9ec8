"""What is said of other nodes from what they told beside their leases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from hereabouts.backends.base import Peer, Roll
from hereabouts.engine.records import Now, Owner
from hereabouts.runtime.fleet import TENANTS, Everywhere, Fleet
from hereabouts.runtime.link import OwnedSession
from hereabouts.runtime.registry import Registry

NOW_AT = 1_000_000
LEASE_MS = 4_000
HERE = Owner("a", 10)


class Peers:
    """Other nodes, as far as a fleet knows them: it hears of renewals, and has a note of its own carried."""

    def __init__(self) -> None:
        self.note = ""

    def on_roll(self, listener: Any) -> None:
        self.tell = listener

    def describe(self, note: str) -> None:
        self.note = note


class Fixture:
    """A fleet whose node has these users' sessions, and what it hears of others."""

    def __init__(self) -> None:
        self.peers, self.registry = Peers(), Registry()
        self.driver = SimpleNamespace(links=[], is_draining=False)
        context = SimpleNamespace(
            owner=HERE,
            now=lambda: Now(0.0, NOW_AT),
            node_clocks=SimpleNamespace(lease_seconds=LEASE_MS / 1000),
            backend=SimpleNamespace(peers=self.peers),
            is_degraded=False,
        )
        relay = SimpleNamespace(rooms={})
        self.fleet = Fleet(cast(Any, context), self.registry, cast(Any, relay), cast(Any, self.driver))

    def enter(self, session_id: str, user_id: str, tenant: str = "default") -> OwnedSession:
        session = SimpleNamespace(session_id=session_id, user_id=user_id, tenant=tenant)
        owned = cast(OwnedSession, SimpleNamespace(session=session))
        self.registry.add(owned)
        return owned

    def hears(self, *peers: Peer) -> None:
        self.peers.tell(Roll(NOW_AT, 0.0, "g", NOW_AT, peers))


def peer(node: str, note: dict[str, Any] | str = "", *, renewed_ago: int = 0) -> Peer:
    told = note if isinstance(note, str) else msgspec.json.encode(note).decode()
    return Peer(Owner(node, 20), NOW_AT - renewed_ago, "g", told)


def numbers(*, told_ago: int = 0, **more: Any) -> dict[str, Any]:
    return {"told_at": NOW_AT - told_ago, "version": "1", "sessions": 5, **more}


@pytest.mark.parametrize(
    ("summary", "renewed_ago", "state"),
    [
        (numbers(), 0, "serving"),
        (numbers(told_ago=LEASE_MS - 1), LEASE_MS - 1, "serving"),
        (numbers(degraded=True), 0, "degraded"),
        (numbers(degraded=True, draining=True), 0, "draining"),
        (numbers(draining=True, told_ago=LEASE_MS), 0, "stalled"),
        (numbers(told_ago=LEASE_MS), LEASE_MS, "dead"),
    ],
)
def test_a_node_is_in_one_state(summary: dict[str, Any], renewed_ago: int, state: str) -> None:
    fixture = Fixture()
    fixture.hears(peer("b", {"summary": summary}, renewed_ago=renewed_ago))
    _, row = fixture.fleet.rows()
    assert (row.node, row.state, row.alive_at) == ("b", state, NOW_AT - renewed_ago)
    assert row.summary is not None
    assert row.summary.sessions == 5
    assert {name: count for name, count in fixture.fleet.by_state().items() if count} in (
        {"serving": 2},
        {"serving": 1, state: 1},
    )


@pytest.mark.parametrize("note", ["", "[]", "no json", '{"summary": {"sessions": 3}}', '{"summary": null}'])
def test_a_node_that_told_nothing_that_can_be_read_is_there_nevertheless(note: str) -> None:
    fixture = Fixture()
    fixture.hears(peer("b", note))
    _, row = fixture.fleet.rows()
    assert (row.node, row.state, row.summary) == ("b", "serving", None)
    assert fixture.fleet.everywhere("default") == Everywhere(nodes=1, sessions=0, users=0)


def test_a_newer_node_may_tell_more() -> None:
    fixture = Fixture()
    fixture.hears(peer("b", {"summary": numbers(moons=2), "tenants": {}, "stars": []}))
    assert fixture.fleet.rows()[1].summary is not None


def test_sums_are_of_the_tenant_over_nodes_that_live() -> None:
    fixture = Fixture()
    fixture.enter("s1", "ada")
    fixture.enter("s2", "ada")
    fixture.enter("s3", "eve", "other")
    mine = {"default": {"sessions": 10, "users": 9}}
    fixture.hears(
        peer("b", {"summary": numbers(), "tenants": mine}),
        peer("c", {"summary": numbers(), "tenants": {}}),
        peer("d", {"summary": numbers(), "tenants": None}),
        peer("e", {"summary": numbers(), "tenants": mine}, renewed_ago=LEASE_MS),
    )
    assert fixture.fleet.everywhere("default") == Everywhere(nodes=3, sessions=12, users=10)
    assert fixture.fleet.everywhere("nobody's") == Everywhere(nodes=3, sessions=0, users=0)


def test_what_a_node_tells_follows_its_sessions() -> None:
    fixture = Fixture()
    ada, again, bob = fixture.enter("s1", "ada"), fixture.enter("s2", "ada"), fixture.enter("s3", "bob", "other")
    fixture.registry.add(bob)

    def told() -> Any:
        fixture.hears()
        note = msgspec.json.decode(fixture.peers.note)
        return note["summary"]["sessions"], note["summary"]["users"], note["tenants"]

    other = {"other": {"sessions": 1, "users": 1}}
    assert told() == (3, 2, {"default": {"sessions": 2, "users": 1}} | other)
    fixture.registry.drop(again)
    fixture.registry.drop(again)
    assert told() == (2, 2, {"default": {"sessions": 1, "users": 1}} | other)
    fixture.registry.drop(ada)
    assert told() == (1, 1, other)


def test_of_too_many_tenants_none_is_told() -> None:
    fixture = Fixture()
    for number in range(TENANTS + 1):
        fixture.enter(f"s{number}", "ada", f"t{number}")
    fixture.hears()
    assert msgspec.json.decode(fixture.peers.note)["tenants"] is None
    assert fixture.fleet.everywhere("t0") == Everywhere(nodes=0, sessions=0, users=0)


def test_what_was_known_stays_known_while_the_store_is_away() -> None:
    fixture = Fixture()
    fixture.hears(peer("b", {"summary": numbers()}))
    fixture.peers.tell(None)
    assert [row.node for row in fixture.fleet.rows()] == ["a", "b"]
