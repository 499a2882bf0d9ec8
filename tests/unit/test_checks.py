"""What may not be served."""

from __future__ import annotations

from typing import Any

import pytest

from hereabouts.checks import auth_config, check_settings, origins, refuse_faulty
from hereabouts.errors import ConfigError
from hereabouts.settings import Settings, load

SECRET = "q7Vx2Lk9ZpT4mWc8RbN1yHs6JdG3fAeU"


def settings(**sections: Any) -> Settings:
    return load(None, sections, {})


def errors(is_dev: bool = False, **sections: Any) -> str:
    return "\n".join(check_settings(settings(**sections), is_dev=is_dev).errors)


def test_serve_needs_a_key_and_dev_does_not() -> None:
    assert "no key to verify tokens with" in errors()
    assert errors(is_dev=True) == ""
    assert errors(auth={"secret": SECRET}) == ""


@pytest.mark.parametrize(
    "secret", ["a" * 32, "changeme-changeme-changeme-changeme", "this is a SECRET of our own server", SECRET[:31]]
)
def test_a_secret_that_can_be_guessed_is_refused_where_others_can_try(secret: str) -> None:
    assert "auth.secret" in errors(server={"host": "0.0.0.0"}, auth={"secret": secret})


def test_on_this_machine_alone_it_is_a_warning() -> None:
    found = check_settings(settings(auth={"secret": "a" * 32}), is_dev=False)
    assert found.errors == ()
    assert any("can be guessed" in warning for warning in found.warnings)


def test_a_file_of_keys_that_is_not_there_is_found_before_the_start() -> None:
    issuer = {"issuer": "https://id.example", "audience": "hereabouts"}
    named = errors(auth={"jwks_file": "nowhere.json", "algorithms": ["ES256"], **issuer})
    assert named == "auth.jwks_file 'nowhere.json' cannot be read: No such file or directory"
    named = errors(auth={"secret": SECRET, "signing_key_file": "nowhere.pem"})
    assert named == "auth.signing_key_file 'nowhere.pem' cannot be read: No such file or directory"


def test_a_random_secret_is_good_anywhere() -> None:
    assert errors(server={"host": "0.0.0.0"}, auth={"secret": SECRET}) == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com"])
def test_dev_is_for_this_machine_alone(host: str) -> None:
    assert "loopback" in errors(is_dev=True, server={"host": host})


def test_dev_grants_everything_unless_it_is_told_otherwise() -> None:
    assert auth_config(settings(), is_dev=True).default_grants.may("join", "any")
    assert not auth_config(settings(), is_dev=False).default_grants.may("join", "any")
    named = settings(auth={"default_rooms": {"doc:*": ["join"]}})
    assert not auth_config(named, is_dev=True).default_grants.may("join", "any")


@pytest.mark.parametrize(
    "origin", ["*", "app.example", "https://app.example/path", "https://app.example/", "null", "https://"]
)
def test_an_origin_is_exact(origin: str) -> None:
    assert "server.allowed_origins" in errors(auth={"secret": SECRET}, server={"allowed_origins": [origin]})


@pytest.mark.parametrize("proxy", ["caddy", "10.0.0.0/99", ""])
def test_a_trusted_proxy_is_an_address_or_a_network(proxy: str) -> None:
    told = errors(auth={"secret": SECRET}, server={"trusted_proxies": ["10.0.0.7", "::1", proxy]})
    assert told.startswith(f"server.trusted_proxies has {proxy!r}; an entry is an address or a network")


def test_without_origins_the_public_address_is_one() -> None:
    assert origins(settings(server={"public_url": "https://App.example:443/presence"})) == {"https://app.example"}
    assert origins(settings(server={"public_url": "http://app.example:8080"})) == {"http://app.example:8080"}
    assert origins(settings()) == frozenset()


def test_broken_relations_are_errors_unless_they_are_allowed() -> None:
    clocks = {"default": {"grace_seconds": 100, "lease.visible_seconds": 60}}
    assert "grace_seconds" in errors(is_dev=True, policy=clocks)
    clocks["default"]["allow_unsafe"] = True
    found = check_settings(settings(policy=clocks), is_dev=True)
    assert found.errors == ()
    assert any("allow_unsafe" in warning for warning in found.warnings)


def test_an_override_is_checked_as_the_default_is() -> None:
    assert "policy role agent" in errors(is_dev=True, policy={"roles": {"agent": {"beat.visible_seconds": 50}}})


def test_nodes_with_a_journal_each_are_told_what_they_cannot_do() -> None:
    def doubts(**given: Any) -> str:
        return "\n".join(check_settings(settings(**given), is_dev=True).warnings)

    shared = {"backend": {"url": "valkey://store.internal"}}
    assert "nobody can hold a resource" in doubts(**shared)
    assert "nobody can hold a resource" not in doubts(**shared, journal={"url": "postgresql://db.internal/presence"})
    assert "nobody can hold a resource" not in doubts()


def test_two_listeners_need_two_ports() -> None:
    assert "internal_port" in errors(is_dev=True, server={"port": 9000, "internal_port": 9000})


def test_everything_wrong_is_told_together() -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_faulty(settings(server={"host": "0.0.0.0", "allowed_origins": ["*"]}), is_dev=True)
    assert len(str(caught.value).splitlines()) == 2


def test_webhooks_of_nodes_that_share_a_store_need_one_journal() -> None:
    hook = {"name": "crm", "url": "https://crm.example.com/", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    shared: dict[str, Any] = {"auth": {"secret": SECRET}, "backend": {"url": "valkey://cache"}, "webhooks": [hook]}
    assert "one journal for all of them" in errors(**shared)
    assert errors(**shared, journal={"url": "postgresql://db.internal/app"}) == ""
