"""What every `Backend` does, wherever it keeps the live state.

Subclass `BackendContract` in a test module and give it a backend. `backend_history` adds random histories to it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Final

from hereabouts.backends.base import Backend
from hereabouts.engine.records import DECLARATION, Declaration, FeedKey, Owner, Position, Presence, Put, Records, Remove
from hereabouts.testing.backend_history import any_history
from hereabouts.testing.mirror import Mirror, Picture, follow, picture_of, place_of
from hereabouts.testing.waiting import eventually, never

ROOM: Final = FeedKey("default", "room", "lobby")
HERE: Final = Owner("n1", 7)
ELSEWHERE: Final = Owner("n2", 7)

LOOK_ALIKES: Final = tuple(
    FeedKey(tenant, "user" if kind == "user" else "room", name)
    for tenant, kind, name in (
        ("a", "room", "b:c"), ("a:b", "room", "c"), ("a:room", "room", "b"), ("a", "room", "room:b"),
        ("a", "room", "ada"), ("a", "user", "ada"), ("a", "room", "user:ada"), ("a:user", "room", "ada"),
        ("a", "user", "room:ada"), ("a", "room", "Ada"), ("A", "room", "ada"), ("a", "room", " ada"),
        ("a", "room", "a/d/a"), ("a/a", "room", "d/a"), ("a", "room", "{ada}"), ("{a}", "room", "ada"),
        ("a", "room", "a|da"), ("a|a", "room", "da"), ("a", "room", "ada\x00"), ("a", "room", "*"),
        ("a", "room", "é"), ("a", "room", "e\u0301"), ("a", "room", "日本"), ("a", "room", "a%3Ab"),
        ("a", "room", "a:b"),
    )
)  # fmt: skip
"""Feeds whose names fall together under a careless joining, quoting or folding of their parts."""

USERS: Final = (("a", "b:c"), ("a:b", "c"), ("a", "c"), ("declaration", "a"), ("a", "Declaration"))
"""A user id and a session id each; all of them are different places."""


def record(
    session_id: str = "s1", user_id: str = "ada", incarnation: int = 1, *, owner: Owner = HERE, seen_at: int = 0
) -> Presence:
    """A record that differs where its arguments do."""
    return Presence(session_id, user_id, incarnation, owner, 0, True, True, None, seen_at)


def removal(of: Records, *, owner: Owner | None = None, incarnation: int | None = None) -> Remove:
    """The removal of this record by its owner, unless another is named."""
    by = of.incarnation if incarnation is None else incarnation
    return Remove(of.session_id, of.user_id, by, owner or of.owner, "leave")


class BackendContract(ABC):
    """The suite; its subclasses are collected when they are named `Test…`."""

    @abstractmethod
    def backend(self) -> Backend:
        """A new one with nothing in it, not opened yet."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Backend]:
        """The backend while it is in use."""
        backend = self.backend()
        await backend.open()
        try:
            yield backend
        finally:
            await backend.close()

    async def test_an_unknown_feed_is_empty_and_reading_it_writes_nothing(self) -> None:
        async with self.opened() as backend:
            first = await backend.snapshot(ROOM)
            assert first.records == ()
            assert first.position.seq == 0
            assert await backend.snapshot(ROOM) == first
            assert (await backend.snapshot(LOOK_ALIKES[0])).records == ()

    async def test_a_commit_tells_what_stood_before_and_what_else_the_user_has(self) -> None:
        async with self.opened() as backend:
            one, two, other = record("s1"), record("s2"), record("s3", "bob")
            assert (await backend.commit(ROOM, Put(one)))[2:] == (None, ())
            assert (await backend.commit(ROOM, Put(other)))[2:] == (None, ())
            assert (await backend.commit(ROOM, Put(two)))[2:] == (None, (one,))
            newer = record("s1", incarnation=2)
            assert (await backend.commit(ROOM, Put(newer)))[2:] == (one, (two,))
            assert (await backend.commit(ROOM, removal(two)))[2:] == (two, (newer,))
            assert (await backend.commit(ROOM, removal(newer)))[2:] == (newer, ())
            assert (await backend.snapshot(ROOM)).records == (other,)

    async def test_positions_have_no_gap_and_followers_hear_each_once(self) -> None:
        async with self.opened() as backend:
            mirrors = [await follow(backend, ROOM) for _ in range(3)]
            commits = [await backend.commit(ROOM, Put(record("s1", seen_at=n))) for n in range(20)]
            first = mirrors[0].position
            assert first is not None
            assert [commit.position.seq for commit in commits] == list(range(commits[0].position.seq, first.seq + 1))
            for mirror in mirrors:
                await settled(mirror, commits[-1].position)
                assert [entry.position for entry in mirror.entries] == [commit.position for commit in commits]

    async def test_following_loses_and_doubles_nothing(self) -> None:
        async with self.opened() as backend:

            async def write(n: int) -> None:
                await backend.commit(ROOM, Put(record(f"s{n % 7}", seen_at=n)))

            async def begin() -> Mirror:
                await asyncio.sleep(0)
                return await follow(backend, ROOM)

            writing = [asyncio.create_task(write(n)) for n in range(200)]
            mirrors = await asyncio.gather(*(begin() for _ in range(20)))
            await asyncio.gather(*writing)
            snapshot = await backend.snapshot(ROOM)
            for mirror in mirrors:
                await settled(mirror, snapshot.position)
                assert mirror.picture == picture_of(snapshot)

    async def test_an_older_life_puts_nothing(self) -> None:
        async with self.opened() as backend:
            newer = record(incarnation=3)
            await self._refuses(backend, newer, Put(record(incarnation=2, seen_at=9)))
            assert (await backend.commit(ROOM, Put(record(incarnation=3, seen_at=9)))).applied

    async def test_an_older_life_removes_nothing(self) -> None:
        async with self.opened() as backend:
            newer = record(incarnation=3)
            await self._refuses(backend, newer, removal(newer, incarnation=2))
            await self._refuses(backend, newer, removal(newer, incarnation=2, owner=ELSEWHERE))
            assert (await backend.commit(ROOM, removal(newer))).applied

    async def test_another_owner_removes_nothing(self) -> None:
        async with self.opened() as backend:
            await self._refuses(backend, record(), removal(record(), owner=ELSEWHERE))
            restarted = Owner(HERE.node, HERE.incarnation + 1)
            await self._refuses(backend, record(), removal(record(), owner=restarted))

    async def test_a_newer_life_removes_an_older_one_of_another_owner(self) -> None:
        async with self.opened() as backend:
            await backend.commit(ROOM, Put(record(owner=ELSEWHERE)))
            assert (await backend.commit(ROOM, removal(record(), incarnation=2))).applied
            assert (await backend.snapshot(ROOM)).records == ()

    async def test_nothing_is_removed_where_nothing_stands(self) -> None:
        async with self.opened() as backend:
            assert not (await backend.commit(ROOM, removal(record()))).applied
            await self._refuses(backend, record(), removal(record("s2")))
            await self._refuses(backend, record(), removal(record("s1", "bob")))

    async def test_a_declaration_is_replaced_and_removed_by_any_session(self) -> None:
        async with self.opened() as backend:
            await backend.commit(ROOM, Put(record()))
            busy = Declaration("s1", "ada", 5, HERE, "busy", 1)
            dnd = Declaration("s2", "ada", 1, ELSEWHERE, "dnd", 2)
            assert (await backend.commit(ROOM, Put(busy)))[2:] == (None, (record(),))
            assert (await backend.commit(ROOM, Put(dnd)))[2:] == (busy, (record(),))
            gone = await backend.commit(ROOM, Remove(DECLARATION, "ada", 1, HERE, "leave"))
            assert gone.applied and gone[2:] == (dnd, (record(),))

    async def _refuses(self, backend: Backend, standing: Records, change: Put | Remove) -> None:
        await backend.commit(ROOM, Put(standing))
        mirror = await follow(backend, ROOM)
        before = await backend.snapshot(ROOM)
        commit = await backend.commit(ROOM, change)
        assert (commit.applied, commit.position) == (False, before.position)
        assert await backend.snapshot(ROOM) == before
        # The next step follows directly: the refused one took no position and was told to nobody.
        done = await backend.commit(ROOM, Put(record("other", "zoe")))
        await settled(mirror, done.position)
        assert [entry.user_id for entry in mirror.entries] == ["zoe"]
        await backend.unfollow(ROOM, mirror)

    async def test_a_feed_that_comes_back_repeats_no_position(self) -> None:
        async with self.opened() as backend:
            seen: set[Position] = set()
            for _ in range(5):
                written = [
                    (await backend.commit(ROOM, change)).position for change in (Put(record()), removal(record()))
                ]
                assert not seen.intersection(written)
                seen.update(written)
                read = (await backend.snapshot(ROOM)).position
                assert read == written[-1] or read.epoch != written[-1].epoch, f"{read} runs back from {written[-1]}"
                mirror = await follow(backend, ROOM)
                await backend.unfollow(ROOM, mirror)

    async def test_feeds_that_look_alike_are_not_the_same(self) -> None:
        async with self.opened() as backend:
            for n, feed in enumerate(LOOK_ALIKES):
                assert (await backend.commit(feed, Put(record(seen_at=n))))[2:] == (None, ())
            for n, feed in enumerate(LOOK_ALIKES):
                assert (await backend.snapshot(feed)).records == (record(seen_at=n),)
            mirrors = [await follow(backend, feed) for feed in LOOK_ALIKES]
            for feed in LOOK_ALIKES:
                await backend.signal(feed, "ada", True)
                await backend.commit(feed, removal(record()))
            for mirror in mirrors:
                await eventually(lambda m=mirror: not m.picture and m.signals)  # type: ignore[misc]
                assert (len(mirror.entries), mirror.signals) == (1, [("ada", True)])

    async def test_places_that_look_alike_are_not_the_same(self) -> None:
        async with self.opened() as backend:
            for n, (user_id, session_id) in enumerate(USERS):
                assert (await backend.commit(ROOM, Put(record(session_id, user_id, seen_at=n)))).before is None
            assert len((await backend.snapshot(ROOM)).records) == len(USERS)
            for n, (user_id, session_id) in enumerate(USERS):
                standing = record(session_id, user_id, seen_at=n)
                assert (await backend.commit(ROOM, removal(standing))).before == standing

    async def test_unfollowing_ends_the_calls(self) -> None:
        async with self.opened() as backend:
            leaving, staying = await follow(backend, ROOM), await follow(backend, ROOM)
            await backend.unfollow(ROOM, leaving)
            await backend.unfollow(ROOM, leaving)
            done = await backend.commit(ROOM, Put(record()))
            await backend.signal(ROOM, "ada", True)
            await settled(staying, done.position)
            await eventually(lambda: staying.signals)
            await never(lambda: leaving.entries or leaving.signals, during=0.05, what="a call after unfollow")

    async def test_signals_reach_all_followers_and_are_not_stored(self) -> None:
        async with self.opened() as backend:
            await backend.signal(ROOM, "ada", True)
            assert (await backend.snapshot(ROOM)).records == ()
            mirrors = [await follow(backend, ROOM) for _ in range(3)]
            before = await backend.snapshot(ROOM)
            await backend.signal(ROOM, "ada", True)
            await backend.signal(ROOM, "ada", False)
            for mirror in mirrors:
                await eventually(lambda m=mirror: len(m.signals) == 2)  # type: ignore[misc]
                assert mirror.signals == [("ada", True), ("ada", False)]
            assert await backend.snapshot(ROOM) == before

    async def test_a_thousand_commits_at_once_have_one_order(self) -> None:
        random = Random(3)
        async with self.opened() as backend:
            mirrors = [await follow(backend, ROOM) for _ in range(5)]
            changes = [_any_change(random, n) for n in range(1000)]
            commits = await asyncio.gather(*(backend.commit(ROOM, change) for change in changes))
            applied = sorted((commit for commit in commits if commit.applied), key=lambda commit: commit.position.seq)
            for mirror in mirrors:
                await settled(mirror, applied[-1].position)
                assert mirror.entries == mirrors[0].entries
            picture: Picture = {}
            assert len(applied) == len(mirrors[0].entries) > 300
            for commit, entry in zip(applied, mirrors[0].entries, strict=True):
                place = (entry.user_id, entry.session_id)
                others = {record for at, record in picture.items() if at[0] == place[0] and at != place}
                assert (commit.position, commit.before) == (entry.position, picture.get(place))
                assert set(commit.others) == others and len(commit.others) == len(others)
                if entry.record is None:
                    del picture[place]
                else:
                    picture[place_of(entry.record)] = entry.record

    def test_any_history(self) -> None:
        any_history(self.backend)


async def settled(mirror: Mirror, position: Position) -> None:
    """Until the mirror has heard everything up to `position`."""
    await eventually(lambda: mirror.position == position, what=f"{position} at a follower of {mirror.feed}")


def _any_change(random: Random, n: int) -> Put | Remove:
    standing = record(f"s{random.randrange(4)}", random.choice("ab"), seen_at=n)
    return Put(standing) if random.random() < 0.6 else removal(standing)
