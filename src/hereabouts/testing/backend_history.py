"""Random histories of a backend, compared step by step with a plain dictionary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from hereabouts.backends.base import Backend
from hereabouts.engine.records import DECLARATION, Declaration, FeedKey, Owner, Position, Presence, Put, Records, Remove
from hereabouts.testing.mirror import Mirror, Picture, follow, picture_of, place_of
from hereabouts.testing.waiting import eventually

FEEDS: Final = (FeedKey("a", "room", "b:c"), FeedKey("a:b", "room", "c"), FeedKey("a", "user", "b:c"))
OWNERS: Final = (Owner("n1", 1), Owner("n1", 2), Owner("n2", 1))

feeds = st.sampled_from(FEEDS)
owners = st.sampled_from(OWNERS)
users = st.sampled_from(("ada", "bob"))
sessions = st.sampled_from(("s1", "s2", "s3"))
lives = st.integers(1, 3)
records: st.SearchStrategy[Records] = st.one_of(
    st.builds(
        Presence, sessions, users, lives, owners, st.just(0), st.just(True), st.booleans(), st.none(), st.just(1)
    ),
    st.builds(Declaration, sessions, users, lives, owners, st.sampled_from(("busy", "dnd")), st.integers(0, 3)),
)
removals = st.builds(Remove, st.one_of(sessions, st.just(DECLARATION)), users, lives, owners, st.just("leave"))


class History(RuleBasedStateMachine):
    """One backend, its naive model, and followers that come and go."""

    def __init__(self, backend: Callable[[], Backend]) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._backend = backend()
        self._run(self._backend.open())
        self._pictures: dict[FeedKey, Picture] = {feed: {} for feed in FEEDS}
        self._told: dict[FeedKey, set[Position]] = {feed: set() for feed in FEEDS}
        self._mirrors: list[Mirror] = []

    def _run(self, waiting: Any) -> Any:
        return self._runner.run(waiting)

    @rule(feed=feeds, record=records)
    def put(self, feed: FeedKey, record: Records) -> None:
        """A record comes."""
        before = self._pictures[feed].get(place_of(record))
        free = before is None or isinstance(record, Declaration) or record.incarnation >= before.incarnation
        self._commit(feed, Put(record), place_of(record), free)

    @rule(feed=feeds, removal=removals)
    def remove(self, feed: FeedKey, removal: Remove) -> None:
        """A record is taken away, or not."""
        place = (removal.user_id, removal.session_id)
        before = self._pictures[feed].get(place)
        self._commit(feed, removal, place, before is not None and may_remove(removal, before))

    def _commit(self, feed: FeedKey, change: Put | Remove, place: tuple[str, str], is_free: bool) -> None:
        picture, told = self._pictures[feed], self._told[feed]
        others = {record for at, record in picture.items() if at[0] == place[0] and at != place}
        commit = self._run(self._backend.commit(feed, change))
        assert (commit.applied, commit.before, set(commit.others)) == (is_free, picture.get(place), others)
        if not is_free:
            return
        assert commit.position not in told, f"{commit.position} was given twice in {feed}"
        told.add(commit.position)
        if isinstance(change, Put):
            picture[place] = change.record
        else:
            del picture[place]

    @rule(feed=feeds)
    def come(self, feed: FeedKey) -> None:
        """Somebody follows."""
        self._mirrors.append(self._run(follow(self._backend, feed)))

    @precondition(lambda self: self._mirrors)
    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        """A follower goes, and hears no more."""
        mirror = self._mirrors.pop(data.draw(st.integers(0, len(self._mirrors) - 1)))
        self._run(self._backend.unfollow(mirror.feed, mirror))

    @rule(feed=feeds, user_id=users)
    def signal(self, feed: FeedKey, user_id: str) -> None:
        """A signal changes nothing."""
        self._run(self._backend.signal(feed, user_id, True))

    @invariant()
    def all_agree(self) -> None:
        """The backend, the model and every follower show the same."""
        for feed in FEEDS:
            snapshot = self._run(self._backend.snapshot(feed))
            assert picture_of(snapshot) == self._pictures[feed]
            for mirror in self._mirrors:
                if mirror.feed == feed:
                    self._run(eventually(lambda m=mirror, at=snapshot.position: m.position == at))  # type: ignore[misc]
                    assert mirror.picture == self._pictures[feed]

    def teardown(self) -> None:
        """Let go of the backend and its loop."""
        self._run(self._backend.close())
        self._runner.close()


def may_remove(removal: Remove, before: Records) -> bool:
    """The rule, said again in other words than the backends say it."""
    if removal.incarnation < before.incarnation:
        return False
    return isinstance(before, Declaration) or removal.owner == before.owner or removal.incarnation > before.incarnation


def any_history(backend: Callable[[], Backend]) -> None:
    """Fails with the shortest history in which the backend and the model differ."""
    run_state_machine_as_test(
        lambda: History(backend),  # type: ignore[arg-type]  # any factory will do
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
