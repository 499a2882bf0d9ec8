"""Bugs, planted one at a time into a copy of the source: the tests named beside each must fail.

`planted/*.toml` lists them; docs/testing.md says how. Two run at once, each in a process of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[2]
SRC: Final = ROOT / "src" / "hereabouts"
AT_ONCE: Final = 2
TIMEOUT_SECONDS: Final = 120
ON_ONE_ENGINE: Final = "not valkey+postgres"


class Bug(NamedTuple):
    """`new` in the place of `old` in one file, and the tests that notice; `only` is pytest's `-k`."""

    name: str
    file: str
    old: str
    new: str
    tests: list[str]
    only: str = ""


class Verdict(NamedTuple):
    """How pytest ended; 0 is all green, 1 is a test that failed."""

    code: int
    output: str


BUGS: Final = [
    Bug(**bug)
    for page in sorted((ROOT / "tests" / "house" / "planted").glob("*.toml"))
    for bug in tomllib.loads(page.read_text("utf-8"))["bug"]
]
_TESTS: Final = {Path(test).parent: test for bug in BUGS for test in sorted(bug.tests, reverse=True)}
SOUND: Final = Bug("no bug at all", "version.py", "", "", sorted(_TESTS.values()))
"""A file of tests from each folder: it shows that where they run they can pass. All of them pass beside this one."""


def plant(bug: Bug, folder: Path) -> None:
    shutil.copytree(SRC, folder / "hereabouts", ignore=shutil.ignore_patterns("__pycache__"))
    target = folder / "hereabouts" / bug.file
    if bug is not SOUND:
        target.write_text(target.read_text("utf-8").replace(bug.old, bug.new), "utf-8")


def run(bug: Bug, folder: Path) -> Verdict:
    plant(bug, folder)
    # Only the plugins that the tests use: each of the others would cost every bug a second.
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    only = f"({bug.only}) and {ON_ONE_ENGINE}" if bug.only else ON_ONE_ENGINE
    command += [
        "-p",
        "pytest_asyncio.plugin",
        "-p",
        "pytest_timeout",
        "-p",
        "_hypothesis_pytestplugin",
        "-k",
        only,
        *bug.tests,
    ]
    command += ["--basetemp", str(folder / "temporary"), "-o", f"faulthandler_timeout={TIMEOUT_SECONDS / 2}"]
    surroundings = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
    }
    try:
        done = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"") + (late.stderr or b"")
        return Verdict(-1, f"not done in {TIMEOUT_SECONDS} s\n{said.decode(errors='replace')}")
    return Verdict(done.returncode, (done.stdout + done.stderr).decode(errors="replace"))


@pytest.fixture(scope="module")
def verdicts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Verdict]]]:
    """The runs of all bugs that this session asks for, begun at once."""
    wanted = {item.name for item in request.session.items if item.path == Path(__file__)}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            bug.name: pool.submit(run, bug, tmp_path_factory.mktemp("planted"))
            for bug in (SOUND, *BUGS)
            if (test_without_a_bug_they_pass.__name__ if bug is SOUND else f"test_the_bug_is_noticed[{bug.name}]")
            in wanted
        }
        pool.shutdown(cancel_futures=True)


def test_without_a_bug_they_pass(verdicts: dict[str, Future[Verdict]]) -> None:
    verdict = verdicts[SOUND.name].result()
    assert verdict.code == 0, verdict.output


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_bug_is_noticed(bug: Bug, verdicts: dict[str, Future[Verdict]]) -> None:
    occurs = (SRC / bug.file).read_text("utf-8").count(bug.old)
    assert occurs == 1, f"{bug.old!r} stands {occurs} times in {bug.file}; it must stand there once"
    verdict = verdicts[bug.name].result()
    assert verdict.code == 1, f"nothing noticed that {bug.name}\n{verdict.output}"


def test_every_bug_has_a_name_of_its_own() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 12
