"""Who types, and for how long."""

from __future__ import annotations

from hereabouts.engine.typists import Typists


def test_a_name_is_there_until_its_time_unless_it_is_repeated() -> None:
    typists = Typists()
    assert typists.due_at() is None
    assert typists.start("ada", 6.0)
    assert not typists.start("ada", 9.0)
    assert typists.due_at() == 9.0
    assert not typists.lapse(8.9)
    assert typists.lapse(9.0)
    assert list(typists) == []


def test_the_version_grows_with_each_change_and_with_nothing_else() -> None:
    typists = Typists()
    typists.start("ada", 6.0)
    typists.start("ada", 7.0)
    typists.start("bob", 6.0)
    assert typists.version == 2
    assert typists.stop("ada")
    assert not typists.stop("ada")
    assert not typists.stop("nobody")
    assert typists.version == 3
    assert "bob" in typists
    assert "ada" not in typists
    assert len(typists) == 1


def test_all_that_lapse_at_once_go_and_the_others_stay() -> None:
    typists = Typists()
    for number in range(4):
        typists.start(f"u{number}", float(number))
    assert typists.lapse(2.0)
    assert list(typists) == ["u3"]
