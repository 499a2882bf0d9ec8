"""The examples of docs/privacy.md are served and called as they stand there."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from secrets import token_bytes
from typing import Any

import httpx

from hereabouts.auth.api_keys import new_key
from hereabouts.checks import check_settings
from hereabouts.settings import load
from hereabouts.testing.arena import Arena

PAGE = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text("utf-8")
SCOPES = ["read", "write", "admin"]
KEY = new_key("host", SCOPES, [], token_bytes)
AUTH = {"api_keys": [{"name": "host", "hash": KEY.line.split('hash = "')[1][:64], "scopes": SCOPES}]}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_setting_of_the_page_can_be_served() -> None:
    for block in blocks("toml"):
        settings = load(None, {"policy": {"default": {"preset": "chat"}}} | tomllib.loads(block), environment={})
        assert check_settings(settings, is_dev=True).errors == ()


async def test_every_call_of_the_page_answers_as_it_says(tmp_path: Path) -> None:
    calls = re.findall(r"^\$ curl (.*)\n((?:\{.*\n)?)", "".join(blocks("console")), re.MULTILINE)
    assert len(calls) == 6
    async with Arena({"auth": AUTH, "journal": {"url": f"sqlite:///{tmp_path}/journal.db"}}) as arena:
        await arena.enter("ada", "lobby")
        for command, told in sorted(calls, key=lambda call: "should_notify" not in call[0]):
            await arena.node.context.journal.flush()
            answer = await curl(arena.port, command)
            assert answer.is_success, answer.text
            assert shape(answer.json() if answer.content else None) == shape(expected(told))


async def curl(port: int, command: str) -> httpx.Response:
    words = shlex.split(command)
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    path = next(word for word in words if word.startswith("localhost:8765")).removeprefix("localhost:8765")
    assert words[words.index("-H") + 1] == "X-API-Key: hk_…"
    async with httpx.AsyncClient(timeout=5) as http:
        return await http.request(method, f"http://127.0.0.1:{port}{path}", headers={"X-API-Key": KEY.key})


def expected(told: str) -> Any:
    return json.loads(told.replace("…", "")) if told else None


def shape(value: Any) -> Any:
    """The value without what differs each time: what stands in long answers, and times."""
    if not isinstance(value, dict):
        return value
    left_out = {"exported_at": int, "sessions": list, "stored": dict}
    return {
        name: left_out[name] if isinstance(held, left_out.get(name, ())) else shape(held)
        for name, held in value.items()
    }
