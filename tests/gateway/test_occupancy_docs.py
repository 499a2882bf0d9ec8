"""What the page on occupancy shows works as it stands."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import httpx

from hereabouts.engine.policy import PolicyBook
from hereabouts.engine.relations import check
from hereabouts.testing.arena import Arena

PAGE = (Path(__file__).parents[2] / "docs" / "occupancy.md").read_text()
KEY = "hk_" + "k" * 43


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def calls() -> list[tuple[list[str], str]]:
    """Each `curl` of the page, and what it prints."""
    found = []
    for block in blocks("console"):
        for shown in block.removeprefix("$ ").split("\n$ "):
            command, printed = re.split(r"(?<!\\)\n", shown, maxsplit=1)
            found.append((shlex.split(command.replace("\\\n", " ")), printed))
    return found


async def curl(words: list[str], base: str) -> dict[str, Any]:
    """What `curl -s -X METHOD PLACE -H HEADER … -d BODY` does."""
    assert words[:3] == ["curl", "-s", "-X"]
    method, place = words[3], words[4].removeprefix("localhost:8765")
    told = list(zip(words[5::2], words[6::2], strict=True))
    headers = dict(value.split(": ", 1) for option, value in told if option == "-H")
    (body,) = (value for option, value in told if option == "-d")
    async with httpx.AsyncClient(base_url=base, headers=headers) as http:
        answer: dict[str, Any] = (await http.request(method, place, content=body)).json()
        return answer


async def test_the_calls_of_the_page_print_what_it_says(tmp_path: Path) -> None:
    keys = [{"name": "app", "hash": hashlib.sha256(KEY.encode()).hexdigest(), "scopes": ["write"]}]
    settings = {
        "journal": {"url": f"sqlite:///{tmp_path}/h.db"},
        "auth": {"api_keys": keys, "secret": "s" * 40, "algorithms": ["HS256"]},
    }
    assert len(calls()) == 3
    async with Arena(settings) as arena:
        for words, printed in calls():
            words = [word.replace("hk_…", KEY) for word in words]
            answer = await curl(words, f"http://127.0.0.1:{arena.port}")
            if printed:
                shown = json.loads(printed)
                assert answer.keys() == shown.keys()
                assert {**answer, "since_at": 0} == {**shown, "since_at": 0}
            else:
                assert answer["user_id"] == "ada"


def test_the_configuration_of_the_page_is_one() -> None:
    (text,) = blocks("toml")
    book = PolicyBook(tomllib.loads(text)["policy"])
    assert book.resolve(resource="desk:1").occupancy_capacity == 2
    assert book.resolve(resource="account:1").occupancy_cooldown_seconds == 30
    assert [problem for _, policy in book.combinations() for problem in check(policy, book.node)] == []
