"""What admins see: sessions, rooms, numbers. Of what this node owns and follows; nothing here writes.

Invisible users and sessions whose removal is on its way are in it: an admin sees what is, not what others are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, get_args

from msgspec import Struct

from hereabouts.engine.phases import Phase
from hereabouts.engine.records import FeedKey
from hereabouts.engine.relations import ghost_bound
from hereabouts.engine.session import Session
from hereabouts.protocol.codes import Status
from hereabouts.runtime.context import Context
from hereabouts.runtime.driver import Driver
from hereabouts.runtime.fleet import Everywhere, Fleet
from hereabouts.runtime.link import OwnedSession
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.relay import Relay


class SessionRow(Struct, frozen=True):
    """One session. `status` is its user's, as the user's own eyes see it: `invisible` where the user hides.

    `stale` says that it was last heard of longer ago than the policy's `stale_after_seconds`. What only its owner knows
    is `None` for a session of another node, and `last_seen_at` is then as of the last change that others were told.
    """

    session_id: str
    user_id: str
    name: str | None
    role: str | None
    node: str
    platform: str | None
    phase: Phase | None
    status: Status
    invisible: bool
    visible: bool
    active: bool
    connected: bool | None
    stale: bool | None
    incarnation: int
    opened_at: int
    last_seen_at: int
    last_active_at: int | None
    lease_expires_at: int | None
    rooms: list[str]


class RoomRow(Struct, frozen=True):
    """One room: how many users and sessions are in it over all nodes, and how many connections look at it here.

    Invisible ones are counted at the node that has them.
    """

    room: str
    count: int
    sessions: int
    viewers: int
    mode: str


COUNTED: Final = (*(status for status in get_args(Status) if status != "offline"), "invisible")
"""What users are counted by: `Stats` has a field for each."""


class Stats(Struct, frozen=True):
    """Users of a tenant by status, over those with a session at the node that answers.

    `stale` are users of whom nothing was heard for long. `everywhere` are sums over all nodes.
    """

    as_of_at: int
    total: int
    online: int
    idle: int
    away: int
    busy: int
    dnd: int
    invisible: int
    stale: int
    sessions: int
    connections: int
    rooms: int
    everywhere: Everywhere


class Chosen(NamedTuple):
    """Which sessions are asked for; what is `None` does not matter."""

    user_id: str | None = None
    room: str | None = None
    node: str | None = None

    @property
    def is_everywhere(self) -> bool:
        """Whether sessions of all nodes are told: where a feed of the store has them."""
        return self.user_id is not None or self.room is not None


class Overview:
    """Reads for admins."""

    def __init__(self, context: Context, registry: Registry, relay: Relay, driver: Driver, fleet: Fleet) -> None:
        self._context = context
        self._registry = registry
        self._relay = relay
        self._driver = driver
        self._fleet = fleet

    def sessions(self, tenant: str, chosen: Chosen) -> dict[str, Session]:
        """This node's sessions, by their ids."""
        return {o.session.session_id: o.session for o in self._of(tenant) if fits(o.session, chosen)}

    def row(self, session: Session) -> SessionRow:
        """One session, as admins see it."""
        now = self._context.now()
        outcome = session.outcome
        return SessionRow(
            session_id=session.session_id,
            user_id=session.user_id,
            name=session.identity.name,
            role=session.identity.role,
            node=session.owner.node,
            platform=session.platform,
            phase=session.phase,
            status=outcome.status,
            invisible=outcome.is_invisible,
            visible=session.visible,
            active=session.active,
            connected=session.connection is not None,
            stale=_is_stale(session, now.tick),
            incarnation=session.incarnation,
            opened_at=session.opened_at,
            last_seen_at=session.last_seen_at,
            last_active_at=session.last_active_at,
            lease_expires_at=now.at + int((session.lapse_tick - now.tick) * 1000),
            rooms=sorted(session.rooms),
        )

    def rooms(self, tenant: str, prefix: str, after: str | None, limit: int) -> list[RoomRow]:
        """Rooms that somebody here is in or looks at, by their names in order.

        Those that begin with `prefix`, from the one after `after` on.
        """
        hidden: dict[str, list[str]] = {}
        for owned in self._of(tenant):
            for room, joined in owned.session.rooms.items():
                unlisted = hidden.setdefault(room, [])
                if not joined.is_listed:
                    unlisted.append(owned.session.user_id)
        fans = {feed.name: fan for feed, fan in self._relay.rooms.items() if feed.tenant == tenant and fan.viewers}
        names = sorted(n for n in {*hidden, *fans} if n.startswith(prefix) and (after is None or n > after))
        return [self._room_row(tenant, name, hidden.get(name, [])) for name in names[:limit]]

    def _room_row(self, tenant: str, room: str, hidden: list[str]) -> RoomRow:
        """What the room's feed says over all nodes, and the users of sessions here that do not stand in it."""
        fan = self._relay.rooms.get(FeedKey(tenant, "room", room))
        if fan is None:
            return RoomRow(room, len(set(hidden)), len(hidden), 0, "roster")
        roster, mode = fan.roster, "summary" if fan.is_summary else "roster"
        count = roster.count + len(set(hidden) - roster.members.keys())
        return RoomRow(room, count, roster.sessions + len(hidden), fan.viewers, mode)

    def stats(self, tenant: str) -> Stats:
        """The numbers of a tenant."""
        now = self._context.now()
        by_user: dict[str, list[Session]] = {}
        rooms: set[str] = set()
        for owned in self._of(tenant):
            by_user.setdefault(owned.session.user_id, []).append(owned.session)
            rooms.update(owned.session.rooms)
        told = [max(sessions, key=lambda s: s.outcome_seq).outcome for sessions in by_user.values()]
        statuses = Counter("invisible" if outcome.is_invisible else outcome.status for outcome in told)
        links = self._driver.links
        return Stats(
            as_of_at=now.at,
            total=len(by_user),
            **{name: statuses[name] for name in COUNTED},
            stale=sum(all(_is_stale(s, now.tick) for s in sessions) for sessions in by_user.values()),
            sessions=sum(len(sessions) for sessions in by_user.values()),
            connections=sum(1 for link in links if link.viewer and link.viewer.identity.tenant == tenant),
            rooms=len(rooms),
            everywhere=self._fleet.everywhere(tenant),
        )

    def ghosts(self, tenant: str) -> int:
        """Sessions that are shown although they were silent for longer than their policy's ghost bound allows."""
        tick, node = self._context.now().tick, self._context.policies.node
        late_seconds: dict[int, float] = {}
        count = 0
        for owned in self._of(tenant):
            session, policy = owned.session, owned.session.policy
            late = late_seconds.get(id(policy))
            if late is None:
                late = late_seconds[id(policy)] = ghost_bound(policy, node, policy.fanout_window_max_seconds).closed
            count += tick > session.lapse_tick + late
        return count

    def _of(self, tenant: str) -> Iterator[OwnedSession]:
        """The sessions of a tenant that others may still count, and those that hide."""
        return (o for o in self._registry if o.session.tenant == tenant and o.session.is_published)


def _is_stale(session: Session, tick: float) -> bool:
    return tick - session.last_frame_tick > session.policy.stale_after_seconds


def fits(session: Session, chosen: Chosen) -> bool:
    """Whether a session is one of those that are asked for."""
    return (
        (chosen.user_id is None or session.user_id == chosen.user_id)
        and (chosen.room is None or chosen.room in session.rooms)
        and (chosen.node is None or session.owner.node == chosen.node)
    )


def cursor_after(rows: Sequence[str], limit: int) -> str | None:
    """Where the next page begins: after the last name of a page that is full."""
    return rows[-1] if len(rows) == limit else None
