"""Pages of a roster: they agree, they are the caller's own, and what is kept for them is bounded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from hereabouts.engine.identity import Identity
from hereabouts.engine.records import Now
from hereabouts.engine.roster import MemberFold
from hereabouts.errors import Refusal
from hereabouts.protocol.codes import View
from hereabouts.runtime.context import Context
from hereabouts.runtime.pages import CURSOR_SECONDS, KEPT_MEMBERS, KEPT_READS, Page, Pages
from hereabouts.runtime.reading import RoomRead

ADA, BOB = Identity("default", "ada"), Identity("default", "bob")


class Shelf:
    """Pages on a clock of their own."""

    def __init__(self) -> None:
        self.tick = 0.0
        self._count = 0
        context = SimpleNamespace(now=lambda: Now(self.tick, 0), random_bytes=self._bytes)
        self.pages = Pages(cast(Context, context))

    def _bytes(self, size: int) -> bytes:
        self._count += 1
        return self._count.to_bytes(size, "big")

    def first(self, identity: Identity, members: int, limit: int, room: str = "lobby") -> Page:
        return self.pages.first(identity, "", a_read(members, room), limit)

    def later(self, identity: Identity, cursor: str | None, room: str = "lobby", view: View = "full") -> Page:
        assert cursor is not None
        return self.pages.later(identity, "", room, view, cursor, 2)


def a_read(members: int, room: str = "lobby") -> RoomRead:
    folds = tuple(MemberFold(f"u{n}", None, None, "online", None, 0, None, 1, {}) for n in range(members))
    return RoomRead(room, "full", "e", 1, members, folds, frozenset({"u1"}))


def users(page: Page) -> list[str]:
    return [bytes(member).split(b'"user_id":"')[1].split(b'"')[0].decode() for member in page.members]


def test_a_short_roster_is_one_page_and_keeps_nothing() -> None:
    shelf = Shelf()
    page = shelf.first(ADA, 3, 3)
    assert (users(page), page.next_cursor, len(shelf.pages)) == (["u0", "u1", "u2"], None, 0)


def test_every_member_is_on_one_page() -> None:
    shelf = Shelf()
    page = shelf.first(ADA, 5, 2)
    found = users(page)
    while page.next_cursor is not None:
        page = shelf.later(ADA, page.next_cursor)
        found += users(page)
    assert found == ["u0", "u1", "u2", "u3", "u4"]


def test_a_page_may_be_asked_for_twice() -> None:
    shelf = Shelf()
    cursor = shelf.first(ADA, 5, 2).next_cursor
    assert shelf.later(ADA, cursor) == shelf.later(ADA, cursor)


def test_typing_and_oneself_are_marked() -> None:
    page = Shelf().first(Identity("default", "u0"), 2, 2)
    assert b'"self":true' in bytes(page.members[0])
    assert b'"typing":true' in bytes(page.members[1])


def test_a_cursor_is_good_until_its_time_is_over() -> None:
    shelf = Shelf()
    cursor = shelf.first(ADA, 5, 2).next_cursor
    shelf.tick = CURSOR_SECONDS - 0.001
    shelf.later(ADA, cursor)
    shelf.tick = CURSOR_SECONDS
    with pytest.raises(Refusal, match="cursor_gone"):
        shelf.later(ADA, cursor)
    assert len(shelf.pages) == 0


@pytest.mark.parametrize("wrong", ["", ".", "x.2", "{name}", "{name}.", "{name}.-1", "{name}.²", "{name}.99999999999"])
def test_a_cursor_that_was_not_given_is_gone(wrong: str) -> None:
    shelf = Shelf()
    cursor = shelf.first(ADA, 5, 2).next_cursor or ""
    with pytest.raises(Refusal, match="cursor_gone"):
        shelf.later(ADA, wrong.format(name=cursor.partition(".")[0]))


def test_a_cursor_is_for_its_caller_its_room_and_its_view() -> None:
    shelf = Shelf()
    cursor = shelf.first(ADA, 5, 2).next_cursor
    with pytest.raises(Refusal, match="cursor_gone"):
        shelf.later(BOB, cursor)
    with pytest.raises(Refusal, match="cursor_gone"):
        shelf.later(ADA, cursor, "other")
    with pytest.raises(Refusal, match="cursor_gone"):
        shelf.later(ADA, cursor, view="status")


def test_one_caller_does_not_push_out_another() -> None:
    shelf = Shelf()
    cursor = shelf.first(BOB, 5, 2).next_cursor
    own = [shelf.first(ADA, 5, 2).next_cursor for _ in range(3 * KEPT_READS)]
    assert len(shelf.pages) == KEPT_READS + 1
    shelf.later(BOB, cursor)
    shelf.later(ADA, own[-KEPT_READS])
    with pytest.raises(Refusal, match="cursor_gone"):
        shelf.later(ADA, own[-KEPT_READS - 1])


def test_what_is_kept_is_bounded() -> None:
    shelf = Shelf()
    members = KEPT_MEMBERS // 3
    read = a_read(members)
    for n in range(10):
        shelf.pages.first(Identity("default", f"reader{n}"), "", read, 2)
    assert len(shelf.pages) == 3
