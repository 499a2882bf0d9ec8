"""Grants: what a pattern stands for, and that nothing is allowed which is not granted."""

from __future__ import annotations

import pytest

from hereabouts.engine.identity import Grants, Identity, matches


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*", "anything"),
        ("*", ""),
        ("doc:*", "doc:"),
        ("doc:*", "doc:42"),
        ("*:42", "doc:42"),
        ("d*c:*2", "doc:42"),
        ("*o*", "doc"),
        ("a?b", "a?b"),
        ("[ab]", "[ab]"),
        ("[!a]*", "[!a]b"),
        ("a.b", "a.b"),
        ("日*", "日本"),
        ("a**b", "a-b"),
    ],
)
def test_a_star_is_any_run_of_characters(pattern: str, text: str) -> None:
    assert matches(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("doc:*", "doc"),
        ("doc:*", "DOC:42"),
        ("doc:*", "my-doc:42"),
        ("*:42", "doc:421"),
        ("a?b", "axb"),
        ("a?b*", "axb"),
        ("[ab]", "a"),
        ("[ab]*", "a"),
        ("a.b*", "axb"),
        ("a+*", "aaa"),
        ("(a|b)*", "a"),
        ("", "a"),
        ("a", ""),
        ("é", "e\u0301"),
    ],
)
def test_nothing_else_is_special(pattern: str, text: str) -> None:
    assert not matches(pattern, text)


def test_many_stars_do_not_take_long() -> None:
    # A pattern comes from a token: a matcher that tries every split of the text would stand still here.
    assert not matches("*a" * 60 + "b", "a" * 200)


def test_a_right_is_had_only_where_it_is_granted() -> None:
    grants = Grants(rooms={"doc:*": ("join", "watch"), "news": ("watch",), "closed": ()}, watch=("team:*", "bob"))
    assert grants.may("join", "doc:1") and grants.may("watch", "doc:1")
    assert grants.may("watch", "news") and not grants.may("join", "news")
    assert not grants.may("join", "closed") and not grants.may("watch", "closed")
    assert not grants.may("join", "other")
    assert grants.may_watch_user("team:7") and grants.may_watch_user("bob")
    assert not grants.may_watch_user("bobby") and not grants.may_watch_user("doc:1")


def test_rights_of_several_patterns_add_up() -> None:
    grants = Grants(rooms={"doc:*": ("watch",), "doc:1": ("join",)})
    assert grants.may("join", "doc:1") and grants.may("watch", "doc:1") and not grants.may("join", "doc:2")


def test_without_grants_nothing_is_allowed() -> None:
    assert not Grants().may("join", "a") and not Grants().may("watch", "a") and not Grants().may_watch_user("a")


def test_the_region_of_a_token_wins_over_that_of_a_proxy() -> None:
    nowhere, told = Identity("default", "ada"), Identity("default", "ada", region="eu")
    assert [nowhere.placed(None).region, nowhere.placed("us").region] == [None, "us"]
    assert [told.placed(None).region, told.placed("us").region] == ["eu", "eu"]
