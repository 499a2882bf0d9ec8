"""What the database should be, and whether it is: for `hereabouts doctor`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hereabouts.journal.postgres_pool import Connection

CLOCK_MOST_SECONDS: Final = 2.0
"""How far the database's clock may be from this machine's before somebody should look at it."""

FREE_LEAST: Final = 8
"""Connections that a node needs: see docs/postgresql.md."""

_LOOK: Final = """
SELECT current_setting('server_version') AS version,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('fsync') AS fsync,
       current_setting('synchronous_standby_names') AS synchronous_standbys,
       (SELECT count(*) FROM pg_stat_replication) AS standbys,
       current_setting('max_connections')::int - (SELECT count(*) FROM pg_stat_activity
           WHERE backend_type = 'client backend') AS free_connections,
       extract(epoch FROM clock_timestamp())::float8 AS at_seconds
"""


async def look(connection: Connection) -> Mapping[str, Any]:
    """What the database says of itself."""
    return dict(await connection.fetchrow(_LOOK))


def judge(found: Mapping[str, Any], now_seconds: float) -> list[tuple[bool, str]]:
    """Whether each thing may stay as it is, and what to change if not."""
    return list(_judge(found, now_seconds))


def _judge(found: Mapping[str, Any], now_seconds: float) -> Iterator[tuple[bool, str]]:
    standbys = int(found["standbys"])
    yield True, f"PostgreSQL {found['version']} with {standbys} standbys, {found['free_connections']} free connections"
    if found["fsync"] != "on":
        yield False, "fsync is off: after a loss of power the database may be damaged; set fsync = on"
    if found["synchronous_commit"] == "off":
        yield False, "synchronous_commit is off: what was acknowledged may be lost; set it to on"
    elif standbys and (not found["synchronous_standbys"] or found["synchronous_commit"] == "local"):
        text = "no standby is synchronous: fail over only to one that is, or a holding may be granted twice; "
        yield True, text + "set synchronous_standby_names, and synchronous_commit = on"
    if found["free_connections"] < FREE_LEAST:
        yield (
            False,
            f"{found['free_connections']} connections are free, a node takes {FREE_LEAST}: raise max_connections",
        )
    apart = found["at_seconds"] - now_seconds
    if abs(apart) > CLOCK_MOST_SECONDS:
        yield False, f"the database's clock is {apart:+.1f} s from this machine's: let both follow one time server"
