"""Metrics are exposed as they were counted; logs keep secrets and stay on their line."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from hereabouts.telemetry import MEASURES, Telemetry, exposition, log_to_stderr, redact


def test_what_is_counted_is_exposed_under_its_name() -> None:
    telemetry = Telemetry()
    telemetry.beats += 3
    telemetry.left("lease_expired")
    text = exposition(telemetry.readings)().decode()
    assert "hereabouts_beats_total 3.0" in text
    assert 'hereabouts_leaves_total{cause="lease_expired"} 1.0' in text


def test_every_counter_is_declared() -> None:
    assert {measure.name for measure in MEASURES} >= set(Telemetry().readings())


def test_no_two_metrics_have_one_name() -> None:
    assert len({measure.name for measure in MEASURES}) == len(MEASURES)


@pytest.mark.parametrize(
    "field", ["token", "leave_token", "Authorization", "auth-secret", "resume", "api_key", "cookie"]
)
def test_secrets_are_hidden_at_any_depth(field: str) -> None:
    told = redact(None, "info", {"a": {"b": {field: "hunter2"}}, field: "hunter2", "resumed": True})
    assert "hunter2" not in json.dumps(told)
    assert told["resumed"] is True


def test_a_log_line_stays_one_line_and_a_traceback_shows_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("info", "json")
    try:
        structlog.get_logger("hereabouts").info("a\nb", user="\x1b[31mred\u202e")
        try:
            secret = "hunter2"
            raise ValueError(len(secret))
        except ValueError as error:
            structlog.get_logger("hereabouts").error("fault", exc_info=error)
        logging.getLogger("somebody").warning("their\nown")
        lines = capsys.readouterr().err.splitlines()
    finally:
        structlog.reset_defaults()
        logging.basicConfig(handlers=[], force=True)
    first, fault, theirs = [json.loads(line) for line in lines]
    assert first["event"] == "a\\u000ab"
    assert first["user"] == "\\u001b[31mred\\u202e"
    assert fault["exception"][0]["exc_type"] == "ValueError"
    assert "hunter2" not in lines[1]
    assert theirs["event"] == "their\\u000aown"
