"""The Helm chart, rendered and linted by Helm's own library and held to the schemas of Kubernetes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import helm_python as helm
import kubernetes_validate
import pytest
import yaml

from hereabouts.checks import check_settings
from hereabouts.settings import Settings, load

CHART: Final = Path(__file__).parents[2] / "deploy" / "helm" / "hereabouts"
PAGE: Final = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text("utf-8")
KUBERNETES: Final = "1.37"
OPERATORS_OWN: Final = {"ServiceMonitor"}
"""Kinds that Kubernetes itself does not know."""

LEAST: Final[dict[str, Any]] = {"existingSecret": "presence", "backend": {"url": "valkey://valkey:6379/0"}}
SECRET: Final = "M8zq1vYx0cRb7uKd3nWf5tLh2pJg9sEa"
MOST: Final[dict[str, Any]] = {
    **LEAST,
    "image": {"pullSecrets": [{"name": "registry"}], "tag": "1.2.3"},
    "publicUrl": "https://presence.example.com",
    "allowedOrigins": ["https://app.example.com"],
    "trustedProxies": ["10.0.0.0/8"],
    "persistence": {"enabled": False},
    "drainSeconds": 30,
    "service": {"annotations": {"a": "b"}},
    "ingress": {"enabled": True, "className": "nginx", "host": "presence.example.com", "tlsSecret": "tls"},
    "networkPolicy": {"enabled": True, "monitoring": [{"namespaceSelector": {"matchLabels": {"name": "m"}}}]},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "podAnnotations": {"a": "b"},
    "podLabels": {"c": "d"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "presence", "operator": "Exists"}],
    "extraEnv": [{"name": "HEREABOUTS_LOG__LEVEL", "value": "warning"}],
}
SETS: Final = {
    "least": LEAST,
    "most": MOST,
    "one node": {"existingSecret": "presence", "replicas": 1},
    "urls from the secret": {
        "existingSecret": "presence",
        "backend": {"urlFromSecret": True},
        "persistence": {"enabled": False},
        "journal": {"urlFromSecret": True},
    },
    "the page's example": yaml.safe_load(PAGE.partition("```yaml\n")[2].partition("```")[0]),
}

Manifest = dict[str, Any]


def rendered(values: dict[str, Any]) -> dict[str, Manifest]:
    """The manifests, by kind and name."""
    with helm.Chart.load(str(CHART)) as chart:
        texts = chart.render(values, name="demo", namespace="prod")
    pages = [text for name, text in texts.items() if name.endswith(".yaml")]
    manifests = [held for page in pages for held in yaml.safe_load_all(page) if held]
    return {f"{held['kind']}/{held['metadata']['name']}": held for held in manifests}


def nodes(values: dict[str, Any]) -> Manifest:
    """The Deployment or the StatefulSet."""
    return next(held for kind, held in rendered(values).items() if kind.split("/")[0] in ("Deployment", "StatefulSet"))


def pod(values: dict[str, Any]) -> Manifest:
    spec: Manifest = nodes(values)["spec"]["template"]["spec"]
    return spec


def test_it_passes_helm_s_lint() -> None:
    report = helm.lint(str(CHART), values=LEAST)
    informs = 1
    worse = [message for message in report["messages"] if message["severity"] > informs]
    assert (report["total_charts_linted"], report["errors"], worse) == (1, [], [])


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_kubernetes_takes_every_manifest(values: dict[str, Any]) -> None:
    for kind, manifest in rendered(values).items():
        if manifest["kind"] not in OPERATORS_OWN:
            assert kubernetes_validate.validate(manifest, KUBERNETES, strict=True), kind


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_its_settings_are_served(values: dict[str, Any], tmp_path: Path) -> None:
    settings = served(values, tmp_path)
    assert settings.auth.secret == SECRET
    assert (settings.node_name, settings.server.internal_port) == ("demo-0", 8766)
    assert settings.log.level == ("warning" if values is MOST else "info")


def served(values: dict[str, Any], folder: Path) -> Settings:
    """What a node loads; what `serve` would refuse fails the test."""
    config = rendered(values)["ConfigMap/demo-hereabouts"]["data"]["hereabouts.toml"]
    (folder / "hereabouts.toml").write_text(config)
    secrets = {
        "auth-secret": SECRET,
        "backend-url": "valkey://:word@valkey:6379/0",
        "journal-url": "postgresql://hereabouts:word@db/app",
    }
    for name, secret in secrets.items():
        (folder / name).write_text(secret)
    environment = {
        held["name"]: held.get("value", "demo-0")
        .replace("/run/secrets/hereabouts", str(folder))
        .replace("/etc/hereabouts", str(folder))
        for held in pod(values)["containers"][0]["env"]
    }
    settings = load(None, environment=environment)
    assert check_settings(settings, is_dev=False).errors == ()
    return settings


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({}, "existingSecret"),
        ({"existingSecret": "presence"}, "shared store"),
        ({**LEAST, "replica": 3}, "replica"),
        ({**LEAST, "replicas": 0}, "replicas"),
        ({**LEAST, "backend": {"url": "mysql://db"}}, "backend"),
        ({**LEAST, "ingress": {"enabled": True}}, "ingress.host"),
        ({**LEAST, "allowedOrigins": ["https://app.example.com/path"]}, "allowedOrigins"),
    ],
)
def test_values_that_cannot_work_are_refused_with_a_word(values: dict[str, Any], word: str) -> None:
    with pytest.raises(Exception, match=word):
        rendered(values)


@pytest.mark.parametrize("drain_seconds", [0, 10, 300])
def test_a_node_has_time_to_wait_drain_and_hand_over(drain_seconds: int) -> None:
    values = {**LEAST, "drainSeconds": drain_seconds, "preStopSeconds": 7}
    spec = pod(values)
    assert spec["terminationGracePeriodSeconds"] == 7 + drain_seconds + 30
    container = spec["containers"][0]
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "7"]
    assert {"name": "HEREABOUTS_SERVER__DRAIN_SECONDS", "value": str(drain_seconds)} in container["env"]


def test_a_roll_out_takes_no_node_away_before_another_is_there() -> None:
    deployment = nodes(MOST)
    assert deployment["kind"] == "Deployment"
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert rendered(MOST)["PodDisruptionBudget/demo-hereabouts"]["spec"]["maxUnavailable"] == 1


def test_a_journal_of_its_own_makes_nodes_that_keep_their_names() -> None:
    stateful = nodes(LEAST)
    assert stateful["kind"] == "StatefulSet"
    assert stateful["spec"]["serviceName"] == "demo-hereabouts-nodes"
    assert [claim["metadata"]["name"] for claim in stateful["spec"]["volumeClaimTemplates"]] == ["journal"]
    mounts = {held["name"]: held["mountPath"] for held in pod(LEAST)["containers"][0]["volumeMounts"]}
    assert mounts["journal"] == "/var/lib/hereabouts"


def test_one_node_has_no_budget_that_would_hold_up_its_machine() -> None:
    assert "PodDisruptionBudget/demo-hereabouts" not in rendered(SETS["one node"])


def test_nodes_prefer_different_machines_and_may_do_nothing() -> None:
    spec = pod(LEAST)
    term = spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"]
    assert term["labelSelector"]["matchLabels"] == nodes(LEAST)["spec"]["selector"]["matchLabels"]
    assert spec["securityContext"]["runAsNonRoot"] and not spec["automountServiceAccountToken"]
    inner = spec["containers"][0]["securityContext"]
    assert inner["readOnlyRootFilesystem"] and inner["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_probes_ask_the_internal_port(probe: str) -> None:
    asked = pod(LEAST)["containers"][0][probe]["httpGet"]
    path = "/readyz" if probe == "readinessProbe" else "/healthz"
    assert asked == {"path": path, "port": "internal"}


def test_a_change_of_the_config_rolls_the_nodes() -> None:
    before, after = (
        nodes({**LEAST, "config": config})["spec"]["template"]["metadata"]["annotations"]
        for config in ("[log]\n", "[log]\nlevel = 'info'\n")
    )
    assert before != after


def test_the_network_policy_lets_nobody_to_the_metrics_unless_told() -> None:
    values = {**LEAST, "networkPolicy": {"enabled": True}}
    rules = rendered(values)["NetworkPolicy/demo-hereabouts"]["spec"]["ingress"]
    assert rules == [{"ports": [{"port": "http"}]}]
    assert len(rendered(MOST)["NetworkPolicy/demo-hereabouts"]["spec"]["ingress"]) == 2


def test_prometheus_finds_each_node() -> None:
    manifests = rendered(MOST)
    monitor = manifests["ServiceMonitor/demo-hereabouts"]["spec"]
    service = manifests["Service/demo-hereabouts-nodes"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]]
