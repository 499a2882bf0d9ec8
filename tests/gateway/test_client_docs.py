"""What the client's page and its example show runs as it stands."""

from __future__ import annotations

import ast
import asyncio
import hashlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from inspect import isawaitable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from hereabouts.client import AsyncPresence
from hereabouts.testing.arena import Arena

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs" / "python-client.md").read_text(), re.MULTILINE | re.DOTALL
)
KEY = "hk_" + "k" * 43
ENDLESS_SECONDS = 0.7
"""An example that follows events is followed for so long."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Arena]:
    keys = [{"name": "app", "hash": hashlib.sha256(KEY.encode()).hexdigest(), "scopes": ["read", "tokens"]}]
    journal = {"url": f"sqlite:///{tmp_path}/h.db"}
    async with Arena(
        {"journal": journal, "auth": {"api_keys": keys, "secret": "s" * 40, "algorithms": ["HS256"]}}
    ) as arena:
        yield arena


async def run(code: CodeType, names: dict[str, Any]) -> None:
    found = FunctionType(code, names)()
    if isawaitable(found):
        await found
    if "program" in names:
        await asyncio.to_thread(names["program"])


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: str(block).split("\n")[0][-40:])
async def test_an_example_of_the_page_runs(server: Arena, block: str) -> None:
    code = compile(block, "python-client.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    url = f"http://127.0.0.1:{server.port}"
    names: dict[str, Any] = {"url": url, "api_key": KEY}
    async with AsyncPresence(url, "dev:bob") as bob, bob.room("doc:42"):
        try:
            async with asyncio.timeout(None if "async for" not in block else ENDLESS_SECONDS):
                await run(code, names)
        except TimeoutError:
            assert "async for" in block


async def test_the_example_tells_who_comes_and_goes(server: Arena) -> None:
    url = f"http://127.0.0.1:{server.port}"
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "examples" / "python_client.py"),
        *(url, "dev:ada", "lobby"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    try:
        async with asyncio.timeout(20):
            assert await program.stdout.readline() == b"here: ada\n"
            async with AsyncPresence(url, "dev:bob") as bob, bob.room("lobby"):
                assert await program.stdout.readline() == b"bob is here (online)\n"
            while (line := await program.stdout.readline()) != b"bob is gone (leave)\n":
                assert line, "the example ended"
    finally:
        program.kill()
        await program.wait()


def test_the_client_loads_nothing_of_the_server() -> None:
    program = "import sys, hereabouts.client; print(*(n for n in sys.modules if n.startswith('hereabouts.')))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    allowed = ("hereabouts.client", "hereabouts.protocol", "hereabouts.errors", "hereabouts.version")
    assert [name for name in loaded if not name.startswith(allowed)] == []
