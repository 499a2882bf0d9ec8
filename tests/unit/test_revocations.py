"""Which tokens a revocation hits, and when it is forgotten."""

from __future__ import annotations

from hereabouts.journal.revocations import Revocation, Revocations


def test_one_that_ran_out_is_forgotten_when_the_next_is_added() -> None:
    standing = Revocations()
    standing.add(Revocation("default", "token", "old", 10, 20))
    assert standing.hit("default", "ada", "old", 5)
    standing.add(Revocation("default", "token", "new", 20, 30))
    assert not standing.hit("default", "ada", "old", 5)
    assert standing.hit("default", "ada", "new", 5)


def test_a_second_one_extends_the_first() -> None:
    standing = Revocations()
    standing.add(Revocation("default", "user", "ada", 10, 100))
    standing.add(Revocation("default", "user", "ada", 5, 50))
    standing.add(Revocation("default", "user", "bob", 60, 100))
    assert standing.hit("default", "ada", None, 10), "neither its moment nor its end went back"


def test_of_what_a_journal_holds_only_that_is_new_which_hits_more() -> None:
    standing = Revocations()
    ada, token = Revocation("default", "user", "ada", 10, 100), Revocation("default", "token", "t", 20, 100)
    standing.add(ada)
    assert standing.take([ada, token]) == [token]
    assert standing.take([ada._replace(at=30), token]) == [ada._replace(at=30)]
    assert standing.take([ada._replace(at=30, until_at=200)]) == [], "it lasts longer and hits nothing more"
    assert standing.newest_at == 30
