"""Settings about tokens that are refused at start, each with words that say what would be right."""

from __future__ import annotations

from typing import Any

import pytest

from hereabouts.auth.config import AuthConfig, check_config, is_loopback
from hereabouts.engine.identity import Grants
from hereabouts.errors import ConfigError

SECRET = "x" * 32
KEYS: dict[str, Any] = {
    "algorithms": ("ES256", "RS256"), "jwks_url": "https://id.example/keys", "issuer": "idp", "audience": "here",
}  # fmt: skip


def test_good_settings() -> None:
    check_config(AuthConfig(secret=SECRET))
    check_config(AuthConfig(secret=SECRET, previous_secret="é" * 16))
    check_config(AuthConfig(**KEYS))
    check_config(AuthConfig(**(KEYS | {"jwks_url": None, "jwks_file": "keys.json"})))
    check_config(AuthConfig(secret=SECRET, default_grants=Grants(rooms={"*": ("join",)}, watch=("team-*",))))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "set auth.secret, auth.jwks_file or auth.jwks_url"),
        ({"secret": ""}, "set auth.secret"),
        ({"secret": "x" * 31}, "auth.secret is 31 bytes; HS256 needs at least 32"),
        ({"secret": SECRET, "previous_secret": "short"}, "auth.previous_secret is 5 bytes"),
        ({"secret": "-----BEGIN PUBLIC KEY-----\nMIIB"}, "belong in auth.jwks_file"),
        ({"secret": SECRET, "algorithms": ()}, "auth.algorithms is empty"),
        ({"secret": SECRET, "algorithms": ("none",)}, "auth.algorithms has 'none'"),
        ({"secret": SECRET, "algorithms": ("HS512",)}, "auth.algorithms has 'HS512'"),
        ({"secret": SECRET, "algorithms": ("HS256", "ES256")}, 'serves "HS256" alone'),
        ({"secret": SECRET, "algorithms": ("ES256",)}, 'serves "HS256" alone'),
        (KEYS | {"secret": SECRET}, "together with a JWKS"),
        (KEYS | {"previous_secret": SECRET}, "together with a JWKS"),
        (KEYS | {"algorithms": ("HS256", "ES256")}, "together with a JWKS"),
        (KEYS | {"jwks_file": "keys.json"}, "keys come from one place"),
        (KEYS | {"issuer": None}, "auth.issuer is not set"),
        (KEYS | {"audience": ""}, "auth.audience is not set"),
        (KEYS | {"jwks_url": "http://id.example/keys"}, "must be https://"),
        ({"secret": SECRET, "default_grants": Grants(watch=("a b",))}, "auth.default_rooms or auth.default_watch"),
    ],
)
def test_bad_settings_say_what_would_be_right(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_config(AuthConfig(**settings))
    assert words in str(caught.value)


def test_a_refusal_never_shows_the_secret() -> None:
    with pytest.raises(ConfigError) as caught:
        check_config(AuthConfig(secret="hunter2"))
    assert "hunter2" not in str(caught.value)


def test_loopback() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1")))
    assert not any(map(is_loopback, ("", "0.0.0.0", "::", "10.0.0.1", "localhost.example", "id.example")))
