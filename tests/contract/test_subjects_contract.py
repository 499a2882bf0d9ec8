"""Every record against the suite of what is stored of one user; and that no table of SQLite was forgotten."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hereabouts.engine.occupancy import Ask, Terms
from hereabouts.journal.audit import Act
from hereabouts.journal.base import Journal, Origin, SessionOpened, Transition
from hereabouts.journal.none import NoJournal
from hereabouts.journal.outbox import OutboxRow
from hereabouts.journal.personal import PERSONAL
from hereabouts.journal.relations import Relation
from hereabouts.journal.sqlite import SqliteJournal
from hereabouts.testing.outbox_contract import all_to_crm
from hereabouts.testing.subjects_contract import AT, SubjectsContract, T

NAMELESS = {
    "audit": "it has a call of its own that gives a user another name",
    "deliveries": "to whom events are still to go; they go with the event",
    "disabled_endpoints": "about servers",
    "handover": "lives from the end of one process to the start of the next, which reads and deletes it",
    "migrations": "about the tables",
    "nodes": "about processes",
    "occupancy_kinds": "counters of a kind",
    "policy_versions": "who set a policy is an operator, of no tenant",
}
"""Tables in which a user has no place, or another one."""


class TestNoneOfOne(SubjectsContract):
    def journal(self) -> Journal:
        return NoJournal()


class TestSqliteOfOne(SubjectsContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "journal.db"

    def journal(self) -> Journal:
        return SqliteJournal(self.path, flush_seconds=0.01)

    async def test_no_byte_of_the_file_names_an_erased_user(self) -> None:
        user_id = "ada-7f3e"
        journal = SqliteJournal(self.path)
        journal.outbox.route, journal.outbox.kinds = all_to_crm, frozenset({"user"})
        await journal.open()
        await fill(journal, user_id)
        told = {table for table, rows in (await journal.subjects.export(T, user_id)).items() if rows}
        assert told == {p.table for p in PERSONAL if not p.is_kept} - {"last_seen", "declared"} | {"audit"}
        await journal.subjects.erase(T, user_id, "erased:1")
        assert await journal.subjects.export(T, user_id) == {}
        assert len(await journal.subjects.export(T, "bob")) == len(told)
        assert [row.user_id for row in await journal.occupancies.history(T, "desk")] == ["erased:1", "bob"]
        await journal.close()
        kept = b"".join(path.read_bytes() for path in self.path.parent.iterdir())
        assert user_id.encode() not in kept
        assert b"bob" in kept

    async def test_every_table_is_known(self) -> None:
        journal = self.journal()
        await journal.open()
        await journal.close()
        with closing(sqlite3.connect(self.path)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        tables = {name for name in tables if not name.startswith("sqlite_")}
        assert tables == {personal.table for personal in PERSONAL} | NAMELESS.keys(), (
            "a table that holds a user id belongs into PERSONAL of journal/personal.py, any other into NAMELESS"
        )


async def fill(journal: SqliteJournal, user_id: str) -> None:
    """Let this user and bob stand in every table that has a place for them."""
    for id in (user_id, "bob"):
        journal.record([OutboxRow(T, "user", "", id, "online", None, AT)])
        journal.record(
            [
                SessionOpened(T, f"of-{id[:3]}", id, "n", None, AT),
                Origin(T, f"of-{id[:3]}", id, "203.0.113.9", "App/1", AT),
                Transition(T, id, "offline", "online", None, AT),
            ]
        )
        await journal.relations.put(Relation(T, id, "kid", AT))
        await journal.relations.put(Relation(T, "boss", id, AT))
        resource = f"desk:{id[:3]}"
        await journal.occupancies.occupy(Ask(T, resource, id, name="Somebody"), Terms(), AT)
        await journal.audit.note([Act(T, AT, f"user:{id}", "clear", f"user:{id}", id, "noise", None, {"id": id})])
