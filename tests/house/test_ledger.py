"""docs/ledger.md: every feature that was asked for has one row, and the tests that it names are there."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from hereabouts.gateway.openapi import CALLS

ROOT: Final = Path(__file__).parents[2]
IDS: Final = (ROOT / "tests" / "house" / "ledger_ids.txt").read_text("utf-8").split()
ID: Final = re.compile(r"(?:S\d-\d\d|D\d+|A\d)")
EXCUSES: Final = ("*not yet*", "*left out*", "*measured*", "nothing to build")
"""One of these stands in the third column where no test does."""


class Row(NamedTuple):
    """One row of the page: what is asked, where it is, and the tests as written."""

    id: str
    ask: str
    place: str
    test: str


def rows() -> list[Row]:
    text = (ROOT / "docs" / "ledger.md").read_text("utf-8")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [Row(*row) for row in cells if ID.fullmatch(row[0])]


@cache
def names_in(file: Path) -> frozenset[str]:
    """The names of a file's test functions. A TypeScript test is named by its words."""
    text = file.read_text("utf-8")
    if file.suffix != ".py":
        return frozenset(re.findall(r"""\b(?:it|test)\(\s*["'`](.+?)["'`]\s*,""", text))
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(function.name for function in functions if function.name.startswith("test_"))


def named(row: Row) -> list[tuple[Path, str]]:
    pairs = (name.partition("::") for name in re.findall(r"`([^`]+)`", row.test))
    return [(ROOT / path, test) for path, _, test in pairs]


def test_every_row_that_was_asked_for_is_on_the_page_once() -> None:
    assert Counter(row.id for row in rows()) == Counter(IDS)


def test_every_test_that_the_page_names_exists() -> None:
    pairs = {pair for row in rows() for pair in named(row)}
    assert pairs
    missing = [
        f"{path.relative_to(ROOT)}::{test}" for path, test in pairs if not path.is_file() or test not in names_in(path)
    ]
    assert sorted(missing) == []


def test_every_call_and_setting_that_the_page_names_exists() -> None:
    calls = {f"{call.method} {call.path}" for call in CALLS}
    places = " ".join(row.place for row in rows())
    named_calls = {call.split("?")[0] for call in re.findall(r"`((?:GET|POST|PUT|DELETE) /[^`]+)`", places)}
    assert sorted(named_calls - calls) == []
    settings = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    tables = r"`((?:server|auth|journal|backend|log|limits|beat|lease|typing|occupancy|fanout)\.[a-z_]+)`"
    assert [key for key in sorted(set(re.findall(tables, places))) if f"`{key}`" not in settings] == []


def test_a_row_names_a_test_or_says_why_not() -> None:
    silent = [
        row.id for row in rows() if not named(row) and not (row.test == "-" and any(e in row.place for e in EXCUSES))
    ]
    assert silent == []
