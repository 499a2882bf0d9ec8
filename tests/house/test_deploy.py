"""deploy/: what is there names metrics, labels and settings that exist, and every alert is explained.

tests/deploy runs these files through the programs that they are for.
"""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from hereabouts.checks import check_settings
from hereabouts.engine.policy import Policy
from hereabouts.gateway import server, sse
from hereabouts.settings import Settings, load
from hereabouts.telemetry import MEASURES

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
MEASURED: Final = {f"hereabouts_{measure.name}": measure for measure in MEASURES}
SCRAPED: Final = {"job", "instance"}
"""Labels that Prometheus itself adds."""

SECRET: Final = "M8zq1vYx0cRb7uKd3nWf5tLh2pJg9sEa"


def read(name: str) -> str:
    return (DEPLOY / name).read_text("utf-8")


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(read("prometheus/rules.yml"))["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(read("grafana/hereabouts.json"))["panels"] if panel["type"] != "row"]


def queries() -> Iterator[str]:
    """Everything that is asked of Prometheus."""
    yield from (alert["expr"] for alert in alerts())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])
    dashboard = json.loads(read("grafana/hereabouts.json"))
    yield from (note["expr"] for note in dashboard["annotations"]["list"])
    yield from (held["query"]["query"] for held in dashboard["templating"]["list"] if held["type"] == "query")


def labels_of(query: str) -> Iterator[tuple[str, str]]:
    """Which label of which metric a query selects by."""
    for name, selector in re.findall(r"(hereabouts_\w+)\{([^}]*)\}", query):
        yield from ((name, label) for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))


@pytest.mark.parametrize("query", sorted(set(queries())))
def test_a_query_names_metrics_and_labels_that_exist(query: str) -> None:
    named = set(re.findall(r"hereabouts_\w+", query))
    assert named or query.startswith("up{")
    assert named - set(MEASURED) == set()
    assert [pair for pair in labels_of(query) if pair[1] not in {MEASURED[pair[0]].label, *SCRAPED}] == []


def test_a_counter_is_never_read_as_it_stands() -> None:
    counters = [name for name, measure in MEASURED.items() if measure.kind == "counter"]
    bare = [
        query
        for query in queries()
        for name in counters
        if name in query and not re.search(rf"(rate|increase)\({name}|unless {name}", query)
    ]
    assert bare == []


def test_the_dashboard_shows_every_metric_that_an_alert_is_about() -> None:
    shown = {name for panel in panels() for target in panel["targets"] for name in MEASURED if name in target["expr"]}
    alarming = {name for alert in alerts() for name in MEASURED if name in alert["expr"]}
    assert alarming - shown == set()


def test_panels_have_a_place_and_a_number_of_their_own() -> None:
    every = json.loads(read("grafana/hereabouts.json"))["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    assert [panel["title"] for panel in every if panel["gridPos"]["x"] + panel["gridPos"]["w"] > 24] == []
    cells = [cell for panel in every for cell in _cells(panel["gridPos"])]
    assert len(set(cells)) == len(cells)


def _cells(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    for x in range(place["x"], place["x"] + place["w"]):
        yield from ((x, y) for y in range(place["y"], place["y"] + place["h"]))


def test_every_alert_says_how_bad_it_is_and_the_page_says_what_to_do() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    explained = re.findall(r"^\| `(Hereabouts\w+)` \|", page, re.MULTILINE)
    assert explained == [alert["alert"] for alert in alerts()]
    assert {alert["labels"]["severity"] for alert in alerts()} == {"critical", "warning"}
    assert [alert["alert"] for alert in alerts() if set(alert["annotations"]) != {"summary", "description"}] == []


def unit() -> dict[str, dict[str, list[str]]]:
    """The systemd unit: section → key → values. configparser knows no key twice, so we gather them."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in read("systemd/hereabouts.service").splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return sections


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    """`systemd-analyze` where there is one; it looks for the program, which is not installed here."""
    configparser.ConfigParser(strict=False, interpolation=None).read_string(read("systemd/hereabouts.service"))
    if shutil.which("systemd-analyze") is None:
        return
    here = tmp_path / "hereabouts.service"
    here.write_text(read("systemd/hereabouts.service").replace("/opt/hereabouts/bin/hereabouts", "/bin/true"))
    found = subprocess.run(["systemd-analyze", "verify", here], capture_output=True, text=True)
    assert (found.returncode, [line for line in found.stderr.splitlines() if here.name in line]) == (0, [])


def test_the_unit_is_hardened_and_has_time_to_drain() -> None:
    service = unit()["Service"]
    on = ["DynamicUser", "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "MemoryDenyWriteExecute"]
    assert [key for key in on if service.get(key) != ["yes"]] == []
    assert service["ProtectSystem"] == ["strict"]
    assert service["CapabilityBoundingSet"] == [""]
    assert int(service["TimeoutStopSec"][0]) >= Settings().server.drain_seconds + 30
    assert (service["Restart"], unit()["Unit"]["StartLimitIntervalSec"]) == (["on-failure"], ["0"])
    assert service["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert (service["Type"], service["KillMode"]) == (["exec"], ["mixed"])


def served(environment: dict[str, str], file: Path) -> Settings:
    """The settings as the node gets them; what `serve` would refuse fails the test."""
    settings = load(None, environment={**environment, "HEREABOUTS_CONFIG": str(file)})
    assert check_settings(settings, is_dev=False).errors == ()
    return settings


def test_the_settings_of_the_unit_are_served(tmp_path: Path) -> None:
    secret, file = tmp_path / "secret", tmp_path / "hereabouts.toml"
    secret.write_text(SECRET)
    file.write_text('[auth]\nalgorithms = ["HS256"]\n')
    pairs = dict(value.split("=", 1) for value in unit()["Service"]["Environment"])
    environment = {name: value.replace("%d", str(tmp_path)) for name, value in pairs.items()}
    settings = served(environment, file)
    assert settings.auth.secret == SECRET
    assert settings.journal.url.startswith("sqlite:////var/lib/" + unit()["Service"]["StateDirectory"][0])


def test_the_drop_in_of_the_page_makes_the_unit_one_of_several_nodes(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    lines = [line.strip() for line in page.partition("```ini\n")[2].partition("```")[0].splitlines()]
    told = [line.split("=", 1) for line in lines if "=" in line]
    credentials = {"secret": SECRET, "backend": "valkey://cache/0", "journal": "postgresql://hereabouts:word@db/app"}
    loaded = [value.partition(":")[0] for key, value in told if key == "LoadCredential"]
    assert {"secret", *loaded} == credentials.keys()
    for name, content in credentials.items():
        (tmp_path / name).write_text(content)
    added = [value for key, value in told if key == "Environment"]
    pairs = dict(value.split("=", 1) for value in unit()["Service"]["Environment"] + added)
    for key, name in told:
        if key == "UnsetEnvironment":
            del pairs[name]
    (tmp_path / "hereabouts.toml").write_text('[auth]\nalgorithms = ["HS256"]\n')
    environment = {name: value.replace("%d", str(tmp_path)) for name, value in pairs.items()}
    settings = served(environment, tmp_path / "hereabouts.toml")
    assert (settings.backend.url, settings.journal.url) == (credentials["backend"], credentials["journal"])


def test_an_image_names_settings_that_exist_and_no_registry() -> None:
    text = read("Dockerfile")
    load(None, environment=dict(re.findall(r"(HEREABOUTS_\w+)=(\S+)", text)))
    images = re.findall(r"^\s*image: (\S+)", read("compose/compose.yml"), re.MULTILINE)
    images += re.findall(r"^ARG PYTHON_IMAGE=(\S+)", text, re.MULTILINE)
    assert len(images) == 5
    assert [image for image in images if "." in image.split("/")[0].split(":")[0]] == []
    ignored = read("Dockerfile.dockerignore")
    copied = {word for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE) for word in line.split()[:-1]}
    assert {f"!{word}" for word in copied} <= set(ignored.split())


def test_the_chart_has_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    chart = yaml.safe_load(read("helm/hereabouts/Chart.yaml"))
    assert (chart["version"], chart["appVersion"]) == (version, version)


def test_every_value_of_the_chart_is_described() -> None:
    schema = json.loads(read("helm/hereabouts/values.schema.json"))
    values = yaml.safe_load(read("helm/hereabouts/values.yaml"))
    assert _keys(values, schema) == []


def _keys(values: dict[str, Any], schema: dict[str, Any], path: str = "") -> list[str]:
    """Keys of the values without a description, and described ones that are not in the values."""
    if schema.get("additionalProperties") is not False:
        return []
    described = set(schema["properties"]) - {"global"}
    wrong = [f"{path}{key}" for key in set(values) ^ described]
    wrong += [f"{path}{key}: no description" for key, held in schema["properties"].items() if "description" not in held]
    for key in set(values) & described:
        if isinstance(values[key], dict):
            wrong += _keys(values[key], schema["properties"][key], f"{path}{key}.")
    return wrong


def seconds(text: str, name: str) -> float:
    """A time of a configuration."""
    return float(re.findall(rf"^\s*{name} (\d+)s", text, re.MULTILINE)[0])


def test_nginx_waits_longer_than_anybody_is_silent() -> None:
    nginx = read("nginx/hereabouts.conf")
    policy = Policy()
    assert policy.beat_hidden_seconds is not None
    for name in ("proxy_read_timeout", "proxy_send_timeout"):
        assert seconds(nginx, name) >= 3 * policy.beat_hidden_seconds
        assert seconds(nginx, name) > policy.lease_hidden_seconds > sse.KEEP_ALIVE_SECONDS
    assert "proxy_buffering off;" in nginx


def test_idle_connections_to_a_node_are_closed_by_the_proxy_first() -> None:
    for name, key in (("nginx/hereabouts.conf", "keepalive_timeout"), ("caddy/Caddyfile", "keepalive")):
        assert seconds(read(name), key) < server.KEEP_ALIVE_SECONDS
