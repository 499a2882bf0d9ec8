"""Each test of `tests/gateway` runs over both engines, or `one_engine.toml` says why not."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "gateway"
LEFT_OUT: Final = tomllib.loads((FOLDER / "one_engine.toml").read_text("utf-8"))
NAMES: Final = [name for reason in LEFT_OUT.values() for name in reason["names"]]


def test_what_is_left_out_is_there() -> None:
    assert len(set(NAMES)) == len(NAMES)
    for name in NAMES:
        file, _, test = name.partition("::")
        assert re.search(rf"^(async )?def {test or 'test_'}", (FOLDER / file).read_text("utf-8"), re.MULTILINE), name


def test_what_is_not_left_out_runs_in_an_arena() -> None:
    """Only an arena knows of engines: without one the second run would be the first one again."""
    for path in FOLDER.glob("test_*.py"):
        assert path.name in NAMES or "arena" in path.read_text("utf-8").lower(), f"{path.name} belongs in the list"
