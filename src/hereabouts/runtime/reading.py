"""Presence, read once: cards of users and rosters of rooms, as far as the caller may see. Nothing here writes.

A grant is judged before any look-up, so that what one may not see, what hides and what never was give one answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, Struct, structs

from hereabouts.engine.identity import Identity
from hereabouts.engine.notifying import Sign, Verdict, should_notify, sign_of, sign_unknown
from hereabouts.engine.records import FeedKey, Owner, Presence
from hereabouts.engine.roster import MemberFold, Roster
from hereabouts.engine.status import OFFLINE, Outcome, fold, newest
from hereabouts.engine.visibility import project_user, view_of
from hereabouts.errors import JournalUnavailable, Refusal, StoreUnavailable
from hereabouts.fanout.audience import Audience
from hereabouts.protocol.codec import check_id
from hereabouts.protocol.codes import View
from hereabouts.protocol.messages import User
from hereabouts.runtime import moving
from hereabouts.runtime.context import Context
from hereabouts.runtime.link import OwnedSession
from hereabouts.runtime.people import People, Person
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.relations import Relations, Sight
from hereabouts.runtime.relay import Relay
from hereabouts.runtime.switchboard import Switchboard

OWNER_SECONDS: Final = 0.25
"""How long the node that owns a session may take to say what only it knows."""


class SignsOf(Struct, frozen=True, tag="signs"):
    """The question what a node knows of its sessions of a user."""

    tenant: str
    user_id: str


class RoomRead(Struct, frozen=True):
    """A room at one position of what the caller's audience is shown of it. `typing` are those who may be shown so."""

    room: str
    view: View
    epoch: str
    seq: int
    count: int
    members: tuple[MemberFold, ...]
    typing: frozenset[str]


class RoomCount(Struct, frozen=True):
    """How many users, and how many sessions where the caller may know."""

    count: int
    sessions: int | None


class _Standing(NamedTuple):
    roster: Roster
    typing: frozenset[str]
    epoch: str
    seq: int


class UsersRead(NamedTuple):
    """Cards in the order asked. `degraded` where some may be out of date or incomplete."""

    users: list[User]
    degraded: bool


class Reading:
    """Reads for one caller at a time."""

    def __init__(
        self,
        context: Context,
        relay: Relay,
        people: People,
        registry: Registry,
        relations: Relations,
        switchboard: Switchboard,
    ) -> None:
        self._context = context
        self._relations = relations
        self._relay = relay
        self._people = people
        self._registry = registry
        self._switchboard = switchboard
        switchboard.answer(SignsOf, self._signs_here)

    @property
    def as_of_at(self) -> int:
        """Up to when what is read is complete: now, or since when views may be stale."""
        since_at = self._context.degraded_since_at
        return self._context.now().at if since_at is None else since_at

    @property
    def now_at(self) -> int:
        """Server time."""
        return self._context.now().at

    # Users

    async def users(self, identity: Identity, user_ids: Sequence[str]) -> UsersRead:
        """The cards of these users. Raises `Refusal` for a name that no user has."""
        for user_id in user_ids:
            check_id(user_id, "the id of a user", id_bytes=self._context.limits.id_bytes)
        asked = list(dict.fromkeys(user_ids))
        sight, is_sure = await self._sight(identity, asked)
        outcomes, is_whole = await self._outcomes(identity.tenant, [id for id in asked if id in sight.visible])
        policy, at = self._context.policy(identity.tenant), self._context.now().at
        views = [view_of(identity, policy, "users", is_related=is_related) for is_related in (False, True)]
        cards = {
            id: project_user(
                id,
                outcomes.get(id, OFFLINE),
                views[id in sight.related],
                policy,
                at,
                is_self=id == identity.user_id,
            )
            for id in asked
        }
        is_doubtful = self._context.is_degraded or not (is_whole and is_sure)
        return UsersRead([cards[user_id] for user_id in user_ids], is_doubtful)

    async def _sight(self, identity: Identity, user_ids: Sequence[str]) -> tuple[Sight, bool]:
        """Whom the caller may see, and whether every relation could be read; those that could not are none."""
        try:
            return await self._relations.sight(identity, user_ids), True
        except JournalUnavailable:
            return self._relations.by_token(identity, user_ids), False

    async def _outcomes(self, tenant: str, user_ids: list[str]) -> tuple[dict[str, Outcome], bool]:
        """What these users come to, and whether the record of those who are not here could be read.

        Whoever looks offline is read as somebody unknown is: that one hides is not told by how quick the answer comes.
        """
        feeds = {user_id: FeedKey(tenant, "user", user_id) for user_id in user_ids}
        people = {user_id: person for user_id, feed in feeds.items() if (person := self._people.find(feed))}
        outcomes = {user_id: person.outcome for user_id, person in people.items()}
        unseen = [id for id in user_ids if id not in people or outcomes[id].status == "offline"]
        found = await asyncio.gather(*(self._outcome(feeds[id], people.get(id)) for id in unseen))
        outcomes |= dict(zip(unseen, found, strict=True))
        outcomes = {id: self._freshened(feeds[id], outcome) for id, outcome in outcomes.items()}
        offline = [id for id in unseen if outcomes[id].status == "offline"]
        try:
            seen = await self._context.journal.last_seen(tenant, offline) if offline else {}
        except JournalUnavailable:
            return outcomes, False
        for id, row in seen.items():
            if outcomes[id].sessions == 0 and outcomes[id].last_seen_at is None:
                times = {"last_seen_at": row.public_seen_at, "last_active_at": row.public_active_at}
                outcomes[id] = structs.replace(outcomes[id], **times)
        return outcomes, True

    async def _outcome(self, feed: FeedKey, person: Person | None) -> Outcome:
        try:
            snapshot = await self._context.backend.snapshot(feed)
        except StoreUnavailable:
            if person is None:
                raise
            return person.outcome
        return fold(snapshot.records) if person is None else person.outcome

    def _freshened(self, feed: FeedKey, outcome: Outcome) -> Outcome:
        """With the newest proofs of the sessions here, which records carry only as of their last change."""
        if outcome.sessions == 0 or outcome.is_invisible:
            return outcome
        sessions = [owned.session for owned in self._registry.of_user(feed.tenant, feed.name)]
        return structs.replace(
            outcome,
            last_seen_at=newest((outcome.last_seen_at, *(session.last_seen_at for session in sessions))),
            last_active_at=newest((outcome.last_active_at, *(session.last_active_at for session in sessions))),
        )

    async def should_notify(self, tenant: str, user_id: str) -> Verdict:
        """Whether a push is worth it, for the host alone. Raises `Refusal` for a name that no user has."""
        check_id(user_id, "the id of a user", id_bytes=self._context.limits.id_bytes)
        feed, now = FeedKey(tenant, "user", user_id), self._context.now()
        try:
            records = (await self._context.backend.snapshot(feed)).records
        except StoreUnavailable:
            return Verdict(True, "degraded")
        own = {owned.session.session_id: sign_of(owned.session, now) for owned in self._own(tenant, user_id)}
        others = {r.owner for r in records if isinstance(r, Presence) and r.session_id not in own}
        known = own | await self._signs_there(others - {self._context.owner}, SignsOf(tenant, user_id))
        signs = [known.get(r.session_id) or sign_unknown(r) for r in records if isinstance(r, Presence)]
        return should_notify(fold(records), signs, is_degraded=self._context.is_degraded)

    async def _signs_there(self, owners: set[Owner], question: SignsOf) -> dict[str, Sign]:
        """What other nodes know of their sessions. Of one that does not answer in time nothing is known."""
        answers = await self._switchboard.ask_each(tuple(owners), question, OWNER_SECONDS)
        signs: dict[str, Sign] = {}
        for answered in answers.values():
            if answered is not None and answered.body is not UNSET:
                signs |= msgspec.json.decode(answered.body, type=dict[str, Sign])
        return signs

    async def _signs_here(self, question: SignsOf) -> dict[str, Sign]:
        now = self._context.now()
        own = self._own(question.tenant, question.user_id)
        return {owned.session.session_id: sign_of(owned.session, now) for owned in own}

    def _own(self, tenant: str, user_id: str) -> tuple[OwnedSession, ...]:
        return self._registry.of_user(tenant, user_id)

    # Rooms

    async def room(self, identity: Identity, room: str) -> RoomRead:
        """The roster of a room. Raises `Refusal` with `forbidden` by pattern or policy alone."""
        view = await self.judge(identity, room)
        standing = await self._at(identity, room, Audience(view, "roster"))
        return RoomRead(
            room=room,
            view=view,
            epoch=standing.epoch,
            seq=standing.seq,
            count=0 if view == "none" else standing.roster.count,
            members=_listed(standing.roster, view, identity.user_id),
            typing=standing.typing if view == "full" else frozenset(),
        )

    async def count(self, identity: Identity, room: str) -> RoomCount:
        """How many are in a room. Raises like `room`."""
        view = await self.judge(identity, room)
        if view == "none":
            return RoomCount(0, None)
        roster = (await self._at(identity, room, Audience(view, "count"))).roster
        return RoomCount(roster.count, roster.sessions if view == "full" else None)

    async def rooms_of(self, identity: Identity, user_id: str) -> list[str]:
        """The rooms that a user is in, as far as the caller may see members there."""
        check_id(user_id, "the id of a user", id_bytes=self._context.limits.id_bytes)
        if user_id not in (await self._sight(identity, [user_id]))[0].visible:
            return []
        if user_id == identity.user_id:
            return sorted(await self._own_rooms(identity))
        rooms: set[str] = set()
        for owned in self._registry.of_user(identity.tenant, user_id):
            session = owned.session
            if session.is_published and not session.outcome.is_invisible:
                rooms.update(session.rooms)
        rooms |= await self._rooms_elsewhere(FeedKey(identity.tenant, "user", user_id), is_self=False)
        own = await self._own_rooms(identity)
        return sorted(room for room in rooms if self._shows(identity, room, is_member=room in own))

    async def _own_rooms(self, identity: Identity) -> set[str]:
        """The rooms that the caller is in, with whatever session at whichever node. Others may not see it there."""
        sessions = [owned.session for owned in self._registry.of_user(identity.tenant, identity.user_id)]
        here = {room for session in sessions if session.is_published for room in session.rooms}
        return here | await self._rooms_elsewhere(FeedKey(identity.tenant, "user", identity.user_id), is_self=True)

    async def _rooms_elsewhere(self, feed: FeedKey, *, is_self: bool) -> set[str]:
        """The rooms of a user's sessions at other nodes, as the store has them."""
        peers, person = self._context.backend.peers, self._people.find(feed)
        if peers is None:
            return set()
        records = person.records.values() if person else (await self._context.backend.snapshot(feed)).records
        if fold(records).is_invisible and not is_self:
            return set()
        ids = [r.session_id for r in records if isinstance(r, Presence) and r.owner != self._context.owner]
        return set().union(*map(moving.rooms, await asyncio.gather(*map(peers.kept, ids))))

    def _shows(self, identity: Identity, room: str, *, is_member: bool) -> bool:
        if not (is_member or identity.grants.may("watch", room)):
            return False
        policy = self._context.policy(identity.tenant, identity.role, room)
        return view_of(identity, policy, "rooms", is_member=is_member) in ("full", "status")

    async def judge(self, identity: Identity, room: str) -> View:
        """The view that the caller has of a room, before anything of it is looked up. Raises like `room`."""
        check_id(room, "the id of a room", id_bytes=self._context.limits.id_bytes)
        is_member = await self._is_member(identity, room)
        if not (is_member or identity.grants.may("watch", room)):
            raise Refusal("forbidden", f"the token does not grant watching {room!r}")
        policy = self._context.policy(identity.tenant, identity.role, room)
        view = view_of(identity, policy, "rooms", is_member=is_member)
        if view == "none" and policy.on_none == "forbid":
            raise Refusal("forbidden", f"the policy lets this role see nothing of {room!r}")
        return view

    async def _is_member(self, identity: Identity, room: str) -> bool:
        try:
            return room in await self._own_rooms(identity)
        except StoreUnavailable:
            if not identity.grants.may("watch", room):
                raise
            return False

    async def _at(self, identity: Identity, room: str, audience: Audience) -> _Standing:
        """The room now. Where nobody of the audience looks on this node the position is one of its own."""
        feed = FeedKey(identity.tenant, "room", room)
        fan = self._relay.rooms.get(feed)
        if fan is None:
            snapshot = await self._context.backend.snapshot(feed)
            return _Standing(Roster(snapshot), frozenset(), self._context.new_epoch(), 0)
        stream = fan.streams.get(audience)
        if stream is None or stream.is_summary:
            return _Standing(fan.roster, frozenset(fan.typing), self._context.new_epoch(), 0)
        stream.advance()
        return _Standing(fan.roster, frozenset(fan.typing), stream.epoch, stream.seq)


def _listed(roster: Roster, view: View, own: str) -> tuple[MemberFold, ...]:
    """Who is listed in a view: everybody, only the caller, or nobody."""
    if view in ("full", "status"):
        return tuple(roster.members.values())
    member = roster.members.get(own) if view == "existence" else None
    return () if member is None else (member,)
