"""Each test of `tests/gateway` runs over both engines, or `one_engine.toml` says why not."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest

FOLDER: Final = Path(__file__).parents[1] / "gateway"


def listed(page: str) -> list[str]:
    reasons = tomllib.loads((FOLDER / page).read_text("utf-8")).values()
    return [name for reason in reasons for name in reason["names"]]


NAMES: Final = listed("one_engine.toml")


@pytest.mark.parametrize("names", [NAMES, listed("two_nodes.toml")])
def test_what_is_named_is_there(names: list[str]) -> None:
    assert len(set(names)) == len(names)
    for name in names:
        file, _, test = name.partition("::")
        assert re.search(rf"^(async )?def {test or 'test_'}", (FOLDER / file).read_text("utf-8"), re.MULTILINE), name


def test_what_is_not_left_out_runs_in_an_arena() -> None:
    """Only an arena knows of engines: without one the second run would be the first one again."""
    for path in FOLDER.glob("test_*.py"):
        assert path.name in NAMES or "arena" in path.read_text("utf-8").lower(), f"{path.name} belongs in the list"
