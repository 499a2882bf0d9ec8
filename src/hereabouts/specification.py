"""The parts of `spec/` that follow from the code: `python -m hereabouts.specification` brings them up to date.

`spec/messages.json` has the schema of every message, `spec/codes.toml` every code and cause; the tables of
`spec/protocol.md` stand between marks. A test compares all of them with what is here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from hereabouts.engine.limits import Limits
from hereabouts.engine.phases import TRANSITIONS, Event, Phase
from hereabouts.errors import ERROR_CODES
from hereabouts.protocol.codes import CAUSES, CLOSE_CODES
from hereabouts.protocol.messages import CLIENT_MESSAGES, SERVER_MESSAGES, schemas

_REF: Final = "#/$defs/{name}"


def messages_json() -> str:
    """The schema of every message, as one JSON Schema document."""
    definitions = schemas(_REF)
    for name, messages in (("ClientMessage", CLIENT_MESSAGES), ("ServerMessage", SERVER_MESSAGES)):
        definitions[name] = {"oneOf": [{"$ref": _REF.format(name=message.__name__)} for message in messages]}
    document: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Hereabouts, native protocol, version 1",
        "description": "Every message. A client sends a ClientMessage, a server a ServerMessage, one a text frame.",
        "$defs": definitions,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def codes_toml() -> str:
    """Error codes, close codes and causes, for programs."""
    lines: list[str] = []
    for code, (status, meaning) in ERROR_CODES.items():
        lines += [f"[errors.{code}]", f"status = {status}", f"meaning = {_quoted(meaning)}", ""]
    for close in CLOSE_CODES:
        lines += [f"[closes.{close.number}]", f"name = {_quoted(close.name)}"]
        lines += [f"comes_back = {_quoted(close.comes_back)}", f"meaning = {_quoted(close.meaning)}", ""]
    lines += ["[causes]", *(f"{cause} = {_quoted(meaning)}" for cause, meaning in CAUSES.items()), ""]
    return "\n".join(lines)


def states_table() -> str:
    """What each event makes of each phase of a session; a dash is what cannot happen."""
    events = get_args(Event)
    rows = [["phase", *events]]
    rows += [[f"`{phase}`", *(TRANSITIONS.get((phase, event), "–") for event in events)] for phase in get_args(Phase)]
    return _table(rows)


def errors_table() -> str:
    """Every error code."""
    rows = [["code", "HTTP status", "meaning"]]
    rows += [[f"`{code}`", str(found.status), found.meaning] for code, found in ERROR_CODES.items()]
    return _table(rows)


def closes_table() -> str:
    """Every close code."""
    rows = [["code", "name", "come back", "meaning"]]
    rows += [[str(c.number), f"`{c.name}`", "yes" if c.comes_back else "no", c.meaning] for c in CLOSE_CODES]
    return _table(rows)


def causes_table() -> str:
    """Every cause of an end."""
    return _table([["cause", "meaning"], *([f"`{cause}`", meaning] for cause, meaning in CAUSES.items())])


def limits_table() -> str:
    """Every limit with its default."""
    rows = [["limit", "default", "of what"]]
    for field in msgspec.inspect.type_info(Limits).fields:  # type: ignore[attr-defined]
        rows.append([f"`{field.name}`", f"{field.default:,}", _description(field.type)])
    return _table(rows)


TABLES: Final[dict[str, Callable[[], str]]] = {
    "states": states_table,
    "errors": errors_table,
    "closes": closes_table,
    "causes": causes_table,
    "limits": limits_table,
}
"""The tables of `spec/protocol.md`, by the marks that they stand between."""


def with_tables(page: str) -> str:
    """The page with its tables as they are now."""
    for name, table in TABLES.items():
        before, rest = page.split(f"<!-- {name} -->\n", 1)
        _, after = rest.split(f"<!-- /{name} -->", 1)
        page = f"{before}<!-- {name} -->\n{table()}\n<!-- /{name} -->{after}"
    return page


def write(folder: Path) -> None:
    """Bring a `spec/` folder up to date."""
    (folder / "messages.json").write_text(messages_json(), "utf-8")
    (folder / "codes.toml").write_text(codes_toml(), "utf-8")
    page = folder / "protocol.md"
    page.write_text(with_tables(page.read_text("utf-8")), "utf-8")


def _table(rows: list[list[str]]) -> str:
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))


def _quoted(value: str | bool) -> str:
    # A JSON string, or true and false, are TOML's as well.
    return json.dumps(value, ensure_ascii=False)


def _description(kind: Any) -> str:
    return (
        str((kind.extra_json_schema or {}).get("description", "")) if isinstance(kind, msgspec.inspect.Metadata) else ""
    )


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "spec"))
