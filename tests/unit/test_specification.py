"""What is generated for `spec/` is current, and can be read by others."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from hereabouts import specification
from hereabouts.engine.phases import Event, Phase
from hereabouts.errors import ERROR_CODES
from hereabouts.protocol.codes import CAUSES, CLOSE_CODES
from hereabouts.protocol.messages import CLIENT_MESSAGES, SERVER_MESSAGES, tag_of

SPEC = Path(__file__).parents[2] / "spec"
RUN = "run `python -m hereabouts.specification`"


def test_the_schemas_are_current() -> None:
    assert (SPEC / "messages.json").read_text("utf-8") == specification.messages_json(), RUN


def test_the_codes_are_current() -> None:
    assert (SPEC / "codes.toml").read_text("utf-8") == specification.codes_toml(), RUN


def test_the_tables_of_the_page_are_current() -> None:
    page = (SPEC / "protocol.md").read_text("utf-8")
    assert page == specification.with_tables(page), RUN


def test_writing_brings_a_folder_up_to_date(tmp_path: Path) -> None:
    stale = "".join(f"<!-- {name} -->\nout of date\n<!-- /{name} -->\n" for name in specification.TABLES)
    (tmp_path / "protocol.md").write_text(stale)
    specification.write(tmp_path)
    written = (tmp_path / "protocol.md").read_text("utf-8")
    assert "out of date" not in written
    assert specification.states_table() in written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["codes.toml", "messages.json", "protocol.md"]


def test_every_reference_of_the_schemas_leads_somewhere() -> None:
    text = (SPEC / "messages.json").read_text("utf-8")
    definitions = json.loads(text)["$defs"]
    assert set(re.findall(r'"#/\$defs/(\w+)"', text)) <= set(definitions)
    for name, messages in (("ClientMessage", CLIENT_MESSAGES), ("ServerMessage", SERVER_MESSAGES)):
        named = [definitions[one["$ref"].rpartition("/")[2]] for one in definitions[name]["oneOf"]]
        assert [one["properties"]["type"]["enum"] for one in named] == [[tag_of(message)] for message in messages]


@pytest.mark.parametrize("place", ["Snapshot.members", "Delta.events", "Users.users"])
def test_what_is_forwarded_as_it_was_encoded_has_a_schema_too(place: str) -> None:
    message, _, field = place.partition(".")
    items = json.loads(specification.messages_json())["$defs"][message]["properties"][field]["items"]
    assert items["anyOf"]


def test_the_codes_are_readable_and_complete() -> None:
    told: dict[str, Any] = tomllib.loads((SPEC / "codes.toml").read_text("utf-8"))
    assert told["errors"] == {code: found._asdict() for code, found in ERROR_CODES.items()}
    assert told["causes"] == CAUSES
    assert {int(number): close["comes_back"] for number, close in told["closes"].items()} == {
        close.number: close.comes_back for close in CLOSE_CODES
    }


def test_the_table_of_states_has_every_phase_and_event() -> None:
    head, _, *rows = specification.states_table().splitlines()
    assert [cell.strip() for cell in head.split("|")[2:-1]] == list(get_args(Event))
    assert [row.split("|")[1].strip(" `") for row in rows] == list(get_args(Phase))


def test_every_call_is_on_the_page() -> None:
    page = (SPEC / "protocol.md").read_text("utf-8")
    paths = json.loads((SPEC / "openapi.json").read_text("utf-8"))["paths"]
    assert [path for path in paths if path not in page] == []


@pytest.mark.parametrize("name", ["protocol.md", "semantics.md"])
def test_the_links_of_the_pages_lead_somewhere(name: str) -> None:
    page = (SPEC / name).read_text("utf-8")
    places = {re.sub(r"[^\w -]", "", line.lstrip("# ")).strip().lower().replace(" ", "-") for line in page.splitlines()}
    for file, _, place in (link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", page)):
        assert not file or (SPEC / file).exists(), file
        assert file or not place or place in places, place
