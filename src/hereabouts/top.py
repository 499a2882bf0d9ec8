"""`hereabouts top`: who is here, which rooms are full and how the server is, as a table that is drawn anew."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from hereabouts.remote import Look, Remote
from hereabouts.runtime.fleet import NodeRow
from hereabouts.runtime.overview import COUNTED, RoomRow, SessionRow, Stats

ROOMS: Final = 8
"""The rooms with most in them that are shown."""


async def watch(
    remote: Remote, console: Console, *, interval_seconds: float, sessions: int, user_id: str | None, room: str | None
) -> None:
    """Draw the server again and again, until the caller is cancelled. Raises like `Remote`."""
    before: Look | None = None
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
        while True:
            look = await remote.look(sessions=sessions, rooms=ROOMS, user_id=user_id, room=room)
            live.update(drawn(look, before), refresh=True)
            before = look
            await asyncio.sleep(interval_seconds)


def drawn(look: Look, before: Look | None = None) -> RenderableType:
    """One look. Rates are those since the look before."""
    nodes = [_nodes(look.nodes, look.stats)] if len(look.nodes) > 1 else []
    return Group(_server(look, before), *nodes, _people(look.stats), _rooms(look.rooms), _sessions(look.sessions, look))


def beats_per_second(look: Look, before: Look | None) -> float | None:
    """How many beats came a second between two looks of one node; None where that cannot be said."""
    if before is None or before.health.node != look.health.node:
        return None
    seconds = (look.health.as_of_at - before.health.as_of_at) / 1000
    beats = look.health.beats - before.health.beats
    return beats / seconds if seconds > 0 and beats >= 0 else None


def _server(look: Look, before: Look | None) -> Text:
    stats, health, rate = look.stats, look.health, beats_per_second(look, before)
    ill = [f"{check.name}: {check.found}" for check in health.checks if not check.is_ok]
    told = (
        f"[bold]{escape(health.node)}[/]",
        f"[red]{escape(', '.join(ill))}[/]" if ill else "[green]ok[/]",
        f"beats {'…' if rate is None else f'{rate:.1f}/s'}",
        f"ghosts {_alarming(health.ghosts)}",
        f"faults {_alarming(health.faults)}",
        f"longest stall {health.longest_stall_seconds:g} s",
        f"rows waiting {health.journal_queued_rows}",
        f"sessions {stats.sessions}",
        f"connections {stats.connections}",
        f"rooms {stats.rooms}",
        _clock(health.as_of_at),
    )
    return Text.from_markup("  ".join(told))


def _alarming(count: int) -> str:
    return f"[red]{count}[/]" if count else "0"


def _nodes(nodes: list[NodeRow], stats: Stats) -> Table:
    table = Table("node", "state", "sessions", "users", "connections", "CPUs", "lease renewed", "version")
    for row in nodes:
        told = row.summary
        numbers = (told.sessions, told.users, told.connections, told.cpus) if told is not None else (None,) * 4
        table.add_row(
            escape(row.node),
            row.state if row.state == "serving" else f"[red]{row.state}[/]",
            *("" if number is None else f"{number:g}" for number in numbers),
            f"{max(0, stats.as_of_at - row.alive_at) / 1000:.1f} s ago",
            escape(told.version) if told is not None else "",
        )
    every = stats.everywhere
    table.add_section()
    table.add_row(f"{every.nodes} nodes, this tenant", "", str(every.sessions), str(every.users))
    return table


def _people(stats: Stats) -> Table:
    table = Table("users", *COUNTED, "stale")
    table.add_row(*map(str, [stats.total, *(getattr(stats, name) for name in COUNTED), stats.stale]))
    return table


def _rooms(rooms: list[RoomRow]) -> Table:
    table = Table("room", "users", "sessions", "viewers", "mode")
    for row in rooms:
        table.add_row(escape(row.room), str(row.count), str(row.sessions), str(row.viewers), row.mode)
    return table


def _sessions(sessions: list[SessionRow], look: Look) -> Table:
    table = Table("user", "status", "phase", "platform", "rooms", "heard of", "lapses in", "session")
    now_at = look.stats.as_of_at
    for row in sessions:
        status = "invisible" if row.invisible else row.status
        table.add_row(
            escape(row.user_id),
            f"[yellow]{status}[/]" if row.stale else status,
            row.phase or "",
            escape(row.platform or ""),
            escape(", ".join(row.rooms)),
            f"{max(0, now_at - row.last_seen_at) / 1000:.0f} s ago",
            "" if row.lease_expires_at is None else f"{max(0, row.lease_expires_at - now_at) / 1000:.0f} s",
            row.session_id,
        )
    return table


def _clock(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M:%S UTC")
