"""What a person may ask of the host: to be told all that is kept about her, and to be forgotten.

Source: `spec/semantics.md`, rule 19. Both reach the live sessions of every node and the whole journal; where each node
has a journal of its own, an export tells the one of the node that was asked.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from msgspec import UNSET, Struct

from hereabouts.engine.records import DECLARATION, Declaration, FeedKey, Remove
from hereabouts.engine.session import Session
from hereabouts.errors import Refusal
from hereabouts.journal.subjects import Stored, Subjects
from hereabouts.protocol import codes
from hereabouts.protocol.codec import check_id
from hereabouts.runtime.context import Context
from hereabouts.runtime.dispatcher import Dispatcher
from hereabouts.runtime.driver import Driver
from hereabouts.runtime.holdings import Holdings
from hereabouts.runtime.noting import By, note
from hereabouts.runtime.onlookers import Onlookers
from hereabouts.runtime.people import People
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.switchboard import Switchboard
from hereabouts.runtime.telling import Telling

log = structlog.get_logger("hereabouts")

TOKENS_LIVE_MS: Final = 10 * 366 * 86_400_000
"""For so long it is remembered that earlier tokens of an erased user are no good: longer than any of them lives."""

REASON: Final = "the user was erased"


class Forget(Struct, frozen=True, tag="forget"):
    """A user is to be forgotten who was known until `at`. `alias` takes the place of the id where a row must stay."""

    tenant: str
    user_id: str
    alias: str
    at: int


class LiveOf(Struct, frozen=True, tag="live"):
    """The question which live sessions of a user a node has, in full."""

    tenant: str
    user_id: str


class Told(NamedTuple):
    """All that is kept of a user: the live sessions of all nodes, and the journal's rows by class."""

    sessions: list[dict[str, Any]]
    stored: Stored


class Erasing:
    """Exports and erases one user at a time. Raises `Refusal` and `JournalUnavailable`."""

    def __init__(
        self,
        context: Context,
        driver: Driver,
        registry: Registry,
        people: People,
        onlookers: Onlookers,
        holdings: Holdings,
        webhooks: Dispatcher,
        switchboard: Switchboard,
        telling: Telling,
    ) -> None:
        self._context = context
        self._webhooks = webhooks
        self._holdings = holdings
        self._driver = driver
        self._registry = registry
        self._people = people
        self._onlookers = onlookers
        self._switchboard = switchboard
        self._telling = telling
        switchboard.answer(Forget, self._forget)
        switchboard.answer(LiveOf, self._live)

    async def export(self, tenant: str, user_id: str) -> Told:
        """Everything that is kept of this user."""
        subjects = self._subjects(user_id)
        question = LiveOf(tenant, user_id)
        live = await self._live(question)
        for owner, answered in (await self._switchboard.ask_each(self._switchboard.others(), question)).items():
            if answered is None or answered.body is UNSET:
                raise Refusal("degraded", f"node {owner.node!r} did not say what it has of the user; ask again")
            live += msgspec.json.decode(answered.body, type=list[dict[str, Any]])
        return Told(live, await subjects.export(tenant, user_id))

    async def _live(self, question: LiveOf) -> list[dict[str, Any]]:
        return [_told(owned.session) for owned in self._registry.of_user(question.tenant, question.user_id)]

    async def erase(self, by: By, user_id: str) -> dict[str, int]:
        """Forget this user; how many rows of each class, and how many `live` sessions.

        Only a token that was issued afterwards brings the user back. In the audit an alias that leads nowhere stands
        for the user.
        """
        self._subjects(user_id)
        alias = f"erased:{self._context.random_bytes(8).hex()}"
        forget = Forget(by.tenant, user_id, alias, self._context.now().at)
        erased = Counter(await self._forget(forget))
        # The others too, each what it has; where the journal is shared, what is gone is gone.
        told = await self._telling.all(forget)
        for answered in told.answers:
            if answered.body is not UNSET:
                erased.update(msgspec.json.decode(answered.body, type=dict[str, int]))
        if by.actor == f"user:{user_id}":
            by = by._replace(actor=f"user:{alias}", origin=None)
        details = {"live": 0, **erased}
        await note(self._context, by, "erase", f"user:{alias}", alias, details)
        if told.silent:
            log.warning("erase", text="nodes that do not answer are told again", nodes=told.silent)
        return dict(erased)

    async def _forget(self, forget: Forget) -> dict[str, int]:
        tenant, user_id, journal = forget.tenant, forget.user_id, self._context.journal
        subjects = self._subjects(user_id)
        # In force at once: whoever is let in from here on has a newer token, and all others are in the registry.
        await journal.revoke(tenant, "user", user_id, forget.at, forget.at + TOKENS_LIVE_MS)
        ended = await self._end(tenant, user_id)
        await self._forget_live(FeedKey(tenant, "user", user_id))
        await self._holdings.clear_user(tenant, user_id)
        watchers = await journal.relations.watchers_of(tenant, user_id) if journal.relations is not None else ()
        # Also what is about to be sent; the sessions that were ended above have left no word of it either.
        events = await self._webhooks.erase(tenant, user_id)
        erased = await subjects.erase(tenant, user_id, forget.alias)
        # What a server was granted for the user meanwhile is not kept any more, and not shown.
        await self._holdings.clear_user(tenant, user_id)
        if events:
            erased["events"] = events
        for watcher in watchers:
            await self._onlookers.changed(tenant, watcher)
        return {**erased, "live": ended} if ended else erased

    def _subjects(self, user_id: str) -> Subjects:
        check_id(user_id, "the id of a user", id_bytes=self._context.limits.id_bytes)
        subjects = self._context.journal.subjects
        if subjects is None:
            raise Refusal("unsupported", "this journal cannot tell what it keeps of one user")
        return subjects

    async def _end(self, tenant: str, user_id: str) -> int:
        sessions = self._registry.of_user(tenant, user_id)
        for owned in sessions:
            self._driver.end(owned, "cleared", codes.CLEARED, REASON)
        for link in self._driver.links:
            viewer = link.viewer
            if viewer is not None and (viewer.identity.tenant, viewer.identity.user_id) == (tenant, user_id):
                self._driver.part(link, codes.CLEARED, REASON)
        for owned in sessions:
            await owned.chain.settled()
        return len(sessions)

    async def _forget_live(self, feed: FeedKey) -> None:
        """Take away what the user declared, and what a session that was just beginning has left.

        Sessions of other nodes end there: what else is kept of one goes with its record, which its owner takes away.
        """
        backend, others = self._context.backend, self._switchboard.others()
        for record in (await backend.snapshot(feed)).records:
            if record.owner in others and not isinstance(record, Declaration):
                continue
            place = DECLARATION if isinstance(record, Declaration) else record.session_id
            await backend.commit(feed, Remove(place, feed.name, record.incarnation, record.owner, "cleared"))
        self._people.forget(feed)


def _told(session: Session) -> dict[str, Any]:
    identity = session.identity
    return {
        "session_id": session.session_id,
        "name": identity.name,
        "role": identity.role,
        "info": identity.info,
        "platform": session.platform,
        "opened_at": session.opened_at,
        "last_seen_at": session.last_seen_at,
        "last_active_at": session.last_active_at,
        "visible": session.visible,
        "active": session.active,
        "rooms": {
            room: {"joined_at": joined.joined_at, "state": {key: value.json for key, value in joined.state.items()}}
            for room, joined in session.rooms.items()
        },
    }
