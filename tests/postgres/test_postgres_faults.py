"""What PostgreSQL says when it is up and still does not write: after a failover, or because of what a row holds."""

from __future__ import annotations

from random import Random

import pytest

from hereabouts.errors import JournalUnavailable
from hereabouts.journal.base import LastSeen
from hereabouts.journal.postgres import CONNECTIONS, PostgresJournal
from hereabouts.journal.postgres_pool import Connection
from hereabouts.testing.journal_contract import AT, T, seen


async def test_connections_to_what_became_a_standby_are_given_up(database: str) -> None:
    journal = PostgresJournal(database, connections=CONNECTIONS)
    await journal.open()
    await journal.look(_demote)
    with pytest.raises(JournalUnavailable, match="read-only"):
        await journal.revoke(T, "token", "t", AT, AT + 1)
    await journal.revoke(T, "token", "t", AT, AT + 1)
    assert journal.health().is_writable
    await journal.close()


async def _demote(connection: Connection) -> None:
    """As if the server were a standby from now on; only the next connection leads to the new primary."""
    await connection.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")


async def test_ids_that_fit_into_no_index_keep_no_other_row_from_being_written(database: str) -> None:
    journal = PostgresJournal(database, flush_wait_seconds=5)
    await journal.open()
    # Random, as what repeats is stored in less.
    tenant, user_id = ("".join(map(chr, Random(seed).choices(range(0x4E00, 0x9FFF), k=700))) for seed in (1, 2))
    journal.record([LastSeen(tenant, user_id, AT, None, None, None), seen("ada", AT)])
    await journal.flush()
    assert journal.health().lost_rows == 1
    assert (await journal._stored_last_seen(T, ["ada"])).keys() == {"ada"}
    await journal.close()
