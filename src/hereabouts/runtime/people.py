"""The users that this node has to do with: their feeds followed, their outcome merged, their declarations timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hereabouts.engine.records import (
    DECLARATION,
    Declaration,
    Entry,
    FeedKey,
    FeedSnapshot,
    Now,
    Records,
    Remove,
)
from hereabouts.engine.session import Session
from hereabouts.engine.status import OFFLINE, Outcome, follow
from hereabouts.fanout.cards import Card, Cards
from hereabouts.runtime.context import Context
from hereabouts.runtime.link import OwnedSession


class Person:
    """One user: the records of its feed, and who on this node hears when the outcome changes."""

    __slots__ = ("_context", "card", "feed", "filed_slot", "records", "seq", "sessions")

    def __init__(self, feed: FeedKey, context: Context) -> None:
        self._context = context
        self.feed = feed
        self.records: dict[str, Records] = {}
        self.seq = 0
        self.sessions: dict[OwnedSession, None] = {}
        self.card = Card(feed.name, context.policy(feed.tenant))
        self.filed_slot = -1

    @property
    def outcome(self) -> Outcome:
        """The user, merged."""
        return self.card.outcome

    @property
    def declaration(self) -> Declaration | None:
        """What the user declared, if anything."""
        found = self.records.get(DECLARATION)
        return found if isinstance(found, Declaration) else None

    @property
    def is_needed(self) -> bool:
        """Whether anybody here still has to do with the user."""
        return bool(self.sessions or self.card.watchers)

    def due_at(self) -> float | None:
        """When the declaration runs out; only a node with a session of the user acts on it."""
        declaration = self.declaration
        if declaration is None or declaration.until_at is None or not self.sessions:
            return None
        return self._context.clock.tick_of(declaration.until_at, self._context.now())


class People:
    """All persons of this node. Follows a user's feed for as long as somebody here needs it."""

    def __init__(
        self,
        context: Context,
        cards: Cards,
        turned: Callable[[OwnedSession, Outcome, int], None],
        moved: Callable[[OwnedSession], None],
        stand_again: Callable[[OwnedSession], None],
    ) -> None:
        self._context = context
        self._cards = cards
        self._turned = turned
        self._moved = moved
        self._stand_again = stand_again
        self._people: dict[FeedKey, Person] = {}

    def __len__(self) -> int:
        return len(self._people)

    def __iter__(self) -> Iterator[Person]:
        return iter(tuple(self._people.values()))

    def find(self, feed: FeedKey) -> Person | None:
        """The person, if this node has to do with them."""
        return self._people.get(feed)

    def admit(self, feed: FeedKey, snapshot: FeedSnapshot) -> Person:
        """A feed is followed from here on."""
        person = self._people[feed] = Person(feed, self._context)
        self._take(person, snapshot)
        person.card.outcome = self._outcome(person, None)
        return person

    def recall(self, person: Person, seen_at: int | None, active_at: int | None) -> None:
        """Somebody who is not here: this is what the record knows; who looks meanwhile is told."""
        self._cards.turn(person.card, Outcome("offline", last_seen_at=seen_at, last_active_at=active_at))

    def dismiss(self, feed: FeedKey) -> None:
        """The feed is followed no more."""
        self._people.pop(feed, None)

    def entry(self, feed: FeedKey, entry: Entry) -> None:
        """The next step of a user's feed."""
        person = self._people.get(feed)
        if person is None:
            return
        if entry.record is None:
            person.records.pop(entry.session_id, None)
        else:
            person.records[entry.session_id] = entry.record
        person.seq = entry.position.seq
        self._turn(person, entry.removal)
        if entry.removal is not None:
            self._keep_standing(person, entry.removal)
        if entry.session_id == DECLARATION:
            self._context.file(person)

    def replace(self, feed: FeedKey, snapshot: FeedSnapshot) -> None:
        """The whole feed, after a gap: what was missed is told as what it comes to."""
        person = self._people.get(feed)
        if person is not None:
            self._take(person, snapshot)
            self._turn(person)

    def advance(self, person: Person, now: Now) -> None:
        """The declaration has run out: take it away, unless a newer one stands there meanwhile."""
        declaration = person.declaration
        if declaration is None or declaration.until_at is None or declaration.until_at > now.at or not person.sessions:
            return
        owned = next(iter(person.sessions))
        owned.chain.add(lambda: self._retract(owned.session, declaration))

    async def _retract(self, session: Session, declaration: Declaration) -> None:
        remove = Remove(DECLARATION, declaration.user_id, declaration.incarnation, declaration.owner, "leave")
        await self._context.commit(session, session.user_feed(), remove)

    def forget(self, feed: FeedKey) -> None:
        """The user was erased: nothing that was known is told any more, the newest times included."""
        person = self._people.get(feed)
        if person is not None:
            person.records.clear()
            self._cards.turn(person.card, OFFLINE)

    def _take(self, person: Person, snapshot: FeedSnapshot) -> None:
        person.records = {
            DECLARATION if isinstance(record, Declaration) else record.session_id: record for record in snapshot.records
        }
        person.seq = snapshot.position.seq
        self._context.file(person)

    @staticmethod
    def _outcome(person: Person, removal: Remove | None) -> Outcome:
        return follow(person.outcome, person.records.values(), removal)

    def _give_up(self, person: Person) -> None:
        """A newer life of one of our sessions stands there, of another owner: it was resumed at that node."""
        for owned in tuple(person.sessions):
            record = person.records.get(owned.session.session_id)
            if (
                record is not None
                and record.owner != owned.session.owner
                and record.incarnation > owned.session.incarnation
            ):
                self._moved(owned)

    def _keep_standing(self, person: Person, removal: Remove) -> None:
        """Two nodes took up one session at once, and the one that lost its client has withdrawn what it put there."""
        for owned in tuple(person.sessions):
            session = owned.session
            if removal.session_id == session.session_id and removal.owner != session.owner and session.is_listed:
                self._stand_again(owned)

    def _turn(self, person: Person, removal: Remove | None = None) -> None:
        self._give_up(person)
        outcome = self._outcome(person, removal)
        if outcome == person.outcome:
            return
        self._cards.turn(person.card, outcome)
        for owned in tuple(person.sessions):
            if owned.session.outcome != outcome:
                self._turned(owned, outcome, person.seq)
