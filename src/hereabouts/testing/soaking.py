"""A long run over two servers and real stores: guests, mishaps, and what must be true between them and at the end."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import asyncpg
import httpx
from prometheus_client.parser import text_string_to_metric_families

from hereabouts.testing.fault_proxy import FaultProxy
from hereabouts.testing.guests import DESKS, ROOMS, SHOWN, Caller, Guest, Listener, Party
from hereabouts.testing.mishaps import Mishap, Site
from hereabouts.testing.postgres import postgres
from hereabouts.testing.process import TEST_PROFILE, ServerProcess, serving
from hereabouts.testing.valkey import valkey
from hereabouts.testing.waiting import pause

LEASES: Final = "lease.visible_seconds = 6\nlease.hidden_seconds = 8\n"
"""Twice those of the test profile: all guests share a process."""

LIMITS: Final = "[limits]\nunauthenticated_per_address = 1000\nhello_seconds = 30\n"
SETTLED_SECONDS: Final = 40.0
"""By which all guests must be where they want to be: a node may need a lease to see again, they a few attempts."""

AGREED_SECONDS: Final = 20.0
"""By which all viewers must see it: what went down with a node takes its lease, the grace, a sweep and two beats."""

GONE_SECONDS: Final = 40.0
"""By which nothing may be left: lease, grace, and what was put off until after them."""

ADMIN: Final = {"Authorization": "Bearer dev:eve:admin"}
STANDING: Final = (
    "sessions", "connections", "holdings", "rooms", "watched_users", "faults_total", "journal_lost_rows_total",
)  # fmt: skip
"""The metrics that must be 0 when all have gone."""

OPEN_ROWS: Final = {
    "sessions are open": "SELECT session_id, node, user_id FROM hereabouts.sessions WHERE closed_at IS NULL",
    "holdings stand": "SELECT resource, user_id FROM hereabouts.occupancies",
    "sessions wait for a node that starts": "SELECT id, node FROM hereabouts.handover",
}
CANARY_SESSION: Final = b"hereabouts-canary"
FOR_EVER: Final = -1
"""What the store says of a key that does not go by itself."""

OPEN_FILES_MOST: Final = 40
"""Of a node without clients: 21 at the start, and the most connections that it keeps to its stores."""


@asynccontextmanager
async def site(folder: Path, random: Random) -> AsyncIterator[Site]:
    """Two servers over a Valkey and a PostgreSQL of their own, each with proxies to both."""
    async with AsyncExitStack() as stack:
        live = stack.enter_context(valkey(folder))
        record = await asyncio.to_thread(stack.enter_context, postgres())
        proxies = [
            await stack.enter_async_context(FaultProxy("127.0.0.1", port, random=Random(random.getrandbits(64))))
            for port in (live.port, live.port, record.port, record.port)
        ]
        servers = []
        for name, to_valkey, to_postgres in zip("ab", proxies[:2], proxies[2:], strict=True):
            (folder / name).mkdir()
            config = (
                f'{TEST_PROFILE}{LEASES}{LIMITS}[server]\nnode = "{name}"\ndrain_seconds = 2\n[log]\nformat = "json"\n'
                f'[backend]\nurl = "valkey://127.0.0.1:{to_valkey.port}/0"\n'
                f'[journal]\nurl = "postgresql://postgres@127.0.0.1:{to_postgres.port}/postgres"\n'
            )
            servers.append(await stack.enter_async_context(serving(folder / name, config)))
        yield Site(servers, live, record, proxies[:2], proxies[2:], random)


@dataclass
class Soak:
    """One run. `rounds` and what it measured are told as it goes."""

    site: Site
    http: httpx.AsyncClient
    tabs: int
    party: Party = field(init=False)
    guests: list[Guest] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    agreed_seconds: list[float] = field(default_factory=list)
    _lives: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def everybody(self) -> list[Guest | Caller | Listener]:
        """All clients."""
        return [*self.guests, *self.callers, *self.listeners]

    def __post_init__(self) -> None:
        self.party = Party(self.site.servers, self.http)

    def begin(self) -> None:
        """All guests come. Every third user has two tabs."""
        chance = self.site.random
        for number in range(self.tabs):
            user = number - 1 if number % 3 == 2 else number
            guest = Guest(self.party, f"u{user}", f"t{number}", Random(chance.getrandbits(64)), user == number)
            self.guests.append(guest)
        for number in range(self.tabs // 6):
            self.callers.append(Caller(self.party, f"h{number}", Random(chance.getrandbits(64))))
            rooms = tuple(chance.sample(ROOMS, 3))
            self.listeners.append(Listener(self.party, rooms, Random(chance.getrandbits(64))))
        self.party.users = tuple(dict.fromkeys([g.user_id for g in self.guests] + [c.user_id for c in self.callers]))
        self._lives = [asyncio.create_task(each.live()) for each in self.everybody]

    async def round(self, mishaps: Sequence[Mishap], seconds: float) -> None:
        """Let all act, and mishaps befall them one after the other; then let it be calm, and compare."""
        self.party.is_calm = False
        await pause(seconds)
        for mishap in mishaps:
            await mishap(self.site)
            await pause(self.site.random.uniform(0.0, 1.0))
        self.party.is_calm = True
        since = time.monotonic()
        names = ", ".join(mishap.__name__ for mishap in mishaps)
        print(names or "nothing", end=": ", file=sys.stderr, flush=True)
        for each in self.everybody:
            each.is_settled = isinstance(each, Listener) and each.is_settled
        await self._until(self.unsettled, SETTLED_SECONDS)
        settled = time.monotonic()
        await self._until(self.differences, AGREED_SECONDS)
        self.agreed_seconds.append(time.monotonic() - settled)
        print(f"settled {settled - since:.1f} s, agreed {self.agreed_seconds[-1]:.1f} s", file=sys.stderr, flush=True)

    async def _until(self, wrong: Callable[[], Awaitable[list[str]]], within: float) -> None:
        """Until nothing is wrong any more."""
        deadline = time.monotonic() + within
        while found := await wrong():
            for life in self._lives:
                if life.done() and not life.cancelled():
                    life.result()
            if time.monotonic() > deadline:
                raise AssertionError("\n".join([f"{len(found)} wrong after {within} s:", *found[:40]]))
            await pause(0.2)

    async def unsettled(self) -> list[str]:
        """Guests who are not yet where they want to be."""
        return [str(guest) for guest in self.everybody if not guest.is_settled]

    # What must be

    def expected(self, room: str) -> dict[str, tuple[str, dict[str, int]]]:
        """Who must be seen in a room, with status and state."""
        seen: dict[str, tuple[str, dict[str, int]]] = {}
        for guest in self.guests:
            if room in guest.wanted and (status := self.status(guest.user_id)) != "offline":
                seen.setdefault(guest.user_id, (status, {}))[1][guest.tab] = guest.wanted[room]
        for caller in self.callers:
            if room in caller.wanted:
                seen[caller.user_id] = ("online", {})
        return seen

    def status(self, user_id: str) -> str:
        """What a user must be seen as."""
        return next((SHOWN[g.declares] for g in self.guests if g.is_first and g.user_id == user_id), "online")

    async def differences(self) -> list[str]:
        """What some viewer sees that is not so."""
        wrong: list[str] = []
        for room in ROOMS:
            expected = self.expected(room)
            for server in self.site.servers:
                told = await self.get(server, f"/v1/rooms/{room}/members?limit=500")
                wrong += _unlike(f"{room} by HTTP at {server.folder.name}", expected, _by_user(told.get("members", ())))
            for guest in self.guests:
                if room in guest.wanted and self.status(guest.user_id) != "offline":
                    wrong += _unlike(f"{room} by {guest.tab}", expected, guest.sees(room) or {})
            for listener in self.listeners:
                if room in listener.rooms:
                    fold = listener.folds.rooms.get(room)
                    wrong += _unlike(f"{room} by a listener", expected, fold.members if fold else {})
        wrong += self._cards_unlike()
        for server in self.site.servers:
            wrong += await self._users_unlike(server)
            wrong += await self._desks_unlike(server)
            told = await self.get(server, "/v1/admin/health")
            if told.get("ghosts"):
                wrong.append(f"{server.folder.name} counts {told['ghosts']} ghosts")
        return wrong

    def _cards_unlike(self) -> list[str]:
        return [
            f"{user_id} is shown to {guest.tab} as {status}, not {self.status(user_id)}"
            for guest in self.guests
            for user_id, status in guest.cards.items()
            if status != self.status(user_id) and user_id != guest.user_id
        ]

    async def _users_unlike(self, server: ServerProcess) -> list[str]:
        expected = {user_id: self.status(user_id) for user_id in self.party.users}
        told = await self.get(server, f"/v1/users?ids={','.join(expected)}")
        return [
            f"{card['user_id']} at {server.folder.name} is {card['status']}, not {expected[card['user_id']]}"
            for card in told.get("users", ())
            if card["status"] != expected[card["user_id"]]
        ]

    async def _desks_unlike(self, server: ServerProcess) -> list[str]:
        expected = {guest.desk: guest.user_id for guest in self.guests if guest.desk is not None}
        told = await self.get(server, "/v1/occupancy/desk")
        held = {row["resource"]: row["user_id"] for row in told.get("held", ())}
        return [
            f"{desk} at {server.folder.name} is held by {held.get(desk)}, not {expected.get(desk)}"
            for desk in DESKS
            if held.get(desk) != expected.get(desk)
        ]

    async def get(self, server: ServerProcess, path: str) -> dict[str, Any]:
        """What an admin reads there."""
        try:
            answer = await self.http.get(f"{server.http}{path}", headers=ADMIN)
        except httpx.HTTPError as error:
            return {"failed": str(error)}
        told: dict[str, Any] = answer.json()
        return told

    def broken_rules(self) -> list[str]:
        """What folds and guests met on the way that must never be."""
        wrong = [text for guest in self.guests for text in guest.trouble]
        wrong += [text for caller in self.callers for text in caller.trouble]
        for folds in [guest.folds for guest in self.guests] + [listener.folds for listener in self.listeners]:
            try:
                folds.check()
            except AssertionError as error:
                wrong.append(str(error))
        return wrong

    # The end

    async def end(self, left: Callable[[Soak], Awaitable[list[str]]]) -> None:
        """All go, each in its own way; then nothing may be `left`."""
        self.party.is_over = True
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)
        await asyncio.gather(*(guest.go() for guest in self.guests))
        await self._until(lambda: left(self), GONE_SECONDS)


async def leftovers(soak: Soak) -> list[str]:
    """What is left although all have gone: at the nodes, in the live store, and open in the record."""
    return [*await at_nodes(soak), *await asyncio.to_thread(_kept_keys, soak.site), *await _open_rows(soak.site)]


async def at_nodes(soak: Soak) -> list[str]:
    """What nodes still have, and whether they met faults of their own."""
    wrong: list[str] = []
    for server in soak.site.servers:
        gauges = await standing(soak.http, server)
        wrong += [f"{name} of {server.folder.name} is {value:.0f}" for name, value in gauges.items() if value]
        if server.open_files > OPEN_FILES_MOST:
            wrong.append(f"{server.folder.name} has {server.open_files} files open")
        wrong += [f"{server.folder.name} logged: {line}" for line in server.log.splitlines() if "] fault" in line]
    return wrong


async def _open_rows(site: Site) -> list[str]:
    wrong: list[str] = []
    connection = await asyncpg.connect(site.postgres.url())
    try:
        for what, rows in OPEN_ROWS.items():
            if found := await connection.fetch(rows):
                wrong.append(f"{len(found)} {what} in the record: {[tuple(row) for row in found[:5]]}")
    finally:
        await connection.close()
    return wrong


async def standing(http: httpx.AsyncClient, server: ServerProcess) -> dict[str, float]:
    """What a node says that it has now, and its faults."""
    told: Counter[str] = Counter()
    for family in text_string_to_metric_families((await http.get(f"{server.http}/metrics")).text):
        for sample in family.samples:
            told[sample.name.removeprefix("hereabouts_")] += int(sample.value)
    return {name: told[name] for name in STANDING}


def _kept_keys(site: Site) -> list[str]:
    """Keys that are not the nodes' and will not go by themselves. The made-up session of each node comes and goes."""
    with site.valkey.client as client:
        owned = {key for key in client.scan_iter("hb:owned:*") if client.smembers(key) <= {CANARY_SESSION}}
        names = {key.decode() for key in client.scan_iter("*") if key not in owned and client.ttl(key) == FOR_EVER}
        return [f"the key {name} is kept" for name in sorted(names) if name != "hb:nodes" and "canary" not in name]


def _by_user(members: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {member["user_id"]: member for member in members}


def _unlike(where: str, expected: dict[str, tuple[str, dict[str, int]]], seen: dict[str, dict[str, Any]]) -> list[str]:
    found = {user_id: (member["status"], member.get("state", {})) for user_id, member in seen.items()}
    return [
        f"{where}: {user_id} is {found.get(user_id)}, not {expected.get(user_id)}"
        for user_id in sorted(expected.keys() | found.keys())
        if found.get(user_id) != expected.get(user_id)
    ]
