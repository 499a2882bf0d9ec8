"""Which tables have rows about users, in every database. A test sees to it that no table is forgotten here."""

from __future__ import annotations

from typing import Final, NamedTuple


class Personal(NamedTuple):
    """A table with rows about users: `names` are the columns that hold a user id.

    Rows are deleted, but for those of a shared history, in which the alias takes the user's place. `fixed` is what else
    must be true of a row, and `is_kept` is for what keeps a user out: it is told and not erased.
    """

    table: str
    names: tuple[str, ...] = ("user_id",)
    is_shared: bool = False
    is_kept: bool = False
    fixed: str = "true"


PERSONAL: Final = (
    Personal("sessions"),
    Personal("origins"),
    Personal("transitions"),
    Personal("last_seen"),
    Personal("declared"),
    Personal("relations", ("watcher", "watched")),
    Personal("occupancies"),
    Personal("occupancy_events", ("user_id", "loser_id"), is_shared=True),
    Personal("events"),
    Personal("standings"),
    Personal("revocations", ("id",), is_kept=True, fixed="kind = 'user'"),
    Personal("cooldowns", ("id",), is_kept=True, fixed="kind = 'user'"),
)
"""The audit is not here: it has a call of its own that gives a user another name."""
