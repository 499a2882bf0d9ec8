"""What the command line asks of a server that runs: the admin calls, with an API key."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeVar
from urllib.parse import quote

import msgspec

from hereabouts.client.http import AsyncCalls
from hereabouts.client.tokens import Tokens
from hereabouts.errors import ConfigError, HereaboutsError
from hereabouts.gateway.admin_acts import SweepAnswer, SweepBody
from hereabouts.gateway.admin_health import HealthAnswer
from hereabouts.gateway.admin_reads import NodesAnswer, RoomsAnswer, SessionsAnswer
from hereabouts.runtime.fleet import NodeRow
from hereabouts.runtime.overview import RoomRow, SessionRow, Stats

TIMEOUT_SECONDS: Final = 10.0
PAGE: Final = 500
"""Rows of one call, at most."""

T = TypeVar("T")


class Unreachable(HereaboutsError):
    """No server of this version answers there."""


class Look(NamedTuple):
    """A server at one moment: its numbers, all nodes, the rooms with most in them, and some sessions."""

    health: HealthAnswer
    stats: Stats
    nodes: list[NodeRow]
    rooms: list[RoomRow]
    sessions: list[SessionRow]


class Remote:
    """One server, asked with an API key.

    Every call raises `Refused` where the key does not grant it, and `Unreachable` where nobody answers.
    """

    def __init__(self, url: str, api_key: str) -> None:
        try:
            self._calls = AsyncCalls(url, Tokens(api_key), TIMEOUT_SECONDS)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        self._url = url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._calls.close()

    async def look(self, *, sessions: int, rooms: int, user_id: str | None = None, room: str | None = None) -> Look:
        """How the server is now, with up to so many rows. `user_id` and `room` say whose sessions."""
        chosen = {"user_id": user_id, "room": room, "limit": max(1, min(sessions, PAGE))}
        query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in chosen.items() if value is not None)
        health, stats, nodes, found, listed = await asyncio.gather(
            self._get("health", HealthAnswer),
            self._get("stats", Stats),
            self._get("nodes", NodesAnswer),
            self._get(f"rooms?limit={PAGE}", RoomsAnswer),
            self._get(f"sessions?{query}", SessionsAnswer),
        )
        fullest = sorted(found.rooms, key=lambda row: (-row.count, -row.viewers, row.room))
        return Look(health, stats, nodes.nodes, fullest[:rooms], listed.sessions[:sessions])

    async def sweep(self, *, is_dry_run: bool, reason: str | None = None) -> SweepAnswer:
        """Do now what is due, or say what would be done."""
        return await self._call("POST", "sweep", SweepAnswer, SweepBody(is_dry_run, reason))

    async def _get(self, name: str, answer: type[T]) -> T:
        return await self._call("GET", name, answer)

    async def _call(self, method: str, name: str, answer: type[T], body: msgspec.Struct | None = None) -> T:
        try:
            return await self._calls.call(method, f"/v1/admin/{name}", answer, body=body)
        except (ConnectionError, TimeoutError) as error:
            raise Unreachable(f"no server answers at {self._url}: {error}; --url says where it is") from None
        except msgspec.MsgspecError as error:
            raise Unreachable(f"what answers at {self._url} is no hereabouts of this version: {error}") from None
