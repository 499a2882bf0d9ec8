"""Which of several nodes delivers, as one row in PostgreSQL.

An advisory lock would be held on by a node that stands still for as long as its connection does. A row has a time.
"""

from __future__ import annotations

from typing import Final

from hereabouts.engine.records import Owner
from hereabouts.journal.outbox_lease import Held, OutboxLease
from hereabouts.journal.postgres_pool import Connection, Transactions

_HOLD: Final = """
    INSERT INTO outbox_lease AS held (node, incarnation, term, until)
    VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
    ON CONFLICT (is_only) DO UPDATE SET
        node = excluded.node, incarnation = excluded.incarnation, until = excluded.until,
        term = held.term + CASE
            WHEN held.until > clock_timestamp() AND held.incarnation = excluded.incarnation THEN 0 ELSE 1 END
    WHERE held.until <= clock_timestamp() OR (held.node = excluded.node AND held.incarnation <= excluded.incarnation)
"""

_HELD: Final = "SELECT node, incarnation, term FROM outbox_lease"

_MAY_SEND: Final = """
    SELECT EXISTS (
        SELECT 1 FROM outbox_lease WHERE node = $1 AND incarnation = $2 AND until > clock_timestamp()
    ) AND EXISTS (SELECT 1 FROM deliveries WHERE endpoint = $3 AND seq = $4 AND NOT is_dead)
"""

_LET_GO: Final = "UPDATE outbox_lease SET until = clock_timestamp() WHERE node = $1 AND incarnation = $2"


class PostgresLease(OutboxLease):
    """See the module. Shares the connections of a journal."""

    def __init__(self, journal: Transactions) -> None:
        self._journal = journal

    async def hold(self, owner: Owner, seconds: float) -> Held:
        """See `OutboxLease.hold`."""

        async def hold(connection: Connection) -> Held:
            await connection.execute(_HOLD, *owner, seconds)
            node, incarnation, term = await connection.fetchrow(_HELD)
            return Held(Owner(node, incarnation), term)

        return await self._journal.write(hold)

    async def may_send(self, owner: Owner, endpoint: str, seq: int) -> bool:
        """See `OutboxLease.may_send`."""
        asked = (*owner, endpoint, seq)
        return bool(await self._journal.look(lambda connection: connection.fetchval(_MAY_SEND, *asked)))

    async def anew(self) -> None:
        """See `OutboxLease.anew`."""
        await self._journal.write(lambda connection: connection.execute("UPDATE outbox_lease SET term = term + 1"))

    async def let_go(self, owner: Owner) -> None:
        """See `OutboxLease.let_go`."""
        await self._journal.write(lambda connection: connection.execute(_LET_GO, *owner))
