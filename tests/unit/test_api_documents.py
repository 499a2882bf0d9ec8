"""The documents of the API: valid, whole, and the ones in `spec/`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from hereabouts.errors import ERROR_CODES
from hereabouts.gateway.asyncapi import STREAMED, asyncapi_document
from hereabouts.gateway.openapi import CALLS, openapi_document
from hereabouts.protocol.messages import CLIENT_MESSAGES, SERVER_MESSAGES

SPEC = Path(__file__).parents[2] / "spec"
MAKERS = {"openapi": openapi_document, "asyncapi": asyncapi_document}


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for held in node.values():
            yield from references(held)
    elif isinstance(node, list):
        for held in node:
            yield from references(held)


def found(document: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        document = document[step.replace("~1", "/").replace("~0", "~")]
    return document


@pytest.mark.parametrize("name", MAKERS)
def test_the_document_in_spec_is_current(name: str) -> None:
    held = json.loads((SPEC / f"{name}.json").read_text("utf-8"))
    assert held == json.loads(json.dumps(MAKERS[name]())), f"run `hereabouts {name} > spec/{name}.json`"


@pytest.mark.parametrize("name", MAKERS)
def test_every_reference_leads_somewhere(name: str) -> None:
    document = MAKERS[name]()
    assert all(found(document, reference) for reference in set(references(document)))


@pytest.mark.parametrize("name", MAKERS)
def test_every_schema_is_one(name: str) -> None:
    for schema in MAKERS[name]()["components"]["schemas"].values():
        jsonschema_rs.Draft202012Validator(schema | {"components": MAKERS[name]()["components"]})


def test_every_call_has_an_operation_of_its_own_name() -> None:
    document = openapi_document()
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    assert {call.name for call in CALLS} <= set(names)


def test_every_code_of_a_call_is_a_code() -> None:
    assert {code for call in CALLS for code in call.all_codes} <= ERROR_CODES.keys()


def test_calls_with_a_credential_say_which() -> None:
    for call in CALLS:
        security = openapi_document()["paths"][call.path][call.method.lower()]["security"]
        assert bool(security) == (call.access != "anybody")


def test_parameters_in_the_path_are_declared() -> None:
    for path, operations in openapi_document()["paths"].items():
        for operation in operations.values():
            declared = {held["name"] for held in operation.get("parameters", ()) if held["in"] == "path"}
            assert declared == {step[1:-1] for step in path.split("/") if step.startswith("{")}


def test_asyncapi_is_shaped_as_version_3_asks() -> None:
    document = asyncapi_document()
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= document["info"].keys()
    for operation in document["operations"].values():
        assert operation["action"] in ("send", "receive")
        channel = found(document, operation["channel"]["$ref"])
        for message in operation["messages"]:
            assert found(document, message["$ref"]) in channel["messages"].values()


def test_asyncapi_has_every_message() -> None:
    document = asyncapi_document()
    messages = document["components"]["messages"]
    assert {message.__name__ for message in (*CLIENT_MESSAGES, *SERVER_MESSAGES)} == messages.keys()
    assert set(document["channels"]["events"]["messages"]) == {message.__name__ for message in STREAMED}
    for message in messages.values():
        payload = found(document, message["payload"]["$ref"])
        assert payload["properties"]["type"]["enum"] == [message["name"]]


def test_every_call_is_in_the_manual_and_no_other() -> None:
    text = (SPEC.parent / "docs" / "http.md").read_text("utf-8")
    told = set(re.findall(r"^\| `(GET|POST|PUT|DELETE) ([^?`]+)", text, re.MULTILINE))
    paths = openapi_document()["paths"]
    made = {(method.upper(), path) for path, held in paths.items() for method in held if not path.endswith(".json")}
    assert told == made
