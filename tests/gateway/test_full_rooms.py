"""A room that is full, and closes with codes that are only ours to use."""

from __future__ import annotations

import httpx
import pytest

from hereabouts.testing.arena import Arena
from hereabouts.testing.wire import Refused

FULL = {"policy": {"rooms": {"booth": {"members_max": 2}}}}


async def beat(arena: Arena, user_id: str, *rooms: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}") as http:
        bearer = {"Authorization": f"Bearer dev:{user_id}"}
        return await http.post("/v1/heartbeat", json={"rooms": list(rooms)}, headers=bearer)


async def test_a_full_room_is_full_to_every_kind_of_session() -> None:
    async with Arena(FULL) as arena:
        ada = await arena.enter("ada", "booth:1")
        assert (await beat(arena, "bob", "booth:1")).status_code == 200
        with pytest.raises(Refused) as refused:
            await arena.enter("eve", "booth:1")
        assert (refused.value.code, refused.value.error["limit"]) == ("room_full", "members_max")
        answer = await beat(arena, "eve", "booth:1")
        assert (answer.status_code, answer.json()["code"]) == (409, "room_full")
        # Who is in already may come with another tab, and by another way.
        assert (await beat(arena, "ada", "booth:1")).status_code == 200
        await arena.enter("bob", "booth:1")
        assert set(ada.folds.names("booth:1")) == {"ada", "bob"}


async def test_joins_by_http_are_held_to_their_rate() -> None:
    async with Arena({"limits": {"rooms_per_session": 3, "joins_per_second": 1}}) as arena:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}") as http:
            bearer = {"Authorization": "Bearer dev:ada"}
            given = (await http.post("/v1/heartbeat", json={"rooms": ["a", "b", "c"]}, headers=bearer)).json()
            body = {"resume": given["resume"], "rooms": ["d", "e", "f"]}
            answer = await http.post("/v1/heartbeat", json=body, headers=bearer)
        assert (answer.status_code, answer.json()["limit"]) == (429, "joins_per_second")


@pytest.mark.parametrize("code", [4100, 4200, 4202, 4203, 4999])
async def test_a_close_from_the_other_side_is_a_loss_whatever_its_code(arena: Arena, code: int) -> None:
    ada = await arena.enter("ada", "lobby")
    bob = await arena.enter("bob", "lobby")
    await ada.event("lobby", "join", "bob")
    await bob.close(code)
    # Grace and a sweep; the lease, which our own closes leave running, would take a second and more longer.
    assert await ada.event("lobby", "leave", "bob", within=2 + 0.5 + 0.3 + 0.2)
