"""Calls that read presence: users and rooms, as they are now."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from hereabouts.errors import Refusal
from hereabouts.protocol.codes import View
from hereabouts.protocol.messages import User
from hereabouts.routes import Asked, Bound, Call, Nothing
from hereabouts.runtime.context import Context
from hereabouts.runtime.pages import Page, Pages
from hereabouts.runtime.reading import Reading

MOST: Final = 500
"""Users of one query, and members of one page, at most."""

MemberJson = Annotated[
    Raw,
    Meta(
        extra_json_schema={
            "anyOf": [{"$ref": "#/components/schemas/Member"}, {"$ref": "#/components/schemas/MemberStatus"}]
        }
    ),
]
"""A member as a view shows it, encoded."""


class UsersParams(Struct):
    """User ids with commas between them. Ids that hold a comma take the query by POST."""

    ids: str


class UsersBody(Struct):
    """User ids, up to 500."""

    ids: Annotated[list[str], Meta(max_length=MOST)]


class UsersAnswer(Struct):
    """Presence cards in the order asked. `degraded` says that some may be out of date."""

    as_of_at: int
    degraded: bool
    users: list[User]


class UserParams(Struct):
    """A user id."""

    id: str


class UserRooms(Struct):
    """The rooms that a user is in, as far as the caller may see."""

    user_id: str
    rooms: list[str]
    as_of_at: int


class RoomParams(Struct):
    """A room id."""

    room: str


class MembersParams(Struct):
    """A room id, how many members, and the `next_cursor` of the page before."""

    room: str
    limit: Annotated[int, Meta(ge=1, le=MOST)] = 100
    cursor: str | None = None


class MembersPage(Struct):
    """A page of a roster. All pages of one read are of one `(epoch, seq)`."""

    room: str
    epoch: str
    seq: int
    view: View
    count: int
    members: list[MemberJson]
    next_cursor: str | None


class RoomCounted(Struct):
    """How many users are in a room; how many sessions is for the view `full`."""

    room: str
    count: int
    as_of_at: int
    sessions: int | UnsetType = UNSET


def _told(page: MembersPage) -> object:
    """A roster without its position. One of several pages must be had anew, for its cursor lapses."""
    return None if page.next_cursor is not None else (page.view, page.count, page.members)


def _counts(counted: RoomCounted) -> object:
    return counted.count, None if counted.sessions is UNSET else counted.sessions


USERS: Final = Call(
    name="users",
    method="GET",
    path="/v1/users",
    summary="Presence cards of some users, in the order asked.",
    access="reader",
    params=UsersParams,
    body=Nothing,
    answer=UsersAnswer,
    codes=("too_large", "degraded"),
    told_apart_by=lambda answer: (answer.degraded, answer.users),
)
QUERY_USERS: Final = Call(
    name="query_users",
    method="POST",
    path="/v1/users/query",
    summary="The same, for up to 500 users.",
    access="reader",
    params=Nothing,
    body=UsersBody,
    answer=UsersAnswer,
    codes=("degraded",),
)
USER_ROOMS: Final = Call(
    name="user_rooms",
    method="GET",
    path="/v1/users/{id}/rooms",
    summary="Where a user is.",
    access="reader",
    params=UserParams,
    body=Nothing,
    answer=UserRooms,
    codes=("too_large", "degraded"),
)
USER: Final = Call(
    name="user",
    method="GET",
    path="/v1/users/{id}",
    summary="One presence card.",
    access="reader",
    params=UserParams,
    body=Nothing,
    answer=User,
    codes=("too_large", "degraded"),
    told_apart_by=lambda card: card,
)
MEMBERS: Final = Call(
    name="members",
    method="GET",
    path="/v1/rooms/{room}/members",
    summary="A roster, in pages that agree on one position.",
    access="reader",
    params=MembersParams,
    body=Nothing,
    answer=MembersPage,
    codes=("too_large", "cursor_gone", "degraded"),
    told_apart_by=_told,
)
ROOM_COUNT: Final = Call(
    name="room_count",
    method="GET",
    path="/v1/rooms/{room}/count",
    summary="How many are in a room.",
    access="reader",
    params=RoomParams,
    body=Nothing,
    answer=RoomCounted,
    codes=("too_large", "degraded"),
    told_apart_by=_counts,
)
LOOKUPS: Final[tuple[Call[Any, Any], ...]] = (USERS, QUERY_USERS, USER_ROOMS, USER, MEMBERS, ROOM_COUNT)


class Lookups:
    """The calls."""

    def __init__(self, context: Context, reading: Reading) -> None:
        self._reading = reading
        self._pages = Pages(context)

    def calls(self) -> list[Bound]:
        """`/v1/users…` and `/v1/rooms…`."""
        return [
            USERS.to(self._users),
            QUERY_USERS.to(self._query),
            USER_ROOMS.to(self._user_rooms),
            USER.to(self._user),
            MEMBERS.to(self._members),
            ROOM_COUNT.to(self._count),
        ]

    async def _users(self, asked: Asked[UsersParams, Nothing]) -> UsersAnswer:
        return await self._answer(asked, split_ids(asked.params.ids, "ids"))

    async def _query(self, asked: Asked[Nothing, UsersBody]) -> UsersAnswer:
        return await self._answer(asked, asked.body.ids)

    async def _answer(self, asked: Asked[Any, Any], user_ids: list[str]) -> UsersAnswer:
        read = await self._reading.users(asked.caller.identity, user_ids)
        return UsersAnswer(self._reading.as_of_at, read.degraded, read.users)

    async def _user(self, asked: Asked[UserParams, Nothing]) -> User:
        return (await self._reading.users(asked.caller.identity, [asked.params.id])).users[0]

    async def _user_rooms(self, asked: Asked[UserParams, Nothing]) -> UserRooms:
        rooms = await self._reading.rooms_of(asked.caller.identity, asked.params.id)
        return UserRooms(asked.params.id, rooms, self._reading.as_of_at)

    async def _members(self, asked: Asked[MembersParams, Nothing]) -> MembersPage:
        page = await self._page(asked)
        read = page.read
        return MembersPage(read.room, read.epoch, read.seq, read.view, read.count, page.members, page.next_cursor)

    async def _page(self, asked: Asked[MembersParams, Nothing]) -> Page:
        params, identity, key = asked.params, asked.caller.identity, asked.caller.key
        name = key.name if key is not None else ""
        view = await self._reading.judge(identity, params.room)
        if params.cursor is not None:
            return self._pages.later(identity, name, params.room, view, params.cursor, params.limit)
        return self._pages.first(identity, name, await self._reading.room(identity, params.room), params.limit)

    async def _count(self, asked: Asked[RoomParams, Nothing]) -> RoomCounted:
        read = await self._reading.count(asked.caller.identity, asked.params.room)
        sessions = UNSET if read.sessions is None else read.sessions
        return RoomCounted(asked.params.room, read.count, self._reading.as_of_at, sessions)


def split_ids(text: str, what: str) -> list[str]:
    """The ids of a list with commas. Raises `Refusal` with `bad_request` for more than 500."""
    ids = text.split(",", MOST + 1)
    if len(ids) > MOST:
        raise Refusal("bad_request", f"{what} names more than {MOST}")
    return ids
