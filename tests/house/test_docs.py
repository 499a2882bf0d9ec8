"""What can be set, counted and answered is written down."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from hereabouts.engine.policy import PRESETS
from hereabouts.errors import ERROR_CODES
from hereabouts.protocol.codes import CLOSE_CODES, Declared, Status
from hereabouts.protocol.messages import CLIENT_MESSAGES, SERVER_MESSAGES
from hereabouts.runtime.overview import COUNTED, Stats
from hereabouts.settings import tables
from hereabouts.telemetry import MEASURES

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_the_tables_of_the_configuration_are_current() -> None:
    held = page("docs/configuration.md").split("<!-- keys -->\n")[1].split("\n<!-- /keys -->")[0]
    assert held == tables(), "run `python -m hereabouts.settings` and put what it prints between the marks"


def test_every_preset_is_named() -> None:
    text = page("docs/configuration.md")
    assert [preset for preset in PRESETS if f"`{preset}`" not in text] == []


def test_every_metric_is_documented_and_no_other() -> None:
    rows = set(re.findall(r"^\| `hereabouts_(\w+)` \| (\w+) \|", page("docs/metrics.md"), re.MULTILINE))
    assert rows == {(measure.name, measure.kind) for measure in MEASURES}


def test_figures_say_when_and_on_what_they_were_measured() -> None:
    figures = page("docs/performance.md").split("## Figures\n")[1].split("\n| bench |")[0]
    assert re.search(r"Measured in \w+ 20\d\d: Python [\d.]+, \w+ CPUs", figures), figures


def test_every_error_code_is_documented() -> None:
    text = page("spec/protocol.md")
    assert [code for code in ERROR_CODES if f"`{code}`" not in text] == []


def test_every_close_code_is_documented() -> None:
    text = page("spec/protocol.md")
    assert [code.number for code in CLOSE_CODES if str(code.number) not in text] == []


def test_every_message_is_documented() -> None:
    text = page("spec/protocol.md")
    tags = [str(message.__struct_config__.tag) for message in (*CLIENT_MESSAGES, *SERVER_MESSAGES)]
    assert [tag for tag in tags if f"`{tag}`" not in text] == []


def test_every_status_is_documented_and_counted() -> None:
    text = page("spec/protocol.md")
    assert [word for word in {*get_args(Status), *get_args(Declared)} if f"`{word}`" not in text] == []
    assert set(COUNTED) <= set(Stats.__struct_fields__), "give it a number in `Stats`"


@pytest.mark.parametrize("name", ["js/src/messages.ts", "console/src/shapes.ts"])
def test_the_browser_knows_every_status(name: str) -> None:
    (union,) = re.findall(r"^export type Status = ([^;]+);", page(name), re.MULTILINE)
    assert set(re.findall(r'"(\w+)"', union)) == set(get_args(Status))


def test_the_client_may_declare_what_the_server_takes() -> None:
    (union,) = re.findall(r"^export type Declared = ([^;]+);", page("js/src/messages.ts"), re.MULTILINE)
    assert set(re.findall(r'"(\w+)"', union)) == set(get_args(Declared))


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
    ],
)
def test_links_lead_somewhere(name: str) -> None:
    here = (ROOT / name).parent
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page(name))
    assert [link for link in links if not (here / link).exists()] == []
