"""Who polls is not sent again what it has: entity tags of cards, rosters and counts."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from hereabouts.testing.arena import Arena


def calling(arena: Arena, user_id: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer dev:{user_id}"}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", headers=headers, timeout=5)


async def again(http: httpx.AsyncClient, path: str, tag: str) -> httpx.Response:
    return await http.get(path, headers={"If-None-Match": tag})


@pytest.mark.parametrize("path", ["/v1/rooms/lobby/members", "/v1/rooms/lobby/count"])
@pytest.mark.parametrize("watches", [True, False], ids=["watched", "unwatched"])
async def test_a_room_is_sent_again_when_somebody_came(arena: Arena, path: str, watches: bool) -> None:
    await arena.enter("ada", *(["lobby"] if watches else ["elsewhere"]))
    async with calling(arena, "bob") as http:
        first = await http.get(path)
        tag = first.headers["etag"]
        same = await again(http, path, tag)
        await arena.enter("carl", "lobby")
        other = await again(http, path, tag)
    assert (first.status_code, same.status_code, other.status_code) == (200, 304, 200)
    assert (same.content, same.headers["etag"]) == (b"", tag)
    assert other.headers["etag"] != tag
    assert other.json()["count"] == first.json()["count"] + 1


@pytest.mark.parametrize("path", ["/v1/users/ada", "/v1/users?ids=ada,zoe"])
async def test_a_card_is_sent_again_when_it_says_something_else(arena: Arena, path: str) -> None:
    ada = await arena.enter("ada", beats=False)
    async with calling(arena, "bob") as http:
        tag = (await http.get(path)).headers["etag"]
        same = await again(http, path, f'"other", {tag}')
        await ada.ask("status", status="dnd")
        other = await again(http, path, tag)
    assert (same.status_code, other.status_code) == (304, 200)
    assert "dnd" in other.text


async def test_a_tag_tells_no_more_than_the_answer(arena: Arena) -> None:
    """Somebody invisible has the tag of somebody who is not there, but for the name."""
    async with calling(arena, "bob") as http:
        before = (await http.get("/v1/rooms/lobby/count")).headers["etag"]
        ada = await arena.enter("ada")
        await ada.ask("status", status="invisible")
        await ada.ask("join", room="lobby")
        assert (await http.get("/v1/rooms/lobby/count")).headers["etag"] == before


async def test_a_roster_of_several_pages_is_had_anew(arena: Arena) -> None:
    for user_id in ("ada", "carl"):
        await arena.enter(user_id, "lobby")
    async with calling(arena, "bob") as http:
        page = await http.get("/v1/rooms/lobby/members", params={"limit": 1})
        repeated: Any = await again(http, "/v1/rooms/lobby/members?limit=1", "*")
    assert page.json()["next_cursor"] is not None
    assert "etag" not in page.headers
    assert repeated.status_code == 200


async def test_pages_of_other_origins_may_read_and_send_tags(arena: Arena) -> None:
    origin = {"Origin": "http://localhost:3000"}
    async with calling(arena, "bob") as http:
        asked = {**origin, "Access-Control-Request-Method": "GET"}
        allowed = (await http.options("/v1/users/ada", headers=asked)).headers["access-control-allow-headers"]
        exposed = (await http.get("/v1/users/ada", headers=origin)).headers["access-control-expose-headers"]
    assert "if-none-match" in allowed.split(", ")
    assert "etag" in exposed.split(", ")
