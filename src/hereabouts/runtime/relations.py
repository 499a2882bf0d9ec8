"""Whom a viewer may look at, and to whom it is related: the token's own word, edges that the host set, its resolver.

Nobody is, unless one of them says so. Source: `spec/protocol.md`, "Grants" and "Views".
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from hereabouts.auth.resolver import NOBODY, Resolver
from hereabouts.engine.identity import Identity
from hereabouts.engine.visibility import heeds_relations
from hereabouts.errors import Refusal
from hereabouts.journal.relations import Relation, RelationBook
from hereabouts.protocol.codec import check_id
from hereabouts.runtime.context import Context


class Sight(NamedTuple):
    """Of some users: whom the viewer may look at, and to whom it is related; for those `@related` holds."""

    visible: frozenset[str]
    related: frozenset[str]


class Relations:
    """Answers for one viewer at a time, and changes the edges. Raises `JournalUnavailable`."""

    def __init__(self, context: Context, resolver: Resolver | None) -> None:
        self._context = context
        self.resolver = resolver

    def by_token(self, identity: Identity, user_ids: Collection[str]) -> Sight:
        """What the credential alone says."""
        grants = identity.grants
        visible = frozenset(id for id in user_ids if id == identity.user_id or grants.may_watch_user(id))
        return Sight(visible, visible if identity.is_server else frozenset(filter(grants.is_related, user_ids)))

    async def sight(self, identity: Identity, user_ids: Collection[str]) -> Sight:
        """What the credential, the edges and the resolver say; the last two only where that changes the answer."""
        told = self.by_token(identity, user_ids)
        certain = told.related if heeds_relations(self._context.policy(identity.tenant)) else told.visible
        open_ids = frozenset(user_ids) - certain - {identity.user_id}
        if not open_ids or identity.is_server:
            return told
        found = open_ids & await self._edges(identity.tenant, identity.user_id)
        return Sight(told.visible | found, told.related | found)

    async def _edges(self, tenant: str, watcher: str) -> frozenset[str]:
        book = self._context.journal.relations
        edges = await book.watched_by(tenant, watcher) if book is not None else NOBODY
        return edges | await self.resolver.watched_by(tenant, watcher) if self.resolver is not None else edges

    async def watched_by(self, tenant: str, watcher: str) -> frozenset[str]:
        """Whom this user may watch by the edges that the host set. Raises `Refusal`."""
        return await self._book(watcher).watched_by(tenant, watcher)

    async def put(self, tenant: str, watcher: str, watched: str) -> bool:
        """Let `watcher` watch `watched`; false where that stood already. Raises `Refusal`."""
        book = self._book(watcher, watched)
        return await book.put(Relation(tenant, watcher, watched, self._context.now().at))

    async def remove(self, tenant: str, watcher: str, watched: str) -> bool:
        """Let `watcher` no longer watch `watched`; false where that did not stand. Raises `Refusal`."""
        return await self._book(watcher, watched).remove(tenant, watcher, watched)

    def _book(self, *user_ids: str) -> RelationBook:
        for user_id in user_ids:
            check_id(user_id, "the id of a user", id_bytes=self._context.limits.id_bytes)
        book = self._context.journal.relations
        if book is None:
            raise Refusal("unsupported", 'relations are kept in the journal, and journal.url is "none"')
        return book
