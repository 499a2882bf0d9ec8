"""Brings the tables of a database to a version: numbered scripts, each with its way back.

A script is `migrations/NNNN_name.DIALECT.up.sql`, its way back `….down.sql`. What was applied is written in the table
`migrations` of the database, with the script's checksum, so that a script which was changed afterwards, or a database
that is newer than this program, is noticed before anything is written.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from hereabouts.errors import ConfigError

NAME: Final = re.compile(r"(?P<number>\d{4})_(?P<name>\w+)\.(?P<dialect>\w+)\.up\.sql")


class Migration(NamedTuple):
    """One step of the tables, and the way back."""

    number: int
    name: str
    up: str
    down: str

    @property
    def checksum(self) -> str:
        """SHA-256 of both scripts, in hexadecimal."""
        return sha256(f"{self.up}\0{self.down}".encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.number:04} {self.name}"


class Applied(NamedTuple):
    """A migration as the database remembers it: applied at a moment (milliseconds) by a version of this program."""

    number: int
    name: str
    checksum: str
    applied_at: int
    applied_by: str

    def __str__(self) -> str:
        when = datetime.fromtimestamp(self.applied_at / 1000, UTC)
        return f"applied {when:%Y-%m-%d %H:%M:%S} UTC by {self.applied_by}"


Shape = Mapping[str, str]
"""Tables and indexes by name, each with a text that is another one where it is made otherwise."""


class Target(ABC):
    """A database that can be migrated. `apply` and `revert` run a script and note it in one transaction."""

    @abstractmethod
    def applied(self) -> list[Applied]:
        """What was applied, by number. A database without the table `migrations` has had none."""

    @abstractmethod
    def shape(self) -> Shape:
        """Every table and index that stands, but for the table `migrations`."""

    @abstractmethod
    def wanted(self, migrations: Sequence[Migration]) -> Shape:
        """Every table and index that these scripts make where there is none; leaves nothing behind."""

    @abstractmethod
    def apply(self, migration: Migration) -> None:
        """Run the script."""

    @abstractmethod
    def revert(self, migration: Migration) -> None:
        """Run the way back."""


def load(dialect: str, folder: Traversable | None = None) -> list[Migration]:
    """The migrations of a dialect, by number, without a gap. Raises `ConfigError` when one is missing its way back."""
    folder = folder or files("hereabouts.journal") / "migrations"
    found: list[Migration] = []
    for file in folder.iterdir():
        match = NAME.fullmatch(file.name)
        if match is None or match["dialect"] != dialect:
            continue
        back = folder / file.name.replace(".up.sql", ".down.sql")
        if not back.is_file():
            raise ConfigError(f"migration {file.name} has no way back; {back.name} is missing")
        up, down = file.read_text(encoding="utf-8"), back.read_text(encoding="utf-8")
        found.append(Migration(int(match["number"]), match["name"], up, down))
    found.sort()
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ConfigError(f"migrations of {dialect} are {[m.number for m in found]}; they are to be 1, 2, 3 and so on")
    return found


class Migrations:
    """The migrations of one database. Each call compares first, and raises `ConfigError` where the two disagree."""

    def __init__(self, target: Target, known: Sequence[Migration]) -> None:
        self._target = target
        self._known = known

    def status(self) -> list[str]:
        """A line for each migration: when and by what it was applied, or that it is pending."""
        done = self._compare()
        seen = [f"{migration} {applied}" for migration, applied in zip(self._known, done, strict=False)]
        return seen + [f"{migration} pending" for migration in self._known[len(done) :]]

    def verify(self) -> list[str]:
        """A line, when what was applied is what this program knows, and one, when the tables and indexes are so.

        What somebody added is not looked at. Raises `ConfigError` for what is missing or made otherwise.
        """
        done = len(self._compare())
        found, wanted = self._target.shape(), self._target.wanted(self._known[:done])
        wrong = [f"{name} is missing" for name in wanted if name not in found]
        wrong += [
            f"{name} is not as its script makes it" for name in wanted if found.get(name, wanted[name]) != wanted[name]
        ]
        if wrong:
            raise ConfigError(
                f"the journal's tables were changed by somebody else: {', '.join(wrong)}; "
                "restore a backup, or make them again with `migrate down` and `migrate up`, which loses what they hold"
            )
        return [
            f"{done} of {len(self._known)} migrations are applied, and they are the ones of this version",
            f"{len(wanted)} tables and indexes are there, as the scripts make them",
        ]

    def up(self, to: int | None = None) -> list[str]:
        """Apply what is pending, up to a number or all."""
        done = len(self._compare())
        return [self._step(self._target.apply, m, "applied") for m in self._known[done : self._number(to, done)]]

    def down(self, to: int | None = None) -> list[str]:
        """Revert, newest first, down to a number (0: no tables at all) or by one. What the tables hold is lost."""
        done = len(self._compare())
        least = max(done - 1, 0) if to is None else self._number(to, done)
        return [self._step(self._target.revert, m, "reverted") for m in reversed(self._known[least:done])]

    def _number(self, to: int | None, done: int) -> int:
        newest = len(self._known)
        if to is not None and not 0 <= to <= newest:
            raise ConfigError(
                f"there is no migration {to}; {done} of {newest} are applied, so it is from 0 to {newest}"
            )
        return newest if to is None else to

    def _step(self, act: Callable[[Migration], None], migration: Migration, what: str) -> str:
        act(migration)
        return f"{migration} {what}"

    def _compare(self) -> list[Applied]:
        """What is applied."""
        applied = self._target.applied()
        if len(applied) > len(self._known):
            raise ConfigError(
                f"the journal is at migration {applied[-1].number} {applied[-1].name}, and this version of hereabouts "
                f"knows {len(self._known)}; run the newer version, or migrate down with it first"
            )
        for known, seen in zip(self._known, applied, strict=False):
            if seen[:3] != (known.number, known.name, known.checksum):
                raise ConfigError(
                    f"the journal had migration {seen.number:04} {seen.name} applied with checksum "
                    f"{seen.checksum[:12]}, and here {known} has {known.checksum[:12]}; the scripts of a version never "
                    f"change, so this is another program's journal or a changed installation"
                )
        return applied
