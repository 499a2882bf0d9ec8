"""Policies: layers, presets, and what no layer may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hereabouts.engine.policy import CLOCKS, PRESETS, NodeClocks, Policy, PolicyBook
from hereabouts.engine.relations import check
from hereabouts.errors import ConfigError


def test_without_a_layer_the_policy_is_the_production_column() -> None:
    book = PolicyBook()
    assert book.resolve() == Policy()
    assert book.node == NodeClocks(sweep_seconds=1, lease_seconds=15)
    policy = book.resolve()
    assert (policy.beat_visible_seconds, policy.beat_hidden_seconds) == (20, 60)
    assert (policy.lease_visible_seconds, policy.lease_hidden_seconds, policy.grace_seconds) == (60, 150, 10)
    assert (policy.typing_refresh_seconds, policy.typing_lease_seconds) == (3, 6)


def test_the_preset_test_is_the_test_column() -> None:
    book = PolicyBook({"default": {"preset": "test"}})
    policy = book.resolve()
    assert (policy.beat_visible_seconds, policy.beat_hidden_seconds) == (1, 2)
    assert (policy.lease_visible_seconds, policy.lease_hidden_seconds, policy.grace_seconds) == (3, 8, 2)
    assert (policy.idle_after_seconds, policy.stale_after_seconds) == (5, 3)
    assert book.node == NodeClocks(sweep_seconds=0.5, lease_seconds=4)


def test_each_key_lands_in_a_field_of_its_own() -> None:
    fields = [(clock.scope == "node", clock.field) for clock in CLOCKS]
    assert len(set(fields)) == len(fields)
    told = {field for is_node, field in fields if not is_node}
    assert told == set(Policy.__struct_fields__)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_keeps_every_relation(preset: str) -> None:
    book = PolicyBook({"default": {"preset": preset}})
    assert check(book.resolve(), book.node) == []


def test_a_key_beside_a_preset_wins_over_it() -> None:
    policy = PolicyBook({"default": {"preset": "chat", "grace_seconds": 7}}).resolve()
    assert (policy.grace_seconds, policy.lease_visible_seconds) == (7, 75)


def test_nested_and_dotted_keys_are_the_same() -> None:
    assert (
        PolicyBook({"default": {"lease": {"hidden_seconds": 200}}}).resolve()
        == PolicyBook({"default": {"lease.hidden_seconds": 200}}).resolve()
    )


def test_later_layers_win_in_the_order_tenant_role_room_platform() -> None:
    layers: dict[str, Any] = {
        "platforms": {"watch": {"grace_seconds": 5}},
        "rooms": {"doc": {"grace_seconds": 4}},
        "roles": {"agent": {"grace_seconds": 3}},
        "tenants": {"acme": {"grace_seconds": 2}},
        "default": {"grace_seconds": 1},
    }
    book = PolicyBook(layers)
    told = [
        book.resolve().grace_seconds,
        book.resolve("acme").grace_seconds,
        book.resolve("acme", "agent").grace_seconds,
        book.resolve("acme", "agent", "doc:1").grace_seconds,
        book.resolve("acme", "agent", "doc:1", "watch").grace_seconds,
    ]
    assert told == [1, 2, 3, 4, 5]
    assert book.explain("acme", "agent", "doc:1")["grace_seconds"] == "room doc"


def test_the_kind_of_a_room_is_what_stands_before_the_colon() -> None:
    book = PolicyBook({"rooms": {"doc": {"grace_seconds": 4}}})
    assert [book.resolve(room=room).grace_seconds for room in ("doc", "doc:7", "doc:a:b", "docs:7")] == [4, 4, 4, 10]


def test_what_no_layer_names_shares_one_policy() -> None:
    book = PolicyBook({"roles": {"admin": {"grace_seconds": 3}}})
    assert book.resolve("t1", "guest", "a:1", "web") is book.resolve("t2", None, "b:2", "ios")


def test_pause_and_off_are_no_number() -> None:
    policy = PolicyBook({"default": {"beat": {"hidden_seconds": "pause"}, "idle_after_seconds": "off"}}).resolve()
    assert (policy.beat_hidden_seconds, policy.idle_after_seconds) == (None, None)


def test_a_number_may_come_as_text_as_the_environment_gives_it() -> None:
    assert PolicyBook({"default": {"grace_seconds": "2.5"}}).resolve().grace_seconds == 2.5


def test_a_room_kind_takes_of_a_preset_what_is_a_room_kind_s_to_set() -> None:
    policy = PolicyBook({"rooms": {"doc": {"preset": "chat"}}}).resolve(room="doc:1")
    assert (policy.grace_seconds, policy.views) == (5, PRESETS["chat"]["views"])
    assert policy.lease_visible_seconds == 60


def test_a_preset_in_a_layer_leaves_the_node_s_clocks_alone() -> None:
    assert PolicyBook({"tenants": {"acme": {"preset": "test"}}}).node == NodeClocks()


def test_combinations_name_each_override() -> None:
    book = PolicyBook({"roles": {"agent": {}}, "rooms": {"doc": {"grace_seconds": 4}}})
    assert [(name, policy.grace_seconds) for name, policy in book.combinations()] == [
        ("default", 10),
        ("role agent", 10),
        ("room doc", 4),
    ]


@pytest.mark.parametrize(
    ("layers", "where", "hint"),
    [
        ({"default": {"grace_second": 3}}, "policy.default.grace_second", "'grace_seconds'"),
        ({"default": {"lease": {"visable_seconds": 3}}}, "policy.default.lease.visable_seconds", "lease.visible"),
        ({"role": {}}, "policy.role", "'roles'"),
        ({"default": {"preset": "chatt"}}, "policy.default.preset", "'chat'"),
        ({"default": {"preset": ["chat"]}}, "policy.default.preset", "'chat'"),
        ({"default": 3}, "policy.default", "a table"),
        ({"roles": 3}, "policy.roles", "a table"),
        ({"roles": {"admin": "x"}}, "policy.roles.admin", "a table"),
        ({"roles": {"admin": {"sweep_seconds": 1}}}, "policy.roles.admin.sweep_seconds", "policy.default"),
        ({"rooms": {"doc": {"idle_after_seconds": 1}}}, "policy.rooms.doc.idle_after_seconds", "by tenant"),
        ({"default": {"grace_seconds": "soon"}}, "grace_seconds is 'soon'", "but takes seconds"),
        ({"default": {"views": {"admin": "all"}}}, "views", "role → full, status, existence or none"),
        ({"default": {"on_none": "show"}}, "on_none is 'show'", "hide or forbid"),
        ({"default": {"durability": "weekly"}}, "durability", "throttled"),
        ({"default": {"durability": "throttled(0)"}}, "durability", "throttled"),
        ({"default": {"members_max": -1}}, "members_max", ">= 0"),
        ({"default": {"occupancy": {"capacity": 0}}}, "occupancy.capacity", ">= 1"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place_and_what_would_be_right(
    layers: Mapping[str, Any], where: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        PolicyBook(layers).resolve()
    assert where in str(refused.value)
    assert hint in str(refused.value)


def test_an_overlay_wins_over_every_layer_of_the_file() -> None:
    book = PolicyBook(
        {"default": {"preset": "test"}, "roles": {"agent": {"grace_seconds": 1}}}, {"default": {"grace_seconds": 1.5}}
    )
    assert book.resolve().grace_seconds == book.resolve(role="agent").grace_seconds == 1.5
    assert book.explain(role="agent")["grace_seconds"] == "overlay default"
    assert book.resolve(role="agent").lease_visible_seconds == 3


def test_the_layers_of_an_overlay_have_their_order_too() -> None:
    book = PolicyBook({}, {"default": {"grace_seconds": 4}, "roles": {"agent": {"grace_seconds": 5}}})
    assert (book.resolve().grace_seconds, book.resolve(role="agent").grace_seconds) == (4, 5)
    assert book.explain(role="agent")["grace_seconds"] == "overlay role agent"


@pytest.mark.parametrize("key", ["sweep_seconds", "node.lease_seconds"])
def test_the_clocks_of_the_node_stand_still_while_it_runs(key: str) -> None:
    with pytest.raises(ConfigError, match=f"policy.default.{key}: this clock is the node's"):
        PolicyBook({}, {"default": {key: 5}})


def test_an_overlay_that_is_a_preset_leaves_the_clocks_of_the_node_alone() -> None:
    book = PolicyBook({}, {"default": {"preset": "test"}})
    assert book.node == NodeClocks()
    assert book.resolve() == PolicyBook({"default": {"preset": "test"}}).resolve()


def test_every_combination_is_named_and_there_may_not_be_too_many() -> None:
    book = PolicyBook({"roles": {"agent": {"grace_seconds": 5}}, "tenants": {"acme": {}}}, {"rooms": {"doc": {}}})
    names = [name for name, _ in book.every_combination()]
    assert len(names) == 8 and "tenant acme role agent room doc" in names and "default" in names
    many: dict[str, Any] = {section: {f"n{n}": {} for n in range(15)} for section in ("tenants", "roles", "platforms")}
    with pytest.raises(ConfigError, match="combine to 4096 policies and at most 2000"):
        list(PolicyBook(many).every_combination())


def test_a_kind_of_resource_has_rules_of_its_own() -> None:
    book = PolicyBook({"default": {"occupancy": {"capacity": 2}}, "kinds": {"desk": {"occupancy": {"capacity": 5}}}})
    assert book.resolve(resource="desk:1").occupancy_capacity == 5
    assert book.resolve(resource="account:1").occupancy_capacity == 2
    assert book.resolve(room="desk:1").occupancy_capacity == 2
    assert book.explain(resource="desk:1")["occupancy.capacity"] == "resource desk"


def test_a_kind_of_resource_sets_nothing_else() -> None:
    with pytest.raises(ConfigError, match="not a kind of resource's to set"):
        PolicyBook({"kinds": {"desk": {"grace_seconds": 1}}})


@pytest.mark.parametrize(
    ("preset", "beats", "leases", "stale", "durability"),
    [
        ("support-inbox", (60, None), (300, 300), 300, "throttled(60)"),
        ("collab-list", (30, 120), (120, 300), 120, "transitions"),
        ("desk", (60, 120), (150, 300), 120, "transitions"),
        ("family", (60, 60), (180, 180), 180, "transitions"),
        ("chat", (30, 60), (75, 150), 75, "transitions"),
    ],
)
def test_the_presets_have_the_numbers_of_the_systems(
    preset: str, beats: tuple[float, float | None], leases: tuple[float, float], stale: float, durability: str
) -> None:
    policy = PolicyBook({"default": {"preset": preset}}).resolve()
    assert (policy.beat_visible_seconds, policy.beat_hidden_seconds) == beats
    assert (policy.lease_visible_seconds, policy.lease_hidden_seconds) == leases
    assert (policy.stale_after_seconds, policy.durability) == (stale, durability)
