"""The alert rules, run by Prometheus' own `promtool` over series that are made up here."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from hereabouts.testing.programs import program

RULES: Final = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yml"
ALERTS: Final = [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]

NODE: Final = '{job="hereabouts",instance="node-1"}'


def on(name: str, values: str, **labels: str) -> tuple[str, str]:
    """A series of one node, in promtool's notation: a value each 15 s."""
    more = "".join(f',{label}="{value}"' for label, value in labels.items())
    return (name if name == "up" else f"hereabouts_{name}") + NODE[:-1] + more + "}", values


OF_ALL: Final = {"HereaboutsVersionsDiffer"}
"""Alerts that are about all nodes of a job together."""

HOUR: Final = 240
SICK: Final[dict[str, list[tuple[str, str]]]] = {
    "HereaboutsDown": [on("up", f"0x{HOUR}")],
    "HereaboutsSweepLate": [on("sweep_age_seconds", f"0+15x{HOUR}")],
    "HereaboutsCanaryLate": [on("canary_seconds", f"7x{HOUR}")],
    "HereaboutsDegraded": [on("degraded", f"1x{HOUR}")],
    "HereaboutsJournalFailing": [on("journal_failing", f"1x{HOUR}")],
    "HereaboutsJournalLosesRows": [on("journal_lost_rows_total", f"0+1x{HOUR}")],
    "HereaboutsJournalBehind": [on("journal_queued_rows", f"5000+500x{HOUR}")],
    "HereaboutsJournalGrows": [on("journal_stored_rows", f"0+1000x{HOUR}", table="transitions")],
    "HereaboutsNodeLost": [on("leaves_total", f"_x{HOUR - 10} 500x10", cause="node_lost")],
    "HereaboutsNodeStands": [on("nodes", f"2x{HOUR}", state="serving"), on("nodes", f"1x{HOUR}", state="stalled")],
    "HereaboutsVersionsDiffer": [
        on("build_info", f"1x{HOUR}", version="1.0.0"),
        on("build_info", f"1x{HOUR}", version="1.1.0"),
    ],
    "HereaboutsStalls": [on("stalled_seconds_total", f"0+2x{HOUR}")],
    "HereaboutsSlowReaders": [on("slow_readers_total", f"0+6x{HOUR}")],
    "HereaboutsContactLost": [
        on("leaves_total", f"0+30x{HOUR}", cause="lease_expired"),
        on("leaves_total", f"0+10x{HOUR}", cause="leave"),
    ],
    "HereaboutsFaults": [on("faults_total", f"0+1x{HOUR}")],
    "HereaboutsStoreBreaks": [on("store_breaks_total", f"0+1x{HOUR}")],
    "HereaboutsDrainHangs": [on("draining", f"1x{HOUR}")],
    "HereaboutsWebhookLate": [on("webhook_oldest_age_seconds", f"0+15x{HOUR}", endpoint="crm")],
    "HereaboutsWebhookDead": [on("webhook_dead", f"3x{HOUR}", endpoint="crm")],
    "HereaboutsResolverFails": [
        on("resolver_answers_total", f"0+10x{HOUR}", result="answered"),
        on("resolver_answers_total", f"0+10x{HOUR}", result="late"),
    ],
}
"""What each alert is for. At the end of the hour it stands."""

SOUND: Final = [
    on("up", f"1x{HOUR}"),
    on("sweep_age_seconds", f"0.5x{HOUR}"),
    on("canary_seconds", f"0.1x100 8x2 0.1x{HOUR}"),
    on("canary_missed_total", f"3x{HOUR}"),
    on("degraded", f"0x100 1x2 0x{HOUR}"),
    on("journal_failing", f"0x100 1x2 0x{HOUR}"),
    on("journal_lost_rows_total", f"7x{HOUR}"),
    on("journal_queued_rows", f"0+40x100 4000-40x{HOUR}"),
    on("journal_stored_rows", f"90000000+10x{HOUR}", table="transitions"),
    on("leaves_total", f"500x{HOUR}", cause="node_lost"),
    on("nodes", f"2x{HOUR}", state="serving"),
    on("nodes", f"0x100 1x8 0x{HOUR}", state="dead"),
    on("build_info", f"1x{HOUR}", version="1.0.0"),
    on("build_info", "_x100 1x40", version="1.1.0"),
    on("leaves_total", f"0+10x{HOUR}", cause="lease_expired"),
    on("leaves_total", f"0+30x{HOUR}", cause="leave"),
    on("stalled_seconds_total", f"0+0.1x{HOUR}"),
    on("slow_readers_total", f"0+1x{HOUR}"),
    on("faults_total", f"2x{HOUR}"),
    on("store_breaks_total", f"0x{HOUR - 20} 1x20"),
    on("draining", f"0x100 1x2 0x{HOUR}"),
    on("webhook_oldest_age_seconds", f"30x{HOUR}", endpoint="crm"),
    on("webhook_dead", f"0x{HOUR}", endpoint="crm"),
    on("resolver_answers_total", f"0+100x{HOUR}", result="answered"),
    on("resolver_answers_total", f"0+1x{HOUR}", result="late"),
]
"""An hour in which nothing is the matter: short faults that passed, and counters of old ones."""


def case(series: list[tuple[str, str]], at: str, expected: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series],
        "alert_rule_test": [
            {"eval_time": at, "alertname": name, "exp_alerts": alerts} for name, alerts in expected.items()
        ],
    }


def promtool(folder: Path, *cases: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    page = folder / "cases.yml"
    page.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "15s", "tests": list(cases)}))
    return subprocess.run([program("promtool"), "test", "rules", page], capture_output=True, text=True)


def test_the_rules_are_sound() -> None:
    checked = subprocess.run([program("promtool"), "check", "rules", RULES], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(ALERTS)} rules" in checked.stdout


def test_every_alert_has_its_case() -> None:
    assert list(SICK) == [alert["alert"] for alert in ALERTS]


@pytest.mark.parametrize("at", ["10m", "40m", "60m"])
def test_a_sound_node_wakes_nobody(at: str, tmp_path: Path) -> None:
    tested = promtool(tmp_path, case(SOUND, at, {name: [] for name in SICK}))
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("name", SICK)
def test_an_alert_stands_when_what_it_is_for_lasts(name: str, tmp_path: Path) -> None:
    """promtool wants the alert whole, so that we ask for one with no labels, and read that another one stood there."""
    tested = promtool(tmp_path, case(SICK[name], "60m", {name: []}))
    assert tested.returncode == 1, f"{name} does not stand"
    got = tested.stdout + tested.stderr
    assert f'alertname="{name}"' in got
    assert ('job="hereabouts"' if name in OF_ALL else 'instance="node-1"') in got
    assert "<error" not in got and "<no value>" not in got
    assert "summary=" in got
