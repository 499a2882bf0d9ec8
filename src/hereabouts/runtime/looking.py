"""What viewers look at: rooms and users, with the view that each may have. For sockets and event streams alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hereabouts.engine.policy import Policy
from hereabouts.engine.records import FeedKey
from hereabouts.engine.session import Session
from hereabouts.engine.visibility import view_for, view_of
from hereabouts.errors import Refusal
from hereabouts.fanout.audience import Audience
from hereabouts.fanout.cards import Cards
from hereabouts.fanout.outbox import pack
from hereabouts.fanout.room import RoomFan
from hereabouts.fanout.viewer import Viewer, Viewing
from hereabouts.journal.base import Declared
from hereabouts.protocol.codec import check_id
from hereabouts.protocol.messages import Ok, SetStatus, Sync, Watch
from hereabouts.runtime.context import Context
from hereabouts.runtime.kinds import Kinds
from hereabouts.runtime.onlookers import Onlookers
from hereabouts.runtime.relay import Relay


class Looking:
    """Puts viewers onto streams and takes them off."""

    def __init__(self, context: Context, relay: Relay, cards: Cards, onlookers: Onlookers, kinds: Kinds) -> None:
        self._context = context
        self._relay = relay
        self._cards = cards
        self._onlookers = onlookers
        self._kinds = kinds

    def audience(self, viewer: Viewer, viewing: Viewing) -> Audience:
        """The audience that a viewer belongs to in a room, as it looks there now."""
        identity = viewer.identity
        policy = self._context.policy(identity.tenant, identity.role, viewing.room)
        view = view_of(identity, policy, "rooms", is_member=viewing.is_member)
        is_counting = not viewing.is_member and viewing.watch_mode == "count"
        return Audience(view, "count" if is_counting else "roster")

    def become_member(self, viewer: Viewer, fan: RoomFan, seen: tuple[str, int] | None = None) -> None:
        """A joined session watches its room."""
        viewing = viewer.viewings.setdefault(fan.feed.name, Viewing(viewer, fan.feed.name))
        viewing.is_member = True
        fan.attach(viewing, self.audience(viewer, viewing), seen)

    async def leave_member(self, viewer: Viewer, room: str) -> None:
        """The watching that came with a membership ends; a watch of its own goes on."""
        viewing = viewer.viewings.get(room)
        if viewing is None or not viewing.is_member:
            return
        viewing.is_member = False
        await self._settle(viewer, viewing)

    async def watch(self, viewer: Viewer, message: Watch) -> None:
        """Watch rooms, users and kinds: the `ok`, then the whole, then what changes."""
        rooms, users = self._checked(viewer, message)
        kinds = self._kinds.check(viewer.identity, message.occupancy or [])
        fans = [await self._relay.room(FeedKey(viewer.identity.tenant, "room", room)) for room in rooms]
        if message.replace:
            await self._unwatch_others(viewer, message, rooms, users)
        viewer.connection.send(pack(Ok(message.id)))
        await self._show(viewer, fans, message, {})
        self._kinds.watch(viewer, kinds)
        if message.users is not None:
            await self._onlookers.watch(viewer, users)

    async def observe(self, viewer: Viewer, message: Watch, seen: Mapping[str, tuple[str, int]]) -> None:
        """Watch for an event stream: as `watch`, without an `ok`, and each room from where it was seen."""
        rooms, users = self._checked(viewer, message)
        kinds = self._kinds.check(viewer.identity, message.occupancy or [])
        fans = [await self._relay.room(FeedKey(viewer.identity.tenant, "room", room)) for room in rooms]
        await self._show(viewer, fans, message, seen)
        self._kinds.watch(viewer, kinds)
        if users:
            await self._onlookers.watch(viewer, users)

    async def _show(
        self, viewer: Viewer, fans: list[RoomFan], message: Watch, seen: Mapping[str, tuple[str, int]]
    ) -> None:
        for feed in [fan.feed for fan in fans]:
            # While the others were opened somebody else may have let go of it: nobody looked yet.
            fan = await self._relay.room(feed)
            viewing = viewer.viewings.setdefault(fan.feed.name, Viewing(viewer, fan.feed.name))
            viewing.watch_mode = message.mode
            fan.attach(viewing, self.audience(viewer, viewing), seen.get(fan.feed.name))

    def _checked(self, viewer: Viewer, message: Watch) -> tuple[list[str], list[str]]:
        limits, grants = self._context.limits, viewer.identity.grants
        rooms, users = list(dict.fromkeys(message.rooms or [])), list(dict.fromkeys(message.users or []))
        for room in rooms:
            check_id(room, "room", id_bytes=limits.id_bytes)
            if not grants.may("watch", room):
                raise Refusal("forbidden", f"the token does not grant watching {room!r}")
            self._check_view(viewer, room)
        watched = set(viewer.viewings) if not message.replace else set()
        if len(watched | set(rooms)) > limits.rooms_per_session:
            text = f"a session looks at no more than {limits.rooms_per_session} rooms"
            raise Refusal("limit_exceeded", text, limit="rooms_per_session")
        for user_id in users:
            check_id(user_id, "user", id_bytes=limits.id_bytes)
        known = set() if message.replace else set(viewer.cards)
        if len(known | set(users)) > limits.watched_users:
            text = f"a session watches at most {limits.watched_users} users"
            raise Refusal("limit_exceeded", text, limit="watched_users")
        return rooms, users

    def _check_view(self, viewer: Viewer, room: str) -> None:
        identity = viewer.identity
        policy = self._context.policy(identity.tenant, identity.role, room)
        viewing = viewer.viewings.get(room)
        view = view_of(identity, policy, "rooms", is_member=viewing is not None and viewing.is_member)
        if view == "none" and policy.on_none == "forbid":
            raise Refusal("forbidden", f"the policy lets this role see nothing of {room!r}")

    async def _unwatch_others(self, viewer: Viewer, message: Watch, rooms: list[str], users: list[str]) -> None:
        gone_rooms = [r for r, v in viewer.viewings.items() if v.watch_mode and r not in rooms] if message.rooms else []
        if message.rooms is not None and not message.rooms:
            gone_rooms = [r for r, v in viewer.viewings.items() if v.watch_mode]
        gone_users = [u for u in viewer.cards if u not in users] if message.users is not None else []
        kinds = message.occupancy
        gone_kinds = [k for k in viewer.kinds if k not in kinds] if kinds is not None else []
        await self.unwatch(viewer, gone_rooms, gone_users, gone_kinds)

    async def unwatch(self, viewer: Viewer, rooms: list[str], users: list[str], kinds: Sequence[str] = ()) -> None:
        """Watch these no more; a membership goes on."""
        self._kinds.unwatch(viewer, kinds)
        for room in rooms:
            viewing = viewer.viewings.get(room)
            if viewing is not None and viewing.watch_mode is not None:
                viewing.watch_mode = None
                await self._settle(viewer, viewing)
        await self._onlookers.unwatch(viewer, users)

    def sync(self, viewer: Viewer, message: Sync) -> None:
        """Send a snapshot of a room that is looked at."""
        viewing = viewer.viewings.get(message.room)
        fan = self._relay.rooms.get(FeedKey(viewer.identity.tenant, "room", message.room))
        if viewing is None or fan is None:
            raise Refusal("not_joined", f"{message.room[:200]!r} is neither joined nor watched here")
        viewer.connection.send(pack(Ok(message.id)))
        fan.send_whole(viewing)

    async def _settle(self, viewer: Viewer, viewing: Viewing) -> None:
        """After a change of why it looks: another stream, or none."""
        feed = FeedKey(viewer.identity.tenant, "room", viewing.room)
        fan = self._relay.rooms.get(feed)
        if fan is None:
            return
        if viewing.is_member or viewing.watch_mode is not None:
            audience = self.audience(viewer, viewing)
            if viewing.stream is None or viewing.stream.audience != audience:
                fan.attach(viewing, audience)
            return
        fan.detach(viewing)
        viewer.viewings.pop(viewing.room, None)
        await self._relay.release(feed)

    async def judge_again(self, viewer: Viewer) -> None:
        """The viewer's identity changed: what is no longer granted ends, what looks different is sent anew."""
        grants = viewer.identity.grants
        for viewing in list(viewer.viewings.values()):
            if viewing.watch_mode is not None and not grants.may("watch", viewing.room):
                viewing.watch_mode = None
            if viewing.is_member and not grants.may("join", viewing.room):
                viewing.is_member = False
            await self._settle(viewer, viewing)
        self._kinds.judge_again(viewer)
        if viewer.cards:
            await self._onlookers.watch(viewer, list(viewer.cards))

    async def look_again(self, viewer: Viewer) -> None:
        """The policy changed: rooms that look different to the viewer are sent anew."""
        for viewing in list(viewer.viewings.values()):
            await self._settle(viewer, viewing)

    async def forget(self, viewer: Viewer) -> None:
        """The viewer's connection is gone: it looks at nothing any more."""
        tenant = viewer.identity.tenant
        for viewing in list(viewer.viewings.values()):
            feed = FeedKey(tenant, "room", viewing.room)
            fan = self._relay.rooms.get(feed)
            if fan is not None:
                fan.detach(viewing)
                await self._relay.release(feed)
        viewer.viewings.clear()
        await self.unwatch(viewer, [], list(viewer.cards), list(viewer.kinds))

    async def release(self, fans: list[RoomFan]) -> None:
        """Nobody came to look at these after all."""
        for fan in fans:
            await self._relay.release(fan.feed)

    def catch_up(self, viewer: Viewer) -> None:
        """The viewer's connection drained: each stream that moved gives one frame."""
        for viewing in tuple(viewer.viewings.values()):
            self._relay.catch_up(viewing, viewer.identity.tenant)
        self._cards.catch_up(viewer)
        self._kinds.catch_up(viewer)

    def note_declared(self, session: Session, message: SetStatus, at: int) -> None:
        """What was declared outlives the sessions of the user: it is in the journal."""
        row = Declared(
            session.tenant, session.user_id, message.status, message.text, message.emoji, message.until_at, at
        )
        self._context.journal.record([row])


def room_full(policy: Policy, role: str | None, room: str) -> Refusal:
    """The refusal of a join to a full room, told as such only to those who may see the count."""
    if view_for(policy, "rooms", role) == "none":
        return Refusal("forbidden", f"the token does not grant joining {room!r}")
    return Refusal("room_full", f"{room!r} has its {policy.members_max} members", limit="members_max")
