"""Brings last seen from a table of somebody's own into the journal: `hereabouts import-last-seen`."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from hereabouts.engine.limits import Limits
from hereabouts.errors import ConfigError, Refusal
from hereabouts.journal.base import Journal, LastSeen
from hereabouts.protocol.codec import check_id

COLUMNS: Final = ("user_id", "last_seen_at")
OPTIONAL: Final = "last_active_at"

BATCH: Final = 500
"""Users that are looked up and written together."""

_LEAST_MS: Final = 100_000_000_000
"""A number below it (3 March 1973) is taken for seconds by mistake."""


class Imported(NamedTuple):
    """How many users were written, and how many were left as they are, because the journal knew them."""

    written: int
    known: int


async def import_last_seen(journal: Journal, path: Path, tenant: str) -> Imported:
    """Write when users were last seen, of whom the journal does not know it yet; doing it again changes nothing.

    Raises `ConfigError` for a file that cannot be read, naming the line; the whole file is read before anything is
    written.
    """
    check_tenant(tenant)
    rows = list({row.user_id: row for row in read_last_seen(path, tenant, int(time.time() * 1000))}.values())
    written = 0
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH)):
        known = await journal.last_seen(tenant, [row.user_id for row in batch])
        new = [row for row in batch if row.user_id not in known]
        journal.record(new)
        await journal.flush()
        written += len(new)
    return Imported(written, len(rows) - written)


def check_tenant(tenant: str) -> None:
    """Raise `ConfigError` for a name that no tenant has."""
    try:
        check_id(tenant, "the tenant", id_bytes=Limits().id_bytes)
    except Refusal as refusal:
        raise ConfigError(refusal.message) from None


def read_last_seen(path: Path, tenant: str, now_at: int) -> Iterator[LastSeen]:
    """The rows of a CSV file with the columns `user_id`, `last_seen_at` and, if it is there, `last_active_at`.

    A time is ISO 8601 with its zone, or milliseconds since the epoch. Raises `ConfigError`.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ConfigError(f"{path} has no column {' or '.join(missing)}; its first line is to name {COLUMNS}")
            for told in reader:
                try:
                    yield _row(told, tenant, now_at)
                except (ValueError, Refusal) as error:
                    raise ConfigError(f"{path}, line {reader.line_num}: {error}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} cannot be read as CSV in UTF-8: {error}") from None


def _row(told: Mapping[str, str | None], tenant: str, now_at: int) -> LastSeen:
    user_id = told["user_id"] or ""
    check_id(user_id, "user_id", id_bytes=Limits().id_bytes)
    seen_at = _time(told["last_seen_at"] or "", now_at)
    active = told.get(OPTIONAL)
    active_at = _time(active, now_at) if active else None
    return LastSeen(tenant, user_id, seen_at, active_at, seen_at, active_at)


def _time(text: str, now_at: int) -> int:
    text = text.strip()
    at = int(text) if text.isdecimal() and text.isascii() else _iso(text)
    if at < _LEAST_MS:
        raise ValueError(f"{text!r} is before 1974; a number is in milliseconds, not seconds")
    if at > now_at:
        raise ValueError(f"{text!r} is in the future")
    return at


def _iso(text: str) -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; write 2026-01-17T14:27:51Z, or milliseconds") from None
    if when.tzinfo is None:
        raise ValueError(f"{text!r} has no zone; write {text}Z if it is UTC")
    return round(when.timestamp() * 1000)
