"""What the pages of administration and policy show runs as it stands, and is answered as they say."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import httpx

from hereabouts.engine.policy import PolicyBook
from hereabouts.engine.relations import require_sound
from hereabouts.testing.admins import admin
from hereabouts.testing.arena import Arena

DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = re.compile(r"^```(http|json|toml)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in BLOCKS.finditer((DOCS / page).read_text("utf-8"))]


async def made(http: httpx.AsyncClient, block: str) -> httpx.Response:
    line, _, body = block.partition("\n")
    method, _, path = line.partition(" ")
    return await http.request(method, path, json=json.loads(body) if body.strip() else None)


async def runs(page: str, folder: Path) -> int:
    """Make the calls of a page in their order; how many."""
    count, answer = 0, None
    async with Arena({"journal": {"url": f"sqlite:///{folder / 'journal.db'}"}}) as arena, admin(arena) as eve:
        for name in ("ada", "bob"):
            await arena.enter(name, "lobby")
        for kind, block in blocks(page):
            if kind == "http":
                count, answer = count + 1, await made(eve.http, block)
                assert answer.status_code == 200, (block, answer.text)
            elif kind == "json":
                assert answer is not None
                assert answer.json().keys() == json.loads(block).keys(), block
    return count


async def test_the_calls_of_the_page_on_administration_are_made(tmp_path: Path) -> None:
    assert await runs("administration.md", tmp_path) >= 10


async def test_the_calls_of_the_page_on_policy_are_made(tmp_path: Path) -> None:
    assert await runs("policy.md", tmp_path) >= 3


def test_the_layers_of_the_page_on_policy_are_sound() -> None:
    for kind, block in blocks("policy.md"):
        if kind == "toml":
            require_sound(PolicyBook(tomllib.loads(block)["policy"]))
