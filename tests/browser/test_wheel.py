"""The wheel: built once from the checkout, installed into an empty folder, it serves what browsers get without Node."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import httpx
import pytest

ROOT: Final = Path(__file__).parents[2]
STARTED: Final = re.compile(r"url=(?:\x1b\[\d*m)*(http://[\d.:]+)")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with what the lock pins, as an installation by pip would, but for the isolation."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_has_what_browsers_get_and_nothing_of_how_it_was_made(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    assert {"hereabouts/console_files/index.html", "hereabouts/console_files/console.js"} <= set(names)
    assert {"hereabouts/demo_files/index.html", "hereabouts/demo_files/demo.js"} <= set(names)
    assert {"hereabouts/browser_files/index.js", "hereabouts/browser_files/elements.js"} <= set(names)
    assert [name for name in names if "node_modules" in name or name.endswith((".ts", ".tsx", ".map"))] == []
    assert wheel.stat().st_size < 2_000_000


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a server that runs from the installed wheel, in a world without Node."""
    site = tmp_path / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(pip, check=True)
    environment = {"PYTHONPATH": str(site), "PATH": str(tmp_path), "HOME": str(tmp_path), "NO_COLOR": "1"}
    command = [sys.executable, "-P", "-m", "hereabouts", "dev", "--port", "0"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    found_in = filter(None, map(STARTED.search, process.stdout))
    started = next(found_in)
    where = "import hereabouts; print(hereabouts.__file__)"
    found = subprocess.check_output([sys.executable, "-P", "-c", where], cwd=tmp_path, env=environment, text=True)
    assert found.startswith(str(site))
    yield started[1]
    process.kill()
    process.communicate()


def test_an_installed_wheel_serves_the_demo_and_the_console(installed: str) -> None:
    with httpx.Client(base_url=installed, follow_redirects=True) as http:
        assert http.get("/").status_code == 200
        page = http.get("/console")
        assert page.status_code == 200
        for name in re.findall(r'(?:src|href)="\./([\w.-]+)"', page.text):
            part = http.get(f"/console/{name}")
            assert part.status_code == 200 and len(part.content) > 1_000, name
        assert http.post("/console/session", json={"key": "dev:eve:admin"}).json()["name"] == "user:eve"


def test_an_editable_installation_builds_nothing() -> None:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    hook = module_from_spec(spec)
    spec.loader.exec_module(hook)
    told: dict[str, object] = {}
    hook.BrowserFiles.initialize(None, "editable", told)
    assert told == {}
    assert os.access(ROOT / "scripts" / "build", os.X_OK)
