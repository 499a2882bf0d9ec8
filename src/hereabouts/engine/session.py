"""One tab or device: its leases, its rooms, and what each event does to it.

A session outlives its connections. It is `live` while it gives signs of life; `lost` when it gave none for its lease
or its connection closed; `leaving` while a beacon waits for its page to come back; `parked` when its removal was
published by a beacon but its secret is still good; `over` when nothing can bring it back. `phases.py` has the law.
Every method takes `now` and gives back what is to be done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Raw

from hereabouts.engine.effects import Effect, Effects, Over, Part, Signal, Write
from hereabouts.engine.identity import Identity
from hereabouts.engine.leases import Notice, notice
from hereabouts.engine.phases import TRANSITIONS, Event, Phase
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import FeedKey, Membership, Now, Owner, Presence, Put, Remove, Value
from hereabouts.engine.roster import patch_state
from hereabouts.engine.status import OFFLINE, Outcome
from hereabouts.protocol.codes import DRAIN, ENDED, KEEPS_LEASE, SESSION_EXPIRED, SUPERSEDED, Cause, CloseCode

NOTHING: Final[Effects] = []


class Joined:
    """A session's place in one room. `is_listed` says whether its record stands in the room's feed."""

    __slots__ = ("grace_seconds", "is_listed", "joined_at", "state")

    def __init__(self, joined_at: int, state: dict[str, Value], grace_seconds: float) -> None:
        self.joined_at = joined_at
        self.state = state
        self.grace_seconds = grace_seconds
        self.is_listed = False


class Session:
    """The state of one session on the node that owns it. Times of leases are ticks, times that are told are `_at`."""

    __slots__ = (
        "_cause",
        "_leave_tick",
        "_lost_tick",
        "_notice",
        "active",
        "connection",
        "filed_slot",
        "identity",
        "incarnation",
        "is_listed",
        "last_active_at",
        "last_active_tick",
        "last_frame_tick",
        "last_seen_at",
        "leave_hash",
        "opened_at",
        "outcome",
        "outcome_seq",
        "owner",
        "phase",
        "platform",
        "policy",
        "resume_hash",
        "rooms",
        "session_id",
        "typing",
        "visible",
    )

    def __init__(
        self,
        session_id: str,
        identity: Identity,
        owner: Owner,
        policy: Policy,
        now: Now,
        *,
        resume_hash: bytes,
        leave_hash: bytes,
        connection: object | None = None,
        visible: bool = True,
        active: bool = True,
        platform: str | None = None,
    ) -> None:
        self.session_id = session_id
        self.identity = identity
        self.incarnation = 1
        self.owner = owner
        self.policy = policy
        self.resume_hash = resume_hash
        self.leave_hash = leave_hash
        self.connection = connection
        self.platform = platform
        self.phase: Phase = "live"
        self.visible = visible
        self.active = active
        self.opened_at = now.at
        self.last_frame_tick = now.tick
        self.last_seen_at = now.at
        self.last_active_tick = now.tick
        self.last_active_at = now.at if active else None
        self.rooms: dict[str, Joined] = {}
        self.typing: dict[str, float] = {}
        self.outcome: Outcome = OFFLINE
        self.outcome_seq = 0
        self.is_listed = False
        self.filed_slot = -1
        self._lost_tick = 0.0
        self._leave_tick = 0.0
        self._cause: Cause = "lease_expired"
        self._notice: Notice | None = None

    # What is asked of it

    @property
    def tenant(self) -> str:
        """The tenant it belongs to, for its whole life."""
        return self.identity.tenant

    @property
    def user_id(self) -> str:
        """The user it belongs to, for its whole life."""
        return self.identity.user_id

    @property
    def lease_seconds(self) -> float:
        """The lease of the visibility that the session last told. A shorter one of a new policy waits for its time."""
        lease_seconds = self.policy.lease_visible_seconds if self.visible else self.policy.lease_hidden_seconds
        return lease_seconds if self._notice is None else max(lease_seconds, self._notice.lease_seconds(self.visible))

    @property
    def lapse_tick(self) -> float:
        """When it is lost unless it gives a sign of life before."""
        return self.last_frame_tick + self.lease_seconds

    @property
    def is_published(self) -> bool:
        """Whether others may still count it: it is live, or its removal has not been published yet."""
        return self.phase in ("live", "lost", "leaving")

    def due_at(self) -> float | None:
        """The next tick at which time alone changes something, or `None`."""
        if self.phase == "live":
            return min(self.lapse_tick, self._idle_tick())
        if self.phase == "lost":
            return self._lost_tick + self._next_grace()
        if self.phase == "leaving":
            return self._leave_tick
        if self.phase == "parked":
            return self._forget_tick()
        return None

    def timers(self) -> list[tuple[str, float, str, float]]:
        """What time alone will do to it: what, at which tick, by which clock of the policy, and its seconds."""
        grace = ("removed", "grace_seconds", self._next_grace())
        if self.phase == "live":
            clock = "lease.visible_seconds" if self.visible else "lease.hidden_seconds"
            found = [
                ("lost", self.lapse_tick, clock, self.lease_seconds),
                (grace[0], self.lapse_tick + grace[2], *grace[1:]),
            ]
            if self.policy.idle_after_seconds is not None and self.active:
                found.append(("idle", self._idle_tick(), "idle_after_seconds", self.policy.idle_after_seconds))
            return found
        due = self.due_at()
        if due is None:
            return []
        return [("forgotten" if self.phase == "parked" else "removed", due, *grace[1:])]

    def presence(self) -> Presence:
        """Its record in its user's feed."""
        return Presence(
            session_id=self.session_id,
            user_id=self.user_id,
            incarnation=self.incarnation,
            owner=self.owner,
            opened_at=self.opened_at,
            visible=self.visible,
            active=self.active,
            last_active_at=self.last_active_at,
            last_seen_at=self.last_seen_at,
            platform=self.platform,
        )

    def membership(self, room: str) -> Membership:
        """Its record in a room that it joined."""
        joined = self.rooms[room]
        return Membership(
            session_id=self.session_id,
            user_id=self.user_id,
            incarnation=self.incarnation,
            owner=self.owner,
            joined_at=joined.joined_at,
            state=joined.state,
            name=self.identity.name,
            info=self.identity.info,
            status=self.outcome.status,
            text=self.outcome.text,
            outcome_seq=self.outcome_seq,
            last_active_at=self.last_active_at,
        )

    def user_feed(self) -> FeedKey:
        """The feed of its user."""
        return FeedKey(self.tenant, "user", self.user_id)

    def room_feed(self, room: str) -> FeedKey:
        """The feed of a room of its tenant."""
        return FeedKey(self.tenant, "room", room)

    # Signs of life

    def begin(self) -> Effects:
        """The session exists: let its user's feed know, and the rooms that it brought along."""
        return self._list_presence() + self._list_rooms()

    def touch(self, now: Now) -> Effects:
        """An application frame came, the only proof of life (rule 4). What had been published as gone comes back."""
        self.last_frame_tick = now.tick
        if now.at > self.last_seen_at:
            self.last_seen_at = now.at
        if self.phase == "live":
            self._cause = "lease_expired"
            return NOTHING
        self._step("frame")
        fell_idle = self._fall_idle(now)
        listed = NOTHING if self.is_listed and not fell_idle else self._list_presence()
        return listed + self._list_rooms()

    def beat(self, now: Now, visible: bool | None, active: bool | None) -> Effects:
        """A beat: it renews the lease, and may tell of visibility and of human input since the last one."""
        if self._notice is not None and self._notice.beat():
            self._notice = None
        changed = False
        if visible is not None and visible != self.visible:
            self.visible = visible
            changed = True
        if active:
            self.last_active_tick = now.tick
            self.last_active_at = max(now.at, self.last_active_at or 0)
            if not self.active:
                self.active = True
                changed = True
        effects = self.touch(now)
        return effects + self._list_presence() if changed else effects

    def resume(self, now: Now, identity: Identity, connection: object, visible: bool, active: bool) -> Effects:
        """The session goes on over a new connection, in a new incarnation; the old connection is powerless."""
        earlier = self.connection
        effects: Effects = []
        if earlier is not None and earlier is not connection:
            effects.append(Part(earlier, SUPERSEDED, "the session was resumed on another connection"))
        self._step("resume")
        self.incarnation += 1
        self.connection = connection
        self.last_frame_tick = now.tick
        self.last_seen_at = max(now.at, self.last_seen_at)
        was = (self.visible, self.active, self.is_listed)
        self.visible = visible
        if active:
            self.active = True
            self.last_active_tick = now.tick
            self.last_active_at = max(now.at, self.last_active_at or 0)
        self._fall_idle(now)
        if was != (self.visible, self.active, True):
            effects += self._list_presence()
        return effects + self.identify(identity) + self._list_rooms()

    def identify(self, identity: Identity) -> Effects:
        """A newer token of the same user: its name and info appear where they changed, its grants count from now."""
        changed = (self.identity.name, self.identity.info) != (identity.name, identity.info)
        self.identity = identity
        effects: Effects = []
        for room in [room for room in self.rooms if not identity.grants.may("join", room)]:
            effects += self.leave(room, cause="revoked")
        if changed:
            effects += [self._put(room) for room, joined in self.rooms.items() if joined.is_listed]
        return effects

    def govern(self, policy: Policy, graces: Mapping[str, float], *, is_told: bool) -> None:
        """Another policy holds from now on. `graces` are those of the joined rooms, in seconds.

        `is_told` is whether the client hears of it now, rather than with its next beat. Nobody comes or goes by it: a
        shorter lease waits for the second beat after the client was told.
        """
        self._notice = notice(self.policy, policy, self._notice, is_told=is_told)
        self.policy = policy
        for room, joined in self.rooms.items():
            joined.grace_seconds = graces[room]

    # Rooms

    def join(self, room: str, state: dict[str, Raw], grace_seconds: float, now: Now) -> Effects:
        """Become a member; joining again changes nothing but the state given."""
        joined = self.rooms.get(room)
        if joined is None:
            joined = self.rooms[room] = Joined(now.at, {}, grace_seconds)
        joined.state = patch_state(joined.state, state, now.at)
        return NOTHING if self.outcome.is_invisible else [self._put(room)]

    def update(self, room: str, state: dict[str, Raw], now: Now) -> Effects:
        """Merge keys into the session's own state in a room that it joined."""
        joined = self.rooms[room]
        merged = patch_state(joined.state, state, now.at)
        if merged == joined.state:
            return NOTHING
        joined.state = merged
        return [self._put(room)] if joined.is_listed else NOTHING

    def leave(self, room: str, cause: Cause = "leave") -> Effects:
        """End the membership; leaving where one is not changes nothing."""
        effects = self._stop_typing(room)
        joined = self.rooms.pop(room, None)
        if joined is not None and joined.is_listed:
            effects.append(self._remove(self.room_feed(room), cause))
        return effects

    def set_typing(self, room: str, on: bool, policy: Policy, now: Now) -> Effects:
        """The user types in a room, or has stopped. A repetition within half of the refresh time says nothing new."""
        if not on:
            return self._stop_typing(room)
        told = self.typing.get(room)
        if told is not None and now.tick - told < policy.typing_refresh_seconds / 2:
            return NOTHING
        self.typing[room] = now.tick
        return [Signal(self.room_feed(room), self.user_id, True)] if self._may_signal(room) else NOTHING

    def follow_outcome(self, outcome: Outcome, seq: int, now: Now) -> Effects:
        """The user's merged status changed: it goes into the session's record in every joined room.

        Going invisible is a leave in each room, coming back a join. A session that is not published does not follow:
        its own removal may be what changed the outcome, and an invisible user's session comes back invisible.
        """
        if not self.is_published:
            return NOTHING
        earlier, self.outcome, self.outcome_seq = self.outcome, outcome, seq
        if outcome.is_invisible:
            return [effect for room in self.rooms for effect in self._unlist(room, "leave")]
        if earlier.is_invisible:
            for joined in self.rooms.values():
                joined.joined_at = now.at
            return self._list_rooms(now.tick)
        if (earlier.status, earlier.text) == (outcome.status, outcome.text):
            return NOTHING
        return [self._put(room) for room, joined in self.rooms.items() if joined.is_listed]

    # The end, in its several ways

    def close(self, now: Now, connection: object, code: int) -> Effects:
        """A connection closed. One that is not the session's present one is an older life and changes nothing.

        A close is a loss: the grace runs from here. One that the server asked for leaves the lease as it is.
        """
        if connection is not self.connection:
            return NOTHING
        self.connection = None
        if self.phase == "live" and code in KEEPS_LEASE:
            if code == DRAIN.number:
                self.drain()
            return NOTHING
        if self.phase == "live":
            self._lose(now.tick, "closed", "close")
        elif self.phase == "lost":
            self._lost_tick = min(self._lost_tick, now.tick)
        return NOTHING

    def drain(self) -> None:
        """Its node sends it elsewhere: if it is lost before it is heard of again, that is why."""
        self._cause = "drained"

    def beacon(self, now: Now, after_seconds: float | None) -> Effects:
        """The leave token was handed in: the session leaves now, or after a while unless it is heard of before.

        What is on its way out already never leaves later because of it.
        """
        if self.phase in ("parked", "over"):
            return NOTHING
        leave_tick = now.tick + min(max(after_seconds or 0.0, 0.0), self._longest_grace())
        due = None if self.phase == "live" else self.due_at()
        self._leave_tick = leave_tick if due is None else min(leave_tick, due)
        self._step("beacon")
        return self.advance(now)

    def end(self, cause: Cause, code: CloseCode, reason: str) -> Effects:
        """The session is over now: by `bye`, or by somebody who may end it."""
        if self.phase == "over":
            return NOTHING
        effects = self._withdraw(cause)
        return effects + self._finish("end", cause, code, reason)

    def go_on(self) -> Effects:
        """It was taken up from a dead node without a connection: a new incarnation, all of it put again."""
        self.incarnation += 1
        return self.begin()

    def stand_again(self) -> Effects:
        """Another node took away what stands of it, and it goes on here: a new incarnation, all of it put again."""
        self.incarnation += 1
        return session_feeds(self)

    def give_up(self) -> Effects:
        """The session goes on at another node: here it is over, and nothing of it is this node's to withdraw."""
        if self.phase == "over":
            return NOTHING
        return self._finish("end", "drained", SUPERSEDED, "the session was resumed at another node")

    def take_back(self) -> Effects:
        """What a late write of this life, which is over, may have left standing; nothing of a newer one (rule 1)."""
        feeds = [self.user_feed(), *map(self.room_feed, self.rooms)]
        self.is_listed = False
        for joined in self.rooms.values():
            joined.is_listed = False
        return [self._remove(feed, "drained") for feed in feeds]

    def miscarry(self) -> Effects:
        """The session could not be listed and nobody was told of it: it is over. Its connection hears why elsewhere."""
        self.connection = None
        return self.give_up()

    def advance(self, now: Now) -> Effects:
        """Do what time alone has made due."""
        effects: Effects = []
        if self.phase == "live" and self.lapse_tick <= now.tick:
            self._lose(self.lapse_tick, "drained" if self._cause == "drained" else "lease_expired", "lapse")
        if self.phase == "live" and self._idle_tick() <= now.tick:
            self.active = False
            # One that has yet to begin, for the journal is slow, is shown to nobody by this.
            effects += self._list_presence() if self.is_listed else NOTHING
        if self.phase == "leaving" and self._leave_tick <= now.tick:
            effects += self._withdraw("beacon")
            self._step("publish")
            effects += self._part(ENDED, "the leave token of this session was handed in")
        if self.phase == "lost":
            effects += self._withdraw(self._cause, now.tick)
            if self._grace_is_over(self._longest_grace(), now.tick):
                effects += self._finish("forget", self._cause, SESSION_EXPIRED, "no sign of life for lease and grace")
        if self.phase == "parked" and self._forget_tick() <= now.tick:
            effects += self._finish("forget", "beacon", SESSION_EXPIRED, "the session was left")
        return effects

    # How it does that

    def _step(self, event: Event) -> None:
        self.phase = TRANSITIONS[self.phase, event]
        if event in ("frame", "resume"):
            self._cause = "lease_expired"

    def _fall_idle(self, now: Now) -> bool:
        """Nobody judges the attention of a session that is not live; it is made up for when it is heard of again."""
        if self._idle_tick() > now.tick:
            return False
        self.active = False
        return True

    def _idle_tick(self) -> float:
        if not self.active or self.policy.idle_after_seconds is None:
            return float("inf")
        return self.last_active_tick + self.policy.idle_after_seconds

    def _forget_tick(self) -> float:
        return self.lapse_tick + self._longest_grace()

    def _lose(self, tick: float, cause: Cause, event: Event) -> None:
        self._step(event)
        self._lost_tick = tick
        self._cause = cause

    def _longest_grace(self) -> float:
        return max([self.policy.grace_seconds, *(joined.grace_seconds for joined in self.rooms.values())])

    def _next_grace(self) -> float:
        waiting = [joined.grace_seconds for joined in self.rooms.values() if joined.is_listed]
        if self.is_listed:
            waiting.append(self.policy.grace_seconds)
        return min(waiting, default=self._longest_grace())

    def _grace_is_over(self, grace_seconds: float, tick: float) -> bool:
        # The one place that says so, in the same arithmetic as `due_at`: a session must not be over before its records.
        return self._lost_tick + grace_seconds <= tick

    def _withdraw(self, cause: Cause, tick: float = float("inf")) -> Effects:
        effects: Effects = []
        for room, joined in self.rooms.items():
            if self._grace_is_over(joined.grace_seconds, tick):
                effects += self._unlist(room, cause)
        if self.is_listed and self._grace_is_over(self.policy.grace_seconds, tick):
            self.is_listed = False
            effects.append(self._remove(self.user_feed(), cause))
        return effects

    def _finish(self, event: Event, cause: Cause, code: CloseCode, reason: str) -> Effects:
        self._step(event)
        return [*self._part(code, reason), Over(cause)]

    def _part(self, code: CloseCode, reason: str) -> Effects:
        if self.connection is None:
            return []
        connection, self.connection = self.connection, None
        return [Part(connection, code, reason)]

    def _list_presence(self) -> Effects:
        self.is_listed = True
        return [Write(self.user_feed(), Put(self.presence()))]

    def _list_rooms(self, tick: float = 0.0) -> Effects:
        if self.outcome.is_invisible:
            return []
        return [
            self._put(room)
            for room, joined in self.rooms.items()
            if not joined.is_listed and not (self.phase == "lost" and self._grace_is_over(joined.grace_seconds, tick))
        ]

    def _put(self, room: str) -> Effect:
        self.rooms[room].is_listed = True
        return Write(self.room_feed(room), Put(self.membership(room)))

    def _unlist(self, room: str, cause: Cause) -> Effects:
        effects = self._stop_typing(room)
        joined = self.rooms[room]
        if joined.is_listed:
            joined.is_listed = False
            effects.append(self._remove(self.room_feed(room), cause))
        return effects

    def _remove(self, feed: FeedKey, cause: Cause) -> Effect:
        remove = Remove(
            self.session_id, self.user_id, self.incarnation, self.owner, cause, self.last_seen_at, self.last_active_at
        )
        return Write(feed, remove)

    def _may_signal(self, room: str) -> bool:
        return room in self.rooms and self.rooms[room].is_listed

    def _stop_typing(self, room: str) -> Effects:
        if self.typing.pop(room, None) is None or not self._may_signal(room):
            return []
        return [Signal(self.room_feed(room), self.user_id, False)]


def session_feeds(session: Session) -> list[Effect]:
    """Every record that the session has standing, as writes: to register it again after a lost store (rule 13)."""
    writes: list[Effect] = []
    if session.is_listed:
        writes.append(Write(session.user_feed(), Put(session.presence())))
    writes += [
        Write(session.room_feed(room), Put(session.membership(room)))
        for room, joined in session.rooms.items()
        if joined.is_listed
    ]
    return writes
