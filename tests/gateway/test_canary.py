"""Strings that a viewer must not get are looked for in every byte that it gets, over all ways out; and an invisible
user is compared with a twin who is truly gone.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from hereabouts.testing.arena import Arena
from hereabouts.testing.issuer import SECRET, Issuer
from hereabouts.testing.waiting import pause
from hereabouts.testing.wire import Refused, Wire

VIEWS: Final = ("full", "status", "existence", "none")
SUE: Final = "canary-id"
ROOM: Final = "doc:plan"
TOLD: Final = {
    "id": SUE,
    "name": "canary-name",
    "info": "canary-info",
    "text": "canary-text",
    "emoji": "canary-emoji",
    "key": "canary-key",
    "value": "canary-value",
    "desk": "canary-desk",
}
SECRET_ALWAYS: Final = {"platform": "canary-platform", "role": "canary-role", "elsewhere": "canary-elsewhere"}
"""What no viewer is ever told: the room `elsewhere` is granted to nobody."""

IN_ROOMS: Final = {"full": {*TOLD} - {"emoji", "desk"}, "status": {"id", "name"}, "existence": set(), "none": set()}
OF_USERS: Final = {
    "full": {"id", "text", "emoji"},
    "status": {"id", "text", "emoji"},
    "existence": {"id"},
    "none": {"id"},
}
OF_DESKS: Final = {
    "full": {"id", "name", "desk"},
    "status": {"id", "name", "desk"},
    "existence": {"desk"},
    "none": set(),
}
"""What each view may be told by room, by user and by kind of resource; who asks for a user knows the id already."""

SETTINGS: Final = {
    "auth": {"secret": SECRET},
    "policy": {"default": {"views": {view: view for view in VIEWS} | {"canary-role": "full"}}},
}


@pytest.fixture
async def arena(tmp_path: Path) -> AsyncIterator[Arena]:
    async with Arena(SETTINGS | {"journal": {"url": f"sqlite:///{tmp_path}/journal.db"}}) as arena:
        yield arena


def token(user_id: str, role: str, **claims: Any) -> str:
    now = int(time.time())
    told = {
        "sub": user_id,
        "role": role,
        "iat": now,
        "exp": now + 600,
        "watch": ["*"],
        "rooms": {ROOM: ["watch", "join"]},
    } | claims
    return Issuer("HS256", kid=None).sign(told)


class Onlooker:
    """One viewer on every way out at once. What it got is kept by what it asked about."""

    def __init__(self, arena: Arena, credential: str, room: str = ROOM, user_id: str = SUE) -> None:
        self._arena = arena
        self._credential = credential
        self._room = room
        self._user_id = user_id
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._wires: list[tuple[Wire, list[str]]] = []
        self.in_rooms: list[str] = []
        self.of_users: list[str] = []
        self.of_desks: list[str] = []

    async def __aenter__(self) -> Onlooker:
        headers = {"Authorization": f"Bearer {self._credential}"}
        base = f"http://127.0.0.1:{self._arena.port}"
        self.http = await self._stack.enter_async_context(httpx.AsyncClient(base_url=base, headers=headers, timeout=5))
        for message, kept in (
            ({"rooms": [self._room]}, self.in_rooms),
            ({"rooms": [self._room], "mode": "count"}, self.in_rooms),
            ({"users": [self._user_id]}, self.of_users),
            ({"occupancy": ["desk"]}, self.of_desks),
        ):
            wire = await self._arena.connect()
            await wire.hello(self._credential)
            wire.beat_every(0.5)
            wire.frames.clear()
            with suppress(Refused):
                await wire.ask("watch", **message)
            self._wires.append((wire, kept))
        await self._follow(f"/v1/events?rooms={self._room}", self.in_rooms)
        await self._follow(f"/v1/events?rooms={self._room}&mode=count", self.in_rooms)
        await self._follow(f"/v1/events?users={self._user_id}", self.of_users)
        await self._follow("/v1/events?occupancy=desk", self.of_desks)
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def _follow(self, path: str, kept: list[str]) -> None:
        answer = await self._stack.enter_async_context(self.http.stream("GET", path))

        async def read() -> None:
            async for line in answer.aiter_lines():
                if line:
                    kept.append(line)

        self._tasks.append(asyncio.create_task(read()))

    async def read(self) -> None:
        """Make every call, and ask for each room's snapshot."""
        user_id, room = self._user_id, self._room
        for path in (f"/v1/rooms/{room}/members", f"/v1/rooms/{room}/count", f"/v1/rooms/{room}/members?limit=1"):
            self.in_rooms.append(await self._get(path))
        self.in_rooms.append(await self._get(f"/v1/users/{user_id}/rooms", told=f'"user_id":"{user_id}",'))
        for path in (f"/v1/users?ids={user_id}", f"/v1/users/{user_id}", f"/api/presence/status?userIds={user_id}"):
            self.of_users.append(await self._get(path))
        for path in ("export", "should_notify", "explain"):
            self.of_users.append(await self._get(f"/v1/users/{user_id}/{path}"))
        queried = await self.http.post("/v1/users/query", json={"ids": [user_id]})
        self.of_users.append(queried.text)
        self.of_desks.append(await self._get("/v1/occupancy/desk"))
        refused = await self.http.delete(f"/v1/occupancy/desk/{TOLD['desk'][7:]}")
        self.of_desks.append(refused.text)
        with suppress(Refused):
            await self._wires[0][0].ask("sync", room=room)

    async def _get(self, path: str, told: str = "") -> str:
        return (await self.http.get(path)).text.replace(told, "")

    def take(self) -> tuple[str, str, str]:
        """All that came, by room, by user and by kind of resource, and forget it."""
        for wire, lines in self._wires:
            lines += [
                json.dumps(frame.message, ensure_ascii=False) for frame in wire.frames if not is_beat(frame.message)
            ]
            wire.frames.clear()
        kept = (self.in_rooms, self.of_users, self.of_desks)
        in_rooms, of_users, of_desks = ("\n".join(lines) for lines in kept)
        for lines in kept:
            lines.clear()
        return in_rooms, of_users, of_desks


def is_beat(message: dict[str, Any]) -> bool:
    return bool(message["type"] == "beat")


async def live(arena: Arena, onlookers: list[Onlooker]) -> list[str]:
    """Sue does everything that somebody can do, and is read after each step; the secrets of her sessions."""
    secrets = []
    for _ in range(2):
        sue = await arena.connect()
        claims = {"name": TOLD["name"], "info": {"a": TOLD["info"]}}
        grants = {"*": ["join"]}
        welcome = await sue.hello(
            token(SUE, SECRET_ALWAYS["role"], rooms=grants, **claims), platform=SECRET_ALWAYS["platform"]
        )
        secrets += [welcome["session_id"], welcome["resume"], welcome["leave_token"]]
        verbs: list[tuple[str, dict[str, Any]]] = [
            ("join", {"room": ROOM, "state": {TOLD["key"]: TOLD["value"]}}),
            ("join", {"room": SECRET_ALWAYS["elsewhere"]}),
            ("status", {"status": "busy", "text": TOLD["text"], "emoji": TOLD["emoji"]}),
            ("update", {"room": ROOM, "state": {"more": TOLD["value"]}}),
            ("status", {"status": "invisible", "text": TOLD["text"]}),
            ("status", {"status": "available"}),
            ("occupy", {"resource": f"desk:{TOLD['desk']}"}),
            ("leave", {"room": SECRET_ALWAYS["elsewhere"]}),
        ]
        for verb, fields in verbs:
            await sue.ask(verb, **fields)
            await sue.say("typing", room=ROOM, on=True)
            await asyncio.gather(*(onlooker.read() for onlooker in onlookers))
        await sue.say("bye")
        await sue.closed()
        await pause(0.2)
    return secrets


async def test_no_viewer_gets_a_byte_that_its_view_leaves_out(arena: Arena) -> None:
    async with AsyncExitStack() as stack:
        viewers = {
            view: await stack.enter_async_context(Onlooker(arena, token(f"viewer-{view}", view))) for view in VIEWS
        }
        unknown_role = await stack.enter_async_context(Onlooker(arena, token("viewer-odd", "odd")))
        stranger = await stack.enter_async_context(Onlooker(arena, token("stranger", "full", watch=[], rooms={})))
        secrets = await live(arena, [*viewers.values(), unknown_role, stranger])
        await pause(0.3)
        for view, viewer in viewers.items():
            in_rooms, of_users, of_desks = viewer.take()
            assert found(in_rooms, secrets) == IN_ROOMS[view], f"a {view} viewer of the room"
            assert found(of_users, secrets) == OF_USERS[view], f"a {view} viewer of the user"
            assert found(of_desks, secrets) == OF_DESKS[view], f"a {view} viewer of the desks"
        for viewer in (unknown_role, stranger):
            in_rooms, of_users, of_desks = viewer.take()
            assert found(in_rooms, secrets) == set()
            assert found(of_desks, secrets) == (set() if viewer is unknown_role else OF_DESKS["full"])
            assert found(of_users, secrets) == {"id"}
            assert set(re.findall(r'"status": ?"(\w+)"', of_users)) == {"offline"}


def found(text: str, secrets: list[str]) -> set[str]:
    """Which canaries sing."""
    known = {**TOLD, **SECRET_ALWAYS, **{f"secret {place}": secret for place, secret in enumerate(secrets)}}
    return {name for name, canary in known.items() if canary in text}


@pytest.mark.parametrize("view", VIEWS)
async def test_an_invisible_user_gives_the_same_bytes_as_one_who_is_gone(arena: Arena, view: str) -> None:
    async with AsyncExitStack() as stack:
        sides = {}
        for name in ("hid", "off"):
            user_id, room = f"{name}-twin", f"{name}-room"
            wire = await arena.connect()
            await wire.hello(token(user_id, "full", rooms={"*": ["join"]}))
            await wire.join(room)
            viewer = Onlooker(
                arena, token(f"{name}-viewer", view, rooms={room: ["watch", "join"]}), room=room, user_id=user_id
            )
            sides[name] = (wire, await stack.enter_async_context(viewer))
        hidden, gone = sides["hid"][0], sides["off"][0]
        hidden.beat_every(0.3)
        await pause(0.2)
        await asyncio.gather(hidden.ask("status", status="invisible", text="boo"), gone.say("bye"))
        await pause(0.4)
        await hidden.ask("update", room="hid-room", state={"k": 1})
        await hidden.say("typing", room="hid-room", on=True)
        await hidden.ask("join", room="hid-other")
        await pause(0.4)
        for _, viewer in sides.values():
            await viewer.read()
        pictures = {name: sorted(plain(viewer.take(), name)) for name, (_, viewer) in sides.items()}
    assert pictures["hid"] == pictures["off"]
    assert any("offline" in line for line in pictures["hid"])


def plain(taken: tuple[str, str, str], name: str) -> list[str]:
    """What came, without ids, times and the names of epochs."""
    text = "\n".join(taken).replace(f"{name}-", "")
    text = re.sub(r"\bvm?[^\s\",]*\.\d{13}\.\d+\.\d+(:\d+)?", "EPOCH", text)
    return re.sub(r"\d{13}", "TIME", text).splitlines()
