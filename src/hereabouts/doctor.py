"""Tries, before anything is served, what serving will need: `hereabouts doctor`."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from hereabouts.auth.tokens import jwt_verifier
from hereabouts.backends.opening import open_backend
from hereabouts.checks import auth_config, check_settings, has_keys
from hereabouts.engine.records import FeedKey, Owner, Presence, Put, Remove
from hereabouts.errors import ConfigError, HereaboutsError
from hereabouts.gateway.server import bound
from hereabouts.journal.opening import migrations, open_journal, shown
from hereabouts.settings import Settings
from hereabouts.version import __version__

FILES_WANTED: Final = 4_096
"""Open files: one a connection, and some."""

WALL_JUMP_SECONDS: Final = 1.0


class Finding(NamedTuple):
    """One thing that was tried."""

    what: str
    is_ok: bool
    text: str


def report(findings: list[Finding], at: int) -> bytes:
    """The findings as a JSON document, to be kept or sent: when (milliseconds), by which version, what was found."""
    told = {
        "version": __version__,
        "at": at,
        "is_ok": all(finding.is_ok for finding in findings),
        "findings": [finding._asdict() for finding in findings],
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n"


def examine(settings: Settings, *, is_dev: bool = False) -> list[Finding]:
    """Everything that can be tried without serving."""
    return [
        *_settings(settings, is_dev),
        *_ports(settings),
        *asyncio.run(_journal(settings)),
        *asyncio.run(_store(settings)),
        *([asyncio.run(_keys(settings))] if has_keys(settings) else []),
        _files(),
        _clock(),
    ]


def _settings(settings: Settings, is_dev: bool) -> Iterator[Finding]:
    found = check_settings(settings, is_dev=is_dev)
    for error in found.errors:
        yield Finding("settings", False, error)
    if not found.errors:
        yield Finding("settings", True, f"{len(found.warnings)} warnings (see check-config)")


def _ports(settings: Settings) -> Iterator[Finding]:
    server = settings.server
    wanted = {"port": (server.host, server.port)}
    if server.internal_port is not None:
        wanted["internal port"] = (server.internal_host, server.internal_port)
    for what, (host, port) in wanted.items():
        try:
            bound(host, port).close()
        except ConfigError as error:
            yield Finding(what, False, str(error))
        else:
            yield Finding(what, True, f"{host}:{port} is free")


async def _journal(settings: Settings) -> list[Finding]:
    try:
        journal = open_journal(settings.journal.url)
        await journal.open()
        # Under a name of its own: what the node itself last wrote is how its crash is dated.
        await journal.alive("doctor", int(time.time() * 1000))
        found = await journal.examine()
        await journal.close()
        if settings.journal.url != "none":
            await asyncio.to_thread(migrations(settings.journal.url).verify)
    except (HereaboutsError, OSError) as error:
        return [Finding("journal", False, str(error))]
    text = f"{shown(settings.journal.url)} was opened and written to; its tables are whole"
    return [Finding("journal", True, text), *(Finding("journal", *each) for each in found)]


async def _store(settings: Settings) -> list[Finding]:
    """The live store answers, takes a step and gives it to who follows; the step is taken away again."""
    feed = FeedKey("doctor", "room", f"doctor-{time.time_ns()}")
    record = Presence("doctor", "doctor", 1, Owner("doctor", 1), 0, False, False, None, 0)
    try:
        backend = open_backend(settings.backend.url, record.owner, settings.backend.prefix)
        await backend.open()
        try:
            started = time.monotonic()
            await backend.commit(feed, Put(record))
            took_ms = (time.monotonic() - started) * 1000
            await backend.commit(feed, Remove("doctor", "doctor", 1, record.owner, "leave"))
            found = await backend.examine()
            if backend.peers is not None:  # or the nodes would miss one that is called doctor
                await backend.peers.forget(record.owner)
        finally:
            await backend.close()
    except (HereaboutsError, OSError) as error:
        return [Finding("store", False, str(error))]
    return [Finding("store", True, f"took a step in {took_ms:.1f} ms"), *(Finding("store", *each) for each in found)]


async def _keys(settings: Settings) -> Finding:
    try:
        verifier = jwt_verifier(auth_config(settings), time.time)
        await verifier.open()
        health = verifier.health()
        await verifier.close()
    except HereaboutsError as error:
        return Finding("keys", False, str(error))
    return Finding("keys", health.is_ok, f"{health.keys} keys to verify tokens with")


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{soft} open files are allowed (hard limit {hard}); each connection takes one"
    return Finding("open files", soft >= FILES_WANTED, text)


def _clock() -> Finding:
    before = time.time() - time.monotonic()
    time.sleep(0.2)
    moved = abs(time.time() - time.monotonic() - before)
    return Finding("clock", moved < WALL_JUMP_SECONDS, f"the wall clock moved by {moved:.3f} s against the steady one")
