"""The compose file, read by a parser of the Compose Specification; and what it promises."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from compose_spec import PyCompose

from hereabouts.checks import check_settings
from hereabouts.settings import Settings, load

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "compose"
TEXT: Final = (FOLDER / "compose.yml").read_text("utf-8")
COMPOSE: Final[dict[str, Any]] = yaml.safe_load(TEXT)
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
NODES: Final = ("node-1", "node-2")


def filled(text: str) -> str:
    """With a value in the place of each variable."""
    return re.sub(r"\$\{\w+:[-?][^}]*\}", "presence.example.com", text)


def test_it_is_one_of_the_compose_specification() -> None:
    """Anchors and variables are put in before, as Compose itself does."""
    text = filled(yaml.safe_dump(COMPOSE))
    assert "$" not in text
    compose = PyCompose.from_yaml(text)
    compose.validate()
    assert set(compose.service_names()) == {*NODES, "valkey", "postgres", "caddy"}


def test_the_parser_refuses_what_is_none() -> None:
    with pytest.raises(ValueError, match="imagee"):
        PyCompose.from_yaml("services:\n  a:\n    imagee: b\n").validate()


@pytest.mark.parametrize("node", NODES)
def test_the_settings_of_a_node_are_served(node: str, tmp_path: Path) -> None:
    (tmp_path / "auth_secret").write_text("M8zq1vYx0cRb7uKd3nWf5tLh2pJg9sEa")
    (tmp_path / "journal_url").write_text("postgresql://hereabouts:word@postgres/hereabouts")
    environment = {
        name: filled(value).replace("/run/secrets", str(tmp_path)).replace("/etc", str(FOLDER))
        for name, value in SERVICES[node]["environment"].items()
    }
    settings = load(None, environment=environment)
    assert check_settings(settings, is_dev=False).errors == ()
    assert settings.node_name == node
    assert settings.backend.url == "valkey://valkey:6379/0"
    assert settings.journal.url.startswith("postgresql://")


def test_every_file_that_it_mounts_is_there() -> None:
    named = [held["file"] for held in COMPOSE["configs"].values()]
    assert [name for name in named if not (FOLDER / name).is_file()] == []
    context = (FOLDER / SERVICES["node-1"]["build"]["context"]).resolve()
    assert (context / SERVICES["node-1"]["build"]["dockerfile"]).is_file()


def test_what_a_service_names_is_declared() -> None:
    for name, service in SERVICES.items():
        volumes = {volume.split(":")[0] for volume in service.get("volumes", ())}
        assert volumes <= set(COMPOSE["volumes"]), name
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"]), name
        assert {held["source"] for held in service.get("configs", ())} <= set(COMPOSE["configs"]), name
        assert set(service.get("depends_on", ())) <= set(SERVICES), name


def test_no_secret_is_in_it_and_none_is_kept() -> None:
    assert "secrets/" in (FOLDER / ".gitignore").read_text("utf-8").split()
    assert all(held["file"].startswith("secrets/") for held in COMPOSE["secrets"].values())
    names = [name for service in SERVICES.values() for name in service.get("environment", ())]
    assert [name for name in names if re.search("SECRET|PASSWORD", name) and not name.endswith("_FILE")] == []


def test_the_nodes_differ_in_name_alone() -> None:
    one, two = (SERVICES[name] for name in NODES)
    assert [key for key in one if one[key] != two[key]] == ["environment"]
    settings = one["environment"].items() ^ two["environment"].items()
    assert {name for name, _ in settings} == {"HEREABOUTS_SERVER__NODE"}


def test_a_node_has_time_to_drain() -> None:
    grace_seconds = int(SERVICES["node-1"]["stop_grace_period"].removesuffix("s"))
    assert grace_seconds >= Settings().server.drain_seconds + 30


def test_the_proxy_that_is_trusted_is_caddy_alone() -> None:
    address = SERVICES["caddy"]["networks"]["inside"]["ipv4_address"]
    assert SERVICES["node-1"]["environment"]["HEREABOUTS_SERVER__TRUSTED_PROXIES"] == f'["{address}"]'
    subnet = COMPOSE["networks"]["inside"]["ipam"]["config"][0]["subnet"]
    assert ip_address(address) in ip_network(subnet)


def test_only_the_proxy_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["caddy"]


def test_no_service_has_more_rights_than_it_needs() -> None:
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service
    assert [name for name, service in SERVICES.items() if "cap_add" in service] == ["postgres", "caddy"]


def test_the_store_evicts_nothing() -> None:
    command = SERVICES["valkey"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
