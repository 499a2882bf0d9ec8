"""Settings: where a value comes from, and what is said of one that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hereabouts.errors import ConfigError
from hereabouts.settings import Settings, keys, load, variable


@pytest.fixture
def toml(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        path = tmp_path / "hereabouts.toml"
        path.write_text(text)
        return path

    return write


def loaded(file: Path | None = None, flags: dict[str, Any] | None = None, **environment: str) -> Settings:
    return load(file, flags, environment)


def refused(file: Path | None = None, **environment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(file, None, environment)
    return str(caught.value)


def test_the_file_wins_over_defaults_the_environment_over_the_file_flags_over_all(toml: Any) -> None:
    file = toml("[server]\nport = 1\nhost = '127.0.0.2'\n[limits]\ndepth = 8")
    assert loaded().server.port == 8765
    assert loaded(file).server.port == 1
    assert loaded(file, HEREABOUTS_SERVER__PORT="2").server.port == 2
    settings = loaded(file, {"server": {"port": 3}}, HEREABOUTS_SERVER__PORT="2")
    assert (settings.server.port, settings.server.host, settings.engine_limits().depth) == (3, "127.0.0.2", 8)


def test_the_file_may_be_named_by_the_environment(toml: Any) -> None:
    assert loaded(HEREABOUTS_CONFIG=str(toml("[server]\nport = 1"))).server.port == 1


def test_lists_limits_and_clocks_come_from_the_environment_too() -> None:
    settings = loaded(
        HEREABOUTS_SERVER__ALLOWED_ORIGINS='["https://a.example"]',
        HEREABOUTS_LIMITS__STATE_BYTES="99",
        HEREABOUTS_POLICY__DEFAULT__PRESET="test",
        HEREABOUTS_POLICY__DEFAULT__GRACE_SECONDS="1.5",
        HEREABOUTS_POLICY__DEFAULT__BEAT__VISIBLE_SECONDS="0.5",
    )
    assert settings.server.allowed_origins == ("https://a.example",)
    assert settings.engine_limits().state_bytes == 99
    policy = settings.book().resolve()
    assert (policy.grace_seconds, policy.beat_visible_seconds, policy.lease_visible_seconds) == (1.5, 0.5, 3)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    held = tmp_path / "secret"
    held.write_text("from a volume\n")
    assert loaded(HEREABOUTS_AUTH__SECRET_FILE=str(held)).auth.secret == "from a volume"
    assert "cannot be read" in refused(HEREABOUTS_AUTH__SECRET_FILE=str(tmp_path / "none"))
    assert "both set" in refused(HEREABOUTS_AUTH__SECRET_FILE=str(held), HEREABOUTS_AUTH__SECRET="x")


def test_a_key_that_ends_in_file_is_itself(tmp_path: Path) -> None:
    assert loaded(HEREABOUTS_AUTH__JWKS_FILE="/etc/keys.json").auth.jwks_file == "/etc/keys.json"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[server]\nprot = 1", "server.prot is not known; did you mean 'port'?"),
        ("[jurnal]\nurl = 'none'", "jurnal is not known; did you mean 'journal'?"),
        ("[limits]\nstate_byte = 1", "limits.state_byte is not known; did you mean 'state_bytes'?"),
        ("[policy.default]\ngrace_second = 1", "did you mean 'grace_seconds'?"),
        ("[policy.role.admin]\ngrace_seconds = 1", "policy.role is not known; did you mean 'roles'?"),
        ("[policy.default]\npreset = 'chart'", "did you mean 'chat'?"),
        ("[[auth.api_keys]]\nname = 'a'\nhash = 'b'\nscope = ['read']", "did you mean 'scopes'?"),
        ("[server]\nport = 'x'", "server.port: "),
        ("[server]\nport = 70000", "server.port: "),
        ("[limits]\nframe_bytes = 1", "frame_bytes"),
        ("[policy.roles.admin]\ngrace_seconds = 'x'", "policy role admin: "),
        ("[policy.default.views]\nadmin = 'ful'", "policy: views is {'admin': 'ful'}, but takes role → full, status"),
        ("[policy.rooms.doc]\n'beat.visible_seconds' = 1", "not a room kind's to set"),
        ("[server", "is not TOML"),
    ],
)
def test_what_cannot_be_is_named_with_what_may_have_been_meant(toml: Any, text: str, told: str) -> None:
    assert told in refused(toml(text))


def test_every_fault_is_told_at_once(toml: Any) -> None:
    assert len(refused(toml("[server]\nprot = 1\nport = 'x'\n[jurnal]\nx = 1")).splitlines()) == 3


def test_a_variable_that_is_no_key_is_an_error() -> None:
    assert "did you mean 'HEREABOUTS_SERVER__PORT'?" in refused(HEREABOUTS_SERVER_PORT="1")
    assert loaded(HOME="/root", HEREABOUTS_TEST_SEEDS="3").server.port == 8765


def test_a_secret_is_never_repeated(toml: Any) -> None:
    assert "hunter2" not in refused(toml("[auth]\nsecret = ['hunter2']"))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path / "none.toml")


def test_every_key_has_a_meaning_and_a_variable() -> None:
    for key, _, meaning in keys():
        assert meaning, key
        assert variable(key).startswith("HEREABOUTS_")
