"""What is kept under which key. Every id is quoted, so that no two ids can make the same key.

All keys of one feed carry one hash tag (the braces), so that a Cluster keeps them together.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from hereabouts.engine.records import FeedKey, Owner

PREFIX: Final = "hb"
"""What every key begins with, unless `backend.prefix` says otherwise."""


def quoted(text: str) -> str:
    """The text with nothing in it that a key uses itself; different texts stay different."""
    return quote(text, safe="", errors="surrogatepass")


class Keys:
    """The names of all keys and channels under one prefix."""

    def __init__(self, prefix: str = PREFIX) -> None:
        self._prefix = quoted(prefix)
        self.nodes = f"{self._prefix}:nodes"
        self.generation = f"{self._prefix}:generation"

    def feed(self, feed: FeedKey) -> str:
        """A feed: its records, epoch and position; also the channel of its steps."""
        return f"{self._prefix}:{{{feed.kind}:{quoted(feed.tenant)}:{quoted(feed.name)}}}"

    def session(self, session_id: str) -> str:
        """What another node needs to go on with a session: where it stands and what proves its secret."""
        return f"{self._prefix}:session:{quoted(session_id)}"

    def owned(self, owner: Owner) -> str:
        """The ids of all sessions of one life of a node."""
        return f"{self._prefix}:owned:{quoted(owner.node)}:{owner.incarnation}"

    def canary(self, owner: Owner) -> str:
        """The channel on which a node hears itself."""
        return f"{self._prefix}:canary:{quoted(owner.node)}:{owner.incarnation}"
