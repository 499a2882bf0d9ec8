"""When a room is too large to be listed, and when it is listed again (rule 9)."""

from __future__ import annotations

from msgspec import structs

from hereabouts.engine.crowding import Crowd
from hereabouts.engine.policy import Policy

POLICY = structs.replace(Policy(), fanout_summary_above=100, fanout_summary_bytes=10_000)


def crowded(members: int = 101, roster_bytes: int = 0) -> Crowd:
    crowd = Crowd()
    assert crowd.judge(POLICY, members, roster_bytes, 0.0)
    return crowd


def test_it_is_a_summary_above_the_members_or_the_bytes_and_not_at_them() -> None:
    assert not Crowd().judge(POLICY, 100, 10_000, 0.0)
    assert crowded(101, 0).is_summary
    assert crowded(1, 10_001).is_summary


def test_it_comes_back_below_four_fifths_and_not_before_ten_seconds() -> None:
    crowd = crowded()
    assert not crowd.judge(POLICY, 80, 0, 60.0)
    assert not crowd.judge(POLICY, 79, 0, 9.9)
    assert crowd.judge(POLICY, 79, 0, 10.0)
    assert not crowd.is_summary


def test_one_of_many_bytes_comes_back_by_what_each_member_took() -> None:
    crowd = crowded(20, 20_000)
    assert not crowd.judge(POLICY, 8, 0, 60.0)
    assert crowd.judge(POLICY, 7, 0, 60.0)


def test_one_that_became_small_is_looked_at_when_its_time_is_over_although_nobody_comes() -> None:
    crowd = crowded()
    assert crowd.wait_seconds(POLICY, 101, 4.0) is None
    assert crowd.wait_seconds(POLICY, 10, 4.0) == 6.0
    assert Crowd().wait_seconds(POLICY, 10, 4.0) is None
