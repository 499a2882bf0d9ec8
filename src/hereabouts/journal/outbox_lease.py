"""The seam between nodes that share an outbox: one of them delivers, and another one when that one is gone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from hereabouts.engine.records import Owner


class Held(NamedTuple):
    """Who delivers now. With another `term` what waits is to be read anew: somebody else may have delivered some."""

    holder: Owner
    term: int


class OutboxLease(ABC):
    """Whose turn it is to deliver, by the clock of the database alone. What waits raises `JournalUnavailable`."""

    @abstractmethod
    async def hold(self, owner: Owner, seconds: float) -> Held:
        """Ask to be, or to stay, the one that delivers, for so many seconds from now; who it is.

        A new process of a node need not wait for the end of the last one's turn.
        """

    @abstractmethod
    async def may_send(self, owner: Owner, endpoint: str, seq: int) -> bool:
        """Whether this node still delivers, and the endpoint is still to have the event."""

    @abstractmethod
    async def anew(self) -> None:
        """Let whoever delivers read anew what waits."""

    @abstractmethod
    async def let_go(self, owner: Owner) -> None:
        """This node delivers no more; another one need not wait."""
