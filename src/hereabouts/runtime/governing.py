"""The policy at run time: an overlay that is set by call, a file that is read again; both without losing anybody.

A policy that cannot be, or that breaks a relation, is refused with both numbers, and the old one stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import structlog
from msgspec import Struct

from hereabouts.engine.policy import PolicyBook
from hereabouts.engine.relations import require_sound
from hereabouts.engine.visibility import heeds_relations
from hereabouts.errors import ConfigError, Refusal
from hereabouts.fanout.cards import Card, Cards
from hereabouts.fanout.outbox import pack
from hereabouts.fanout.viewer import Viewer
from hereabouts.journal.policies import PolicyVersion, PolicyVersions
from hereabouts.protocol.messages import PolicyChanged
from hereabouts.runtime.context import Context
from hereabouts.runtime.driver import Driver
from hereabouts.runtime.entrance import policy_info
from hereabouts.runtime.holdings import Holdings
from hereabouts.runtime.kinds import Kinds
from hereabouts.runtime.link import OwnedSession
from hereabouts.runtime.looking import Looking
from hereabouts.runtime.noting import By, note
from hereabouts.runtime.onlookers import Onlookers
from hereabouts.runtime.people import People
from hereabouts.runtime.registry import Registry
from hereabouts.runtime.relay import Relay
from hereabouts.runtime.switchboard import Switchboard
from hereabouts.runtime.telling import Telling

log = structlog.get_logger("hereabouts")

SLICE: Final = 200
"""Sessions that are governed anew in one turn of the event loop, so that no turn grows long."""


class SetThere(Struct, frozen=True, tag="policy"):
    """A version that was set at another node."""

    version: PolicyVersion


class Governing:
    """Puts policies in force, one after another. `version` is the overlay in force, if there was ever one."""

    def __init__(
        self,
        context: Context,
        registry: Registry,
        driver: Driver,
        relay: Relay,
        people: People,
        cards: Cards,
        looking: Looking,
        onlookers: Onlookers,
        holdings: Holdings,
        kinds: Kinds,
        switchboard: Switchboard,
        telling: Telling,
    ) -> None:
        self._context = context
        self._registry = registry
        self._driver = driver
        self._relay = relay
        self._people = people
        self._cards = cards
        self._looking = looking
        self._onlookers = onlookers
        self._holdings = holdings
        self._kinds = kinds
        self._telling = telling
        switchboard.answer(SetThere, self._take)
        self._one_at_a_time = asyncio.Lock()
        self.version: PolicyVersion | None = None

    # What is set

    async def load(self) -> None:
        """Take up what was set before this process began, before there is anybody to govern.

        Raises `ConfigError` where it does not go with the file: to go on without it could show what it hides.
        """
        policies = self._context.journal.policies
        version = await policies.newest() if policies is not None else None
        if version is None or version.policy is None:
            self.version = version
            return
        try:
            self._context.policies = self._book(self._context.policies.file, version.policy)
        except ConfigError as error:
            raise ConfigError(
                f"the policy that {version.actor} set at run time (version {version.version}) does not go with the "
                f"file: {error}\nput the file's policy back, or set another one before you change the file"
            ) from None
        self.version = version

    async def look_again(self) -> None:
        """Take up what another node set and this one was not told. Raises `JournalUnavailable`."""
        policies = self._context.journal.policies
        newest = await policies.newest() if policies is not None else None
        if newest is not None and newest != self.version:
            with suppress(Refusal):  # it is in the log
                await self._take(SetThere(newest))

    def check(self, overlay: Mapping[str, Any] | None) -> PolicyBook:
        """The book with this overlay. Raises `Refusal` with `bad_request` for one that must not be in force."""
        try:
            return self._book(self._context.policies.file, overlay or {})
        except ConfigError as error:
            raise Refusal("bad_request", str(error)) from None

    async def _take(self, there: SetThere) -> bool:
        """Put in force what was set at another node; whether that is newer than what is in force here.

        Where the journal is shared the version stands in it already. One that does not go with this node's file is
        refused, and told in its log.
        """
        version = there.version
        async with self._one_at_a_time:
            if self.version is not None and self.version.at >= version.at:
                return False
            try:
                book = self.check(version.policy)
            except Refusal as refusal:
                log.error("policy", text=f"what {version.actor} set at another node is not taken: {refusal.message}")
                raise
            kept = self._context.journal.policies
            newest = await kept.newest() if kept is not None else None
            if kept is not None and (newest is None or newest.at < version.at):
                version = await kept.add(version.policy, version.at, version.actor, version.reason)
            self.version = version
            await self._put_in_force(book)
        return True

    async def set(self, overlay: dict[str, Any] | None, by: By) -> PolicyVersion:
        """Put an overlay in force, or take it away.

        Raises `Refusal` or `JournalUnavailable`, and then nothing changed.
        """
        versions = self.kept()
        async with self._one_at_a_time:
            book = self.check(overlay)
            version = await versions.add(overlay, self._context.now().at, by.actor, by.reason)
            self.version = version
            await self._put_in_force(book)
        await self._telling.all(SetThere(version))
        action = "set_policy" if overlay is not None else "delete_policy"
        await note(self._context, by, action, "policy", details={"version": version.version})
        return version

    async def reread(self, layers: Mapping[str, Any]) -> None:
        """The file was read again, and this is its policy. Raises `ConfigError`, and then the old one stays."""
        async with self._one_at_a_time:
            book = self._book(layers, self._context.policies.overlay)
            if book.node != self._context.node_clocks:
                log.warning("policy", text="the clocks of the node stand still while it runs; restart to change them")
            await self._put_in_force(book)
        by = By("default", f"node:{self._context.owner.node}")
        await note(self._context, by, "reread_policy", "policy")

    def kept(self) -> PolicyVersions:
        """Where the versions are. Raises `Refusal` with `unsupported` where they are not kept."""
        if self._context.journal.policies is None:
            raise Refusal("unsupported", 'a policy is not set at run time where journal.url is "none"')
        return self._context.journal.policies

    @staticmethod
    def _book(layers: Mapping[str, Any], overlay: Mapping[str, Any]) -> PolicyBook:
        book = PolicyBook(layers, overlay)
        require_sound(book)
        return book

    # What it does

    async def _put_in_force(self, book: PolicyBook) -> None:
        self._context.policies = book
        for place, owned in enumerate(self._registry):
            self._govern(owned)
            if place % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        for feed, fan in tuple(self._relay.rooms.items()):
            fan.govern(self._context.policy(feed.tenant, room=feed.name))
        self._holdings.picture.govern()
        self._govern_cards()
        viewers = [(link.owned, link.viewer) for link in self._driver.links if link.viewer is not None]
        for place, (looking, viewer) in enumerate(viewers):
            await self._look_again(looking, viewer)
            if place % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        log.info("policy", sessions=len(self._registry), version=self.version.version if self.version else None)

    def _govern(self, owned: OwnedSession) -> None:
        session, context = owned.session, self._context
        tenant, role, platform = session.tenant, session.identity.role, session.platform
        earlier, later = session.policy, context.policies.resolve(tenant, role, platform=platform)
        graces = {room: context.policy(tenant, role, room).grace_seconds for room in session.rooms}
        link = owned.link
        session.govern(later, graces, is_told=link is not None)
        context.file(owned)
        if link is not None and policy_info(earlier) != policy_info(later):
            link.connection.send(pack(PolicyChanged(policy_info(later))))

    def _govern_cards(self) -> None:
        for person in self._people:
            self._govern_card(person.card, person.feed.tenant)
        for link in self._driver.links:
            if link.viewer is not None:
                for card in link.viewer.cards.values():
                    if not card.is_followed:
                        self._govern_card(card, link.viewer.identity.tenant)

    def _govern_card(self, card: Card, tenant: str) -> None:
        policy = self._context.policy(tenant)
        if policy != card.policy:
            self._cards.govern(card, policy)

    async def _look_again(self, owned: OwnedSession | None, viewer: Viewer) -> None:
        async def look_again() -> None:
            await self._looking.look_again(viewer)
            self._kinds.judge_again(viewer)
            if viewer.cards and heeds_relations(self._context.policy(viewer.identity.tenant)):
                await self._onlookers.judge(viewer)

        if owned is None:
            await look_again()
        else:
            owned.chain.add(look_again)
