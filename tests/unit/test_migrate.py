"""The runner of migrations, against a database that is a list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from hereabouts.errors import ConfigError
from hereabouts.journal.migrate import Applied, Migration, Migrations, Shape, Target, load

ONE = Migration(1, "one", "up 1", "down 1")
TWO = Migration(2, "two", "up 2", "down 2")
THREE = Migration(3, "three", "up 3", "down 3")


class ListTarget(Target):
    def __init__(self, *applied: Migration) -> None:
        self.ran: list[str] = []
        self._applied = [Applied(m.number, m.name, m.checksum, 1_795_246_287_203, "hereabouts 1.0") for m in applied]
        self.stands = {f"table {m.name}": m.up for m in applied}

    def shape(self) -> Shape:
        return self.stands

    def wanted(self, migrations: Sequence[Migration]) -> Shape:
        return {f"table {m.name}": m.up for m in migrations}

    def applied(self) -> list[Applied]:
        return list(self._applied)

    def apply(self, migration: Migration) -> None:
        self.ran.append(migration.up)
        self._applied.append(Applied(migration.number, migration.name, migration.checksum, 0, ""))

    def revert(self, migration: Migration) -> None:
        self.ran.append(migration.down)
        self._applied.pop()


def test_up_applies_what_is_pending_in_order() -> None:
    target = ListTarget(ONE)
    assert Migrations(target, [ONE, TWO, THREE]).up() == ["0002 two applied", "0003 three applied"]
    assert target.ran == ["up 2", "up 3"]
    assert Migrations(target, [ONE, TWO, THREE]).up() == []


def test_up_stops_where_it_is_told() -> None:
    target = ListTarget()
    assert Migrations(target, [ONE, TWO, THREE]).up(2) == ["0001 one applied", "0002 two applied"]
    assert Migrations(target, [ONE, TWO, THREE]).up(1) == []


def test_down_reverts_the_newest_or_to_a_number() -> None:
    target = ListTarget(ONE, TWO, THREE)
    runner = Migrations(target, [ONE, TWO, THREE])
    assert runner.down() == ["0003 three reverted"]
    assert runner.down(0) == ["0002 two reverted", "0001 one reverted"]
    assert runner.down() == []
    assert target.ran == ["down 3", "down 2", "down 1"]


def test_status_and_verify_change_nothing() -> None:
    target = ListTarget(ONE)
    runner = Migrations(target, [ONE, TWO])
    assert runner.status() == ["0001 one applied 2026-11-21 07:31:27 UTC by hereabouts 1.0", "0002 two pending"]
    assert runner.verify() == [
        "1 of 2 migrations are applied, and they are the ones of this version",
        "1 tables and indexes are there, as the scripts make them",
    ]
    assert target.ran == []


def test_tables_that_somebody_else_changed_are_noticed() -> None:
    target = ListTarget(ONE, TWO)
    runner = Migrations(target, [ONE, TWO])
    target.stands["index of their own"] = "is allowed"
    assert len(runner.verify()) == 2
    del target.stands["table one"]
    target.stands["table two"] = "otherwise"
    with pytest.raises(ConfigError, match=r"table one is missing, table two is not as its script makes it;"):
        runner.verify()


@pytest.mark.parametrize("number", [-1, 4])
def test_a_number_that_is_not_there_is_refused(number: int) -> None:
    runner = Migrations(ListTarget(ONE), [ONE, TWO, THREE])
    with pytest.raises(ConfigError, match=rf"no migration {number}; 1 of 3 are applied, so it is from 0 to 3"):
        runner.up(number)


def test_a_newer_database_is_left_alone() -> None:
    target = ListTarget(ONE, TWO)
    for act in (Migrations(target, [ONE]).up, Migrations(target, [ONE]).status, Migrations(target, [ONE]).down):
        with pytest.raises(ConfigError, match="is at migration 2 two, and this version of hereabouts knows 1"):
            act()
    assert target.ran == []


@pytest.mark.parametrize(
    "changed", [ONE._replace(up="other"), ONE._replace(down="other"), ONE._replace(name="other")], ids=str
)
def test_a_script_that_was_changed_is_noticed(changed: Migration) -> None:
    target = ListTarget(ONE)
    with pytest.raises(ConfigError, match="0001 one applied with checksum"):
        Migrations(target, [changed, TWO]).up()
    assert target.ran == []


def test_our_own_scripts_are_whole() -> None:
    known = load("sqlite")
    assert [migration.number for migration in known] == list(range(1, len(known) + 1))
    assert known[0].name == "record"
    assert load("another") == []


def test_a_folder_without_a_way_back_or_with_a_gap_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sqlite.up.sql").write_text("x")
    (tmp_path / "0001_a.postgres.down.sql").write_text("x")
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(ConfigError, match=r"0001_a\.sqlite\.down\.sql is missing"):
        load("sqlite", tmp_path)
    (tmp_path / "0001_a.sqlite.down.sql").write_text("x")
    assert [migration.name for migration in load("sqlite", tmp_path)] == ["a"]
    for way in ("up", "down"):
        (tmp_path / f"0003_c.sqlite.{way}.sql").write_text("x")
    with pytest.raises(ConfigError, match=r"are \[1, 3\]; they are to be 1, 2, 3"):
        load("sqlite", tmp_path)
