"""What the source must look like."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SRC: Final = ROOT / "src" / "hereabouts"

SLEEPERS: Final = {
    "src/hereabouts/testing/waiting.py": "the place where waiting is done",
    "src/hereabouts/testing/fault_proxy.py": "delay is its work",
    "src/hereabouts/testing/lossy.py": "delay is its work, on virtual time",
}
"""Where a test's code may sleep, and why. What runs on virtual time may too: there nothing takes time."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text("utf-8")))


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    return ((ast.unparse(node.func), node) for node in nodes(path) if isinstance(node, ast.Call))


def public(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith(("_", "test_")):
            yield node


def test_no_file_is_over_600_lines() -> None:
    long = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in files("src", "tests", "bench")}
    assert {name: lines for name, lines in long.items() if lines > 600} == {}


def test_no_function_is_over_60_lines() -> None:
    long = {
        f"{name_of(path)}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in files("src", "bench")
        for node in nodes(path)
        if isinstance(node, Function)
    }
    assert {name: lines for name, lines in long.items() if lines > 60} == {}


def test_no_class_is_called_by_a_word_that_says_nothing() -> None:
    empty = re.compile("(Manager|Handler|Helper|Util|Utils|Service)$")
    classes = [
        f"{name_of(path)}: {node.name}"
        for path in files("src", "tests", "bench")
        for node in nodes(path)
        if isinstance(node, ast.ClassDef) and empty.search(node.name)
    ]
    assert classes == []


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(TODO|FIXME|XXX)\b")
    left = [
        f"{name_of(path)}:{number}"
        for path in files("src", "tests", "bench", "examples")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if later.search(line) and path != Path(__file__)
    ]
    assert left == []


def test_no_test_sleeps_and_hopes() -> None:
    sleeps = [
        f"{name_of(path)}:{call.lineno}"
        for path in files("tests", "src/hereabouts/testing")
        if name_of(path) not in SLEEPERS and "virtual_time" not in path.read_text("utf-8")
        for name, call in calls(path)
        if name in {"asyncio.sleep", "time.sleep", "sleep"} and ast.unparse(call.args[0]) != "0"
    ]
    assert sleeps == [], (
        "hereabouts.testing.waiting has eventually, never, and pause where the time itself is the cause"
    )


def test_no_cancellation_can_be_lost() -> None:
    losing = [
        f"{name_of(path)}:{call.lineno}"
        for path in files("src")
        for name, call in calls(path)
        if name == "asyncio.wait_for"
    ]
    assert losing == [], "before Python 3.12 it may lose a cancellation: use asyncio.timeout (CPython, issue 86296)"


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    skipping = re.compile(r"^(pytest\.)?(mark\.)?(skip|skipif|xfail|importorskip)$")
    skips = [
        f"{name_of(path)}:{node.lineno}"
        for path in files("tests", "src/hereabouts/testing")
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and skipping.match(ast.unparse(node).removeprefix("pytest."))
    ]
    assert skips == []


def test_every_public_name_says_what_it_is() -> None:
    silent = []
    for path in files("src"):
        tree = ast.parse(path.read_text("utf-8"))
        if ast.get_docstring(tree) is None and tree.body:
            silent.append(name_of(path))
        for node in public(tree.body):
            members = public(node.body) if isinstance(node, ast.ClassDef) else ()
            for told in (node, *members):
                setter = any(ast.unparse(decorator).endswith(".setter") for decorator in told.decorator_list)
                if ast.get_docstring(told) is None and not setter:
                    silent.append(f"{name_of(path)}: {node.name}.{told.name}")
    # A suite names its methods so that no more words are needed; the rules a class is called by are its base's.
    assert [name for name in silent if not re.search(r"_contract\.py: \w+\.test_", name)] == []


@pytest.mark.parametrize("folder", ["protocol", "engine"])
def test_what_decides_cannot_wait(folder: str) -> None:
    waiting = [
        f"{name_of(path)}:{node.lineno}"
        for path in sorted((SRC / folder).glob("*.py"))
        for node in nodes(path)
        if isinstance(node, ast.Await | ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith)
    ]
    assert waiting == []


def test_nobody_imports_upwards(capfd: pytest.CaptureFixture[str]) -> None:
    from importlinter.cli import lint_imports

    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True) == 0, capfd.readouterr().out
