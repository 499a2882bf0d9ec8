"""Sessions over all nodes. Others' are as the store has them: records, and what is kept for who goes on with them.

What only the owner knows is not in it: when the lease ends, whether there is a connection.
"""

from __future__ import annotations

from asyncio import gather

from hereabouts.engine.records import Declaration, FeedKey, Presence, Records
from hereabouts.engine.status import fold
from hereabouts.runtime import moving
from hereabouts.runtime.context import Context
from hereabouts.runtime.overview import Chosen, Overview, SessionRow, cursor_after
from hereabouts.runtime.people import People
from hereabouts.runtime.relay import Relay


class Afar:
    """Reads the store. Raises `StoreUnavailable` where it has to and cannot."""

    def __init__(self, context: Context, overview: Overview, people: People, relay: Relay) -> None:
        self._context = context
        self._overview = overview
        self._people = people
        self._relay = relay

    async def page(
        self, tenant: str, chosen: Chosen, after: str | None, limit: int
    ) -> tuple[list[SessionRow], str | None]:
        """Sessions by their ids in order, from the one after `after` on; and the cursor of the next page."""
        here, there = self._overview.sessions(tenant, chosen), await self._there(tenant, chosen)
        ids = sorted(id for id in {*here, *there} if after is None or id > after)[:limit]
        away = await gather(*(self._row(tenant, id, there[id]) for id in ids if id not in here))
        rows = [self._overview.row(here[id]) for id in ids if id in here]
        rows += [row for row in away if row is not None and chosen.room in (None, *row.rooms)]
        return sorted(rows, key=lambda row: row.session_id), cursor_after(ids, limit)

    async def _there(self, tenant: str, chosen: Chosen) -> dict[str, str]:
        """The other nodes' sessions of the user, or in the room, by id, each with its user."""
        if self._context.backend.peers is None or not chosen.is_everywhere:
            return {}
        if chosen.user_id is not None:
            records = await self._of_user(FeedKey(tenant, "user", chosen.user_id))
        else:
            records = await self._in_room(FeedKey(tenant, "room", chosen.room or ""))
        return {
            record.session_id: record.user_id
            for record in records
            if not isinstance(record, Declaration)
            and record.owner != self._context.owner
            and chosen.node in (None, record.owner.node)
        }

    async def _row(self, tenant: str, session_id: str, user_id: str) -> SessionRow | None:
        """One session of another node; `None` where it has gone meanwhile."""
        records = await self._of_user(FeedKey(tenant, "user", user_id))
        presence = next((r for r in records if isinstance(r, Presence) and r.session_id == session_id), None)
        peers = self._context.backend.peers
        if presence is None or peers is None:
            return None
        kept = await peers.kept(session_id)
        handed = moving.read_kept(kept[0]) if kept is not None else None
        outcome = fold(records)
        return SessionRow(
            session_id=session_id,
            user_id=user_id,
            name=handed.identity.name if handed is not None else None,
            role=handed.identity.role if handed is not None else None,
            node=presence.owner.node,
            platform=presence.platform,
            phase=None,
            status=outcome.status,
            invisible=outcome.is_invisible,
            visible=presence.visible,
            active=presence.active,
            connected=None,
            stale=None,
            incarnation=presence.incarnation,
            opened_at=presence.opened_at,
            last_seen_at=presence.last_seen_at,
            last_active_at=presence.last_active_at,
            lease_expires_at=None,
            rooms=sorted(moving.rooms(kept)),
        )

    async def _of_user(self, feed: FeedKey) -> list[Records]:
        person = self._people.find(feed)
        if person is not None:
            return list(person.records.values())
        return list((await self._context.backend.snapshot(feed)).records)

    async def _in_room(self, feed: FeedKey) -> list[Records]:
        fan = self._relay.rooms.get(feed)
        if fan is not None:
            return [*fan.roster.records()]
        return list((await self._context.backend.snapshot(feed)).records)
