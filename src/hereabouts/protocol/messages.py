"""Every message of the native protocol as a typed value.

Source: `spec/protocol.md`. What the client sends is decoded into these types and nothing else; what the server
sends is built from them. `state` and `info` stay encoded (`Raw`): they are checked once on entry and forwarded as
they came.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from hereabouts.protocol.codes import PROTOCOL, Declared, Status, View

RequestId = int


class ClientMessage(Struct, frozen=True, tag_field="type", omit_defaults=True):
    """What a client may send."""


class Hello(ClientMessage, frozen=True, tag="hello"):
    """The first frame: who is there, and which session and streams it would continue."""

    token: str | None = None
    resume: str | None = None
    seen: dict[str, tuple[str, int]] = {}
    visible: bool = True
    active: bool = True
    platform: str | None = None
    client: str | None = None


class Join(ClientMessage, frozen=True, tag="join"):
    """Become a member and a watcher of a room."""

    id: RequestId
    room: str
    state: dict[str, Raw] = {}


class Update(ClientMessage, frozen=True, tag="update"):
    """Merge keys into the session's own state in a room; `null` removes a key."""

    room: str
    state: dict[str, Raw]
    id: RequestId | None = None


class Leave(ClientMessage, frozen=True, tag="leave"):
    """End the membership, and the watching that came with it."""

    room: str
    id: RequestId | None = None


class Watch(ClientMessage, frozen=True, tag="watch"):
    """Receive changes of rooms and users without being a member, and of who holds what in kinds of resources."""

    id: RequestId
    rooms: list[str] | None = None
    users: list[str] | None = None
    mode: Literal["roster", "count"] = "roster"
    replace: bool = False
    occupancy: list[str] | None = None


class Unwatch(ClientMessage, frozen=True, tag="unwatch"):
    """Stop receiving them."""

    rooms: list[str] | None = None
    users: list[str] | None = None
    id: RequestId | None = None
    occupancy: list[str] | None = None


class Occupy(ClientMessage, frozen=True, tag="occupy"):
    """Hold a resource, `kind:name`; asking again for what one holds keeps it."""

    id: RequestId
    resource: str
    on_conflict: Literal["reject", "take_over"] = "reject"


class Release(ClientMessage, frozen=True, tag="release"):
    """Hold it no longer; with `fencing` only if it is still that grant."""

    id: RequestId
    resource: str
    fencing: int | None = None


class Typing(ClientMessage, frozen=True, tag="typing"):
    """The user is typing in a room, or has stopped; lapses unless repeated."""

    room: str
    on: bool


class SetStatus(ClientMessage, frozen=True, tag="status"):
    """Declare a status for the user, over all sessions."""

    status: Declared
    text: str | None = None
    emoji: str | None = None
    until_at: int | None = None
    id: RequestId | None = None


class Beat(ClientMessage, frozen=True, tag="beat"):
    """A sign of life; `active` says that there was human input since the last one."""

    visible: bool | None = None
    active: bool | None = None


class Sync(ClientMessage, frozen=True, tag="sync"):
    """Please send a snapshot of a room that is joined or watched."""

    id: RequestId
    room: str


class Refresh(ClientMessage, frozen=True, tag="refresh"):
    """A newer token for the same user; nothing else changes."""

    id: RequestId
    token: str


class Bye(ClientMessage, frozen=True, tag="bye"):
    """The session ends now."""


ClientMessages = (
    Hello | Join | Update | Leave | Watch | Unwatch | Occupy | Release | Typing | SetStatus | Beat | Sync | Refresh
    | Bye
)  # fmt: skip

CLIENT_MESSAGES: tuple[type[ClientMessage], ...] = (
    Hello, Join, Update, Leave, Watch, Unwatch, Occupy, Release, Typing, SetStatus, Beat, Sync, Refresh, Bye,
)  # fmt: skip


class UserInfo(Struct, frozen=True, omit_defaults=True):
    """Who the token says the client is."""

    id: str
    name: str | None = None
    role: str | None = None


class PolicyInfo(Struct, frozen=True):
    """The clocks in force for this session, in seconds. `idle_after_seconds` is null where nobody becomes idle."""

    beat_visible_seconds: float
    beat_hidden_seconds: float
    lease_visible_seconds: float
    lease_hidden_seconds: float
    grace_seconds: float
    idle_after_seconds: float | None
    typing_refresh_seconds: float


class Member(Struct, frozen=True):
    """One user in one room over all its sessions, in the view `full`."""

    user_id: str
    status: Status
    joined_at: int
    sessions: int
    state: dict[str, Raw]
    typing: bool = False
    name: str | UnsetType = UNSET
    info: Raw | UnsetType = UNSET
    text: str | UnsetType = UNSET
    last_active_at: int | UnsetType | None = UNSET
    self: bool | UnsetType = UNSET


class MemberStatus(Struct, frozen=True):
    """A member in the view `status`."""

    user_id: str
    status: Status
    name: str | UnsetType = UNSET


class User(Struct, frozen=True):
    """A user's presence card. Which keys are there depends on the view; a time that is in the view is never missing."""

    user_id: str
    status: Status
    text: str | UnsetType = UNSET
    emoji: str | UnsetType = UNSET
    last_seen_at: int | UnsetType | None = UNSET
    last_active_at: int | UnsetType | None = UNSET
    sessions: int | UnsetType = UNSET
    declared: Declared | UnsetType = UNSET
    self: bool | UnsetType = UNSET


class Holding(Struct, frozen=True):
    """Who holds a resource. Which keys are there depends on the view; `existence` has `occupied` and no more."""

    resource: str
    user_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    since_at: int | UnsetType = UNSET
    last_active_at: int | UnsetType = UNSET
    fencing: int | UnsetType = UNSET
    stale: bool | UnsetType = UNSET
    occupied: bool | UnsetType = UNSET
    self: bool | UnsetType = UNSET


class OccupancyEvent(Holding, frozen=True, rename={"came_from": "from"}):
    """What happened to a resource: a holding, and how it came about.

    `updated` is a holding that is or is no longer stale; `replaces` is the holder who gave way; `from` the resource
    that the holder moved from.
    """

    event: Literal["occupied", "released", "moved", "updated"] = "occupied"
    came_from: str | UnsetType = UNSET
    replaces: str | UnsetType = UNSET
    cause: str | UnsetType = UNSET


class ServerMessage(Struct, frozen=True, tag_field="type"):
    """What the server may send."""


class Welcome(ServerMessage, frozen=True, tag="welcome"):
    """The answer to `hello`."""

    session_id: str
    incarnation: int
    resumed: bool
    resume: str
    leave_token: str
    user: UserInfo
    tenant: str
    server_time_at: int
    policy: PolicyInfo
    limits: dict[str, float]
    rooms: list[str]
    protocol: int = PROTOCOL


class Ok(ServerMessage, frozen=True, tag="ok"):
    """The request with this id succeeded."""

    id: RequestId
    member: Raw | UnsetType = UNSET
    expires_at: int | UnsetType = UNSET
    rooms: list[str] | UnsetType = UNSET
    resource: str | UnsetType = UNSET
    since_at: int | UnsetType = UNSET
    fencing: int | UnsetType = UNSET
    moved_from: str | UnsetType = UNSET


class Error(ServerMessage, frozen=True, tag="error", omit_defaults=True):
    """The request with this id, or the frame, was refused."""

    code: str
    message: str
    id: RequestId | None = None
    retry_after_seconds: float | None = None
    limit: str | None = None
    holder: Raw | UnsetType = UNSET


class Snapshot(ServerMessage, frozen=True, tag="snapshot"):
    """A whole roster at one position of this viewer's stream."""

    room: str
    epoch: str
    seq: int
    mode: Literal["roster", "summary"]
    view: View
    count: int
    members: list[Raw]
    degraded: bool | UnsetType = UNSET


class Delta(ServerMessage, frozen=True, tag="delta"):
    """The net change from `since` to `seq`; its events are `join`, `update` and `leave`."""

    room: str
    epoch: str
    since: int
    seq: int
    events: list[Raw]
    count: int


class JoinEvent(Struct, frozen=True, tag_field="event", tag="join"):
    """A member who was not there before."""

    member: Raw


class UpdateEvent(Struct, frozen=True, tag_field="event", tag="update"):
    """A member who was there, whole, as it is now."""

    member: Raw


class LeaveEvent(Struct, frozen=True, tag_field="event", tag="leave"):
    """A member who is there no more; `cause` for the view `full` only."""

    user_id: str
    cause: str | UnsetType = UNSET


class Count(ServerMessage, frozen=True, tag="count"):
    """How many members, and for the view `full` how many sessions."""

    room: str
    count: int
    sessions: int | UnsetType = UNSET


class TypingNow(ServerMessage, frozen=True, tag="typing"):
    """Everybody now typing in the room but the viewer: the whole list each time."""

    room: str
    user_ids: list[str]


class Users(ServerMessage, frozen=True, tag="users"):
    """The watched users after `watch`, later those that changed."""

    users: list[Raw]


class Occupancy(ServerMessage, frozen=True, tag="occupancy"):
    """Who holds what of a kind: everything (`held`), or what happened since a position (`events`).

    Without a position it is a notice to the holder's own sessions that do not watch the kind.
    """

    kind: str
    epoch: str | UnsetType = UNSET
    seq: int | UnsetType = UNSET
    since: int | UnsetType = UNSET
    view: View | UnsetType = UNSET
    held: list[Raw] | UnsetType = UNSET
    events: list[Raw] | UnsetType = UNSET


class PolicyChanged(ServerMessage, frozen=True, tag="policy"):
    """The policy that is in force from now on."""

    policy: PolicyInfo


class BeatAnswer(ServerMessage, frozen=True, tag="beat"):
    """The answer to each beat."""

    server_time_at: int


class Degraded(ServerMessage, frozen=True, tag="degraded"):
    """From now on what is shown may be stale."""

    since_at: int


class Restored(ServerMessage, frozen=True, tag="restored"):
    """What is shown is current again; where the last snapshot was `degraded`, a new one follows."""


class Reconnect(ServerMessage, frozen=True, tag="reconnect"):
    """The server will close this connection; come back after so many seconds."""

    after_seconds: float
    reason: str


class Ended(ServerMessage, frozen=True, tag="ended"):
    """This session is over."""

    code: str
    reason: str


class Left(ServerMessage, frozen=True, tag="left"):
    """This session was taken out of a room; it goes on elsewhere, and the room's stream ends for it as a member."""

    room: str
    cause: str
    reason: str


SERVER_MESSAGES: tuple[type[ServerMessage], ...] = (
    Welcome, Ok, Error, Snapshot, Delta, Count, TypingNow, Users, Occupancy, PolicyChanged,
    BeatAnswer, Degraded, Restored, Reconnect, Left, Ended,
)  # fmt: skip

EVENTS: tuple[type[Struct], ...] = (JoinEvent, UpdateEvent, LeaveEvent)


def tag_of(message: type[Struct]) -> str:
    """The `type` (or `event`) under which a message travels."""
    config: Any = message.__struct_config__
    return str(config.tag)


def schemas(ref_template: str = "#/components/schemas/{name}") -> dict[str, Any]:
    """JSON Schema (2020-12) of every message, for `spec/messages.json`, OpenAPI and AsyncAPI.

    What is forwarded as it was encoded (`Raw`) gets the schema of what stands there.
    """
    _, components = msgspec.json.schema_components(
        (*CLIENT_MESSAGES, *SERVER_MESSAGES, *EVENTS, Member, MemberStatus, User, Holding, OccupancyEvent),
        ref_template=ref_template,
    )

    def one_of(*kinds: type[Struct]) -> dict[str, Any]:
        return {"anyOf": [{"$ref": ref_template.format(name=kind.__name__)} for kind in kinds]}

    def properties(message: type[Struct]) -> dict[str, Any]:
        found: dict[str, Any] = components[message.__name__]["properties"]
        return found

    member = one_of(Member, MemberStatus)
    properties(Snapshot)["members"]["items"] = member
    properties(JoinEvent)["member"] = properties(UpdateEvent)["member"] = member
    properties(Delta)["events"]["items"] = one_of(*EVENTS)
    properties(Users)["users"]["items"] = one_of(User)
    properties(Ok)["member"] = one_of(Member)
    properties(Occupancy)["held"]["items"] = properties(Error)["holder"] = one_of(Holding)
    properties(Occupancy)["events"]["items"] = one_of(OccupancyEvent)
    properties(Member)["info"] = {"type": "object"}
    return dict(components)
