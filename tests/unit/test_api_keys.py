"""API keys: made, stored as hashes, found, and held to their scopes and tenants."""

from __future__ import annotations

import secrets
import tomllib
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hereabouts.auth.api_keys import PREFIX, SCOPES, ApiKey, KeyEntry, KeyRing, NewKey, is_api_key, new_key
from hereabouts.errors import ConfigError, Refusal


def made(name: str = "backend", scopes: tuple[str, ...] = ("read",), tenants: tuple[str, ...] = ()) -> NewKey:
    return new_key(name, scopes, tenants, secrets.token_bytes)


def entry(key: NewKey) -> KeyEntry:
    fields: dict[str, Any] = tomllib.loads(f"key = {key.line}")["key"]
    return KeyEntry(
        name=fields["name"], hash=fields["hash"], scopes=tuple(fields["scopes"]), tenants=tuple(fields["tenants"])
    )


def refusal_of(ring: KeyRing, presented: str, tenant: str | None = None) -> Refusal:
    with pytest.raises(Refusal) as caught:
        ring.find(presented, tenant)
    return caught.value


def test_a_new_key_has_256_random_bits_and_its_line_does_not_reveal_it() -> None:
    asked: list[int] = []

    def random_bytes(count: int) -> bytes:
        asked.append(count)
        return bytes(range(count))

    key = new_key("backend", ["read", "write", "read"], ["acme"], random_bytes)
    assert asked == [32]
    assert key.key.startswith(PREFIX)
    assert key.key not in key.line
    assert entry(key) == KeyEntry(
        name="backend", hash=sha256(key.key.encode()).hexdigest(), scopes=("read", "write"), tenants=("acme",)
    )
    assert made().key != made().key


@pytest.mark.parametrize("name", ["a", 'quote"d', "back\\slash", "日本", "'", "#", "ci-2026"])
def test_the_line_is_toml_whatever_the_name(name: str) -> None:
    assert entry(made(name)).name == name


def test_a_key_is_found_in_its_tenant() -> None:
    one, two = made("one"), made("two", ("write", "admin"), ("acme",))
    ring = KeyRing([entry(one), entry(two)])
    assert ring.find(one.key) == ApiKey("one", frozenset({"read"}), "default")
    assert ring.find(two.key) == ring.find(two.key, "acme") == ApiKey("two", frozenset({"write", "admin"}), "acme")


def test_two_keys_may_be_good_while_one_replaces_the_other() -> None:
    old, new = made("backend-2025"), made("backend-2026")
    ring = KeyRing([entry(old), entry(new)])
    assert ring.find(old.key).name == "backend-2025"
    assert ring.find(new.key).name == "backend-2026"
    assert refusal_of(KeyRing([entry(new)]), old.key).code == "unauthenticated"


def test_the_tenant_must_be_one_of_the_keys() -> None:
    key = made(tenants=("acme", "umbrella"))
    ring = KeyRing([entry(key)])
    assert ring.find(key.key, "umbrella").tenant == "umbrella"
    asked = refusal_of(ring, key.key)
    assert (asked.code, asked.message) == ("bad_request", "X-Tenant must name one of acme, umbrella")
    for tenant in ("default", "", "ACME", "*", "\ud800"):
        assert refusal_of(ring, key.key, tenant).code == "forbidden"


def test_keys_that_are_not_known_are_refused_without_being_repeated() -> None:
    key = made()
    ring = KeyRing([entry(key)])
    stored = entry(key).hash
    for text in ("", PREFIX, key.key[:-1], key.key + "A", key.key.upper(), key.key[3:], f" {key.key}", f"{key.key}\n",
                 stored, PREFIX + stored, "hk_\ud800", "hk_é", "hk_" + "x" * 1_000_000):  # fmt: skip
        refusal = refusal_of(ring, text)
        assert refusal.code == "unauthenticated"
        assert not text or text not in refusal.message
    assert refusal_of(KeyRing(), key.key).code == "unauthenticated"


@given(st.text())
def test_any_text_is_refused(text: str) -> None:
    for presented in (text, PREFIX + text):
        assert refusal_of(KeyRing([entry(KEY)]), presented).code == "unauthenticated"


KEY = made()


def test_scopes_are_apart_but_that_admin_reads_what_admins_read() -> None:
    for held in SCOPES:
        key = ApiKey("k", frozenset({held}), "default")
        allowed = {scope for scope in SCOPES if key.has(scope)}
        assert allowed == ({"admin", "admin:read"} if held == "admin" else {held})
    with pytest.raises(Refusal) as caught:
        ApiKey("k", frozenset({"admin:read"}), "default").require("admin")
    assert (caught.value.code, caught.value.message) == ("forbidden", "the API key 'k' lacks the scope 'admin'")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": ""}, "name is empty"),
        ({"name": "two words"}, "name has the character"),
        ({"hash": "abc"}, "64 hex digits"),
        ({"hash": "g" * 64}, "64 hex digits"),
        ({"hash": "٣" * 64}, "64 hex digits"),
        ({"hash": "hk_" + "a" * 61}, "this is a key"),
        ({"scopes": ()}, "scopes is empty"),
        ({"scopes": ("raed",)}, "has 'raed'; it may have read, write"),
        ({"tenants": ()}, "tenants is empty"),
        ({"tenants": ("a b",)}, "a tenant of"),
    ],
)
def test_entries_that_could_not_be_meant(wrong: dict[str, Any], words: str) -> None:
    good: dict[str, Any] = {"name": "k", "hash": "a" * 64, "scopes": ("read",)}
    KeyRing([KeyEntry(**good)])
    with pytest.raises(ConfigError) as caught:
        KeyRing([KeyEntry(**(good | wrong))])
    assert words in str(caught.value)
    assert "auth.api_keys[0]" in str(caught.value)


def test_names_and_hashes_are_not_used_twice() -> None:
    first = KeyEntry(name="k", hash="a" * 64, scopes=("read",))
    for second in (
        KeyEntry(name="k", hash="b" * 64, scopes=("read",)),
        KeyEntry(name="l", hash="A" * 64, scopes=("admin",)),
    ):
        with pytest.raises(ConfigError, match=r"auth\.api_keys\[1\]"):
            KeyRing([first, second])


def test_a_bad_new_key_is_refused() -> None:
    for name, scopes in (("", ("read",)), ("k", ()), ("k", ("root",))):
        with pytest.raises(ConfigError):
            made(name, scopes)


def test_a_key_is_told_from_a_token() -> None:
    assert is_api_key(made().key)
    assert not any(map(is_api_key, ("", "dev:hk_", "eyJ.e30.x", "HK_x")))
