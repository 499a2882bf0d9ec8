"""Where the sessions of each node stand, so that others can find what a dead node left and go on with what lives.

A session's hash has a field for each place, with who noted it, and `@session`: what the node that owned it handed to
whoever goes on.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from hereabouts.backends.base import Place
from hereabouts.backends.valkey.codec import owner_text
from hereabouts.backends.valkey.keys import Keys
from hereabouts.backends.valkey.scripts import KEEP, UNNOTE
from hereabouts.backends.valkey.store import Argument, Store
from hereabouts.engine.records import DECLARATION, Change, Commit, Declaration, FeedKey, Owner, Put, Remove

SESSION: Final = b"@session"

_place = msgspec.json.Decoder(tuple[FeedKey, str])


class Index:
    """The places of this node's own sessions, in memory and in the store."""

    def __init__(self, store: Store, keys: Keys, owner: Owner) -> None:
        self._store = store
        self._keys = keys
        self._owner = owner
        self._own: dict[str, set[FeedKey]] = {}
        self.losses = 0
        """How often the store was found empty; what was noted before is noted no more."""

    def before(self, feed: FeedKey, change: Change) -> list[asyncio.Future[Any]]:
        """A commit follows: a place that is new is noted first, in the same round trip. Gives the notes' answers."""
        if not isinstance(change, Put) or isinstance(change.record, Declaration) or change.record.owner != self._owner:
            return []
        session_id = change.record.session_id
        own = self._own.get(session_id)
        notes = []
        if own is None:
            notes.append(self._ask("SADD", self._keys.owned(self._owner), session_id))
        if own is None or feed not in own:
            field = _field(feed, change.record.user_id)
            notes.append(self._ask("HSET", self._keys.session(session_id), field, owner_text(self._owner)))
        return notes

    def after(self, feed: FeedKey, change: Change, commit: Commit, losses: int) -> None:
        """A commit was answered; there were so many `losses` when it was asked."""
        if isinstance(change, Remove):
            place = Place(feed, change.user_id, change.session_id)
            if change.session_id == DECLARATION:
                return
            if commit.applied or commit.before is None:
                self._unnote(change.owner, place)
            else:
                self._leave_to(commit.before.owner, place)
        elif isinstance(change.record, Declaration) or change.record.owner != self._owner:
            return
        elif not commit.applied and commit.before is not None:
            self._leave_to(commit.before.owner, Place(feed, change.record.user_id, change.record.session_id))
        elif commit.applied and losses == self.losses:
            self._own.setdefault(change.record.session_id, set()).add(feed)

    def _leave_to(self, owner: Owner, place: Place) -> None:
        """Ours was the older life: the note is that of the newer one, which forgets it with what it put."""
        if owner == self._owner:
            return
        self._ask("HSET", self._keys.session(place.session_id), _field(place.feed, place.user_id), owner_text(owner))
        if place.session_id not in self._own:
            self._ask("SREM", self._keys.owned(self._owner), place.session_id)

    def disown(self, session_id: str) -> None:
        """The session is another node's now."""
        if self._own.pop(session_id, None) is not None:
            self._ask("SREM", self._keys.owned(self._owner), session_id)

    def lost(self) -> None:
        """The store is empty: everything is noted anew as it is put."""
        self.losses += 1
        self._own.clear()

    async def keep(self, session_id: str, payload: bytes) -> None:
        """See `Peers.keep`."""
        await self._store.run(KEEP, self._keys.session(session_id), SESSION, payload)

    async def kept(self, session_id: str) -> tuple[bytes, list[Place]] | None:
        """See `Peers.kept`."""
        fields = _pairs(await self._store.call("HGETALL", self._keys.session(session_id)))
        payload = fields.pop(SESSION, None)
        if payload is None:
            return None
        return payload, [_read(field, session_id) for field in fields]

    async def places(self, owner: Owner) -> list[Place]:
        """See `Peers.places`."""
        session_ids = [each.decode() for each in await self._store.call("SMEMBERS", self._keys.owned(owner))]
        asked = [self._store.asked("HKEYS", self._keys.session(session_id)) for session_id in session_ids]
        found = await asyncio.gather(*asked)
        return [
            _read(field, session_id)
            for session_id, fields in zip(session_ids, found, strict=True)
            for field in fields
            if field != SESSION
        ]

    def reaped(self, owner: Owner, place: Place) -> None:
        """The record that this owner had there is gone."""
        self._unnote(owner, place)

    async def forget(self, owner: Owner) -> None:
        """See `Peers.forget`."""
        await self._store.call("DEL", self._keys.owned(owner))

    def _unnote(self, owner: Owner, place: Place) -> None:
        if owner == self._owner:
            own = self._own.get(place.session_id, set())
            own.discard(place.feed)
            if not own:  # also where a lost store made us forget what was noted: it is put, and noted, again
                self._own.pop(place.session_id, None)
                self._ask("SREM", self._keys.owned(owner), place.session_id)
        field = _field(place.feed, place.user_id)
        self._ask("EVAL", UNNOTE.text, 1, self._keys.session(place.session_id), field, owner_text(owner))

    def _ask(self, *command: Argument) -> asyncio.Future[Any]:
        # Nobody has to wait for it: where it fails the store is out of reach, and what is to stand is looked at again.
        asked = self._store.asked(*command)
        asked.add_done_callback(asyncio.Future.exception)
        return asked


def _field(feed: FeedKey, user_id: str) -> bytes:
    return msgspec.json.encode((feed, user_id))


def _read(field: bytes, session_id: str) -> Place:
    feed, user_id = _place.decode(field)
    return Place(feed, user_id, session_id)


def _pairs(answer: Any) -> dict[bytes, bytes]:
    return answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))
