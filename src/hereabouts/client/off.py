"""Where a client that is switched off leads: all that it asks for is granted, and nobody is ever there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx
import msgspec

from hereabouts.client.world import Lost, Socket

DAY: Final = 86_400.0

_WELCOME: Final[dict[str, Any]] = {
    "type": "welcome", "session_id": "", "incarnation": 0, "resumed": False, "resume": "", "leave_token": "",
    "user": {"id": ""}, "tenant": "", "limits": {}, "rooms": [],
    "policy": {
        "beat_visible_seconds": DAY, "beat_hidden_seconds": DAY, "lease_visible_seconds": DAY,
        "lease_hidden_seconds": DAY, "grace_seconds": 0, "idle_after_seconds": None, "typing_refresh_seconds": 3,
    },
}  # fmt: skip
_EMPTY: Final[dict[str, Any]] = {"epoch": "", "seq": 0, "view": "full"}


class Nowhere:
    """A `Socket` without a server."""

    def __init__(self) -> None:
        self._told: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(self, frame: str) -> None:
        """Answer at once."""
        asked = msgspec.json.decode(frame)
        for answer in _answers(asked):
            self._told.put_nowait(msgspec.json.encode(answer))
        if asked["type"] == "bye":
            self.drop()

    async def receive(self) -> bytes:
        """The next answer. Raises `Lost` after the bye."""
        if told := await self._told.get():
            return told
        raise Lost(None, "closed by this client")

    def drop(self) -> None:
        """Whoever receives gets `Lost`."""
        self._told.put_nowait(b"")


async def connect(url: str) -> Socket:
    """A socket, wherever it is to lead."""
    return Nowhere()


def _answers(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    match asked["type"]:
        case "hello":
            yield {**_WELCOME, "server_time_at": _now_at()}
        case "beat":
            yield {"type": "beat", "server_time_at": _now_at()}
    if (id := asked.get("id")) is not None:
        # The fencing number 0 proves nothing to anybody.
        granted = {"resource": asked.get("resource", ""), "since_at": _now_at(), "fencing": 0}
        yield {"type": "ok", "id": id, **granted}
    if asked["type"] in ("join", "watch"):
        for room in asked.get("rooms") or ([asked["room"]] if "room" in asked else []):
            yield {"type": "snapshot", "room": room, "mode": "roster", "count": 0, "members": [], **_EMPTY}
        for kind in asked.get("occupancy") or []:
            yield {"type": "occupancy", "kind": kind, "held": [], **_EMPTY}
        if users := asked.get("users"):
            yield {"type": "users", "users": [_offline(user) for user in users]}


def _answer_call(request: httpx.Request) -> httpx.Response:
    ids = msgspec.json.decode(request.content)["ids"]
    return httpx.Response(200, json={"users": [_offline(user) for user in ids]})


CALLS: Final = httpx.MockTransport(_answer_call)
"""What answers HTTP calls: the only one that a user's client makes asks for cards."""


def _offline(user_id: str) -> dict[str, str]:
    return {"user_id": user_id, "status": "offline"}


def _now_at() -> int:
    return round(time.time() * 1000)
