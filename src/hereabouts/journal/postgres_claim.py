"""Who may write into one database beside whom: a node without a store alone, nodes over a store together.

A node without a store takes everybody whose sessions it does not have for gone, so a second one is refused at its
start. The claim is an advisory lock on a connection of its own: it goes with the process however that ends, with a
server that restarts or fails over, and with a machine that dies as soon as the server notices. It is taken anew when it
was lost, and whoever serves already goes on serving.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg
import structlog

from hereabouts.errors import ConfigError
from hereabouts.journal.postgres_address import read_address
from hereabouts.journal.postgres_pool import CONNECT_SECONDS, UNREACHABLE, WRONG_ADDRESS, explain
from hereabouts.tasks import Tasks

log = structlog.get_logger("hereabouts")

LOCK: Final = 0x4865_7265_6162_6F76
"""The advisory lock of whoever writes; the one after that of whoever migrates."""

WAIT_SECONDS: Final = 5.0
"""How long is waited for one that ends just now."""

AGAIN_SECONDS: Final = 0.2

LOOK_SECONDS: Final = 5.0
"""How often is looked whether the claim still stands."""

LOST_LOOKS: Final = 12
"""After so many looks in a row that found it taken, somebody else has it, and not an earlier connection of ours."""

# How the server notices within half a minute that our machine died.
_KEEPALIVE: Final = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25s",
}


class PostgresClaim:
    """See the module. `is_alone` is for a node without a store."""

    def __init__(self, url: str, *, is_alone: bool, wait_seconds: float = WAIT_SECONDS) -> None:
        self._address = read_address(url)
        self._is_alone = is_alone
        self._wait_seconds = wait_seconds
        self._connection: Any = None
        self.is_held = False
        """Whether it was ours when it was last looked."""
        self._tasks = Tasks()

    async def open(self) -> None:
        """Take it. Raises `ConfigError` where another node has it, `JournalUnavailable` where no server answers."""
        deadline = asyncio.get_running_loop().time() + self._wait_seconds
        try:
            while not await self._take():
                if asyncio.get_running_loop().time() >= deadline:
                    raise ConfigError(self._refusal())
                await asyncio.sleep(AGAIN_SECONDS)
        except BaseException as error:
            self._drop()
            if isinstance(error, (*UNREACHABLE, *WRONG_ADDRESS)):
                raise explain(self._address.shown, error) from error
            raise
        self._tasks.do(self._keep())

    async def close(self) -> None:
        """Let go of it."""
        await self._tasks.end()
        self._drop()

    async def _take(self) -> bool:
        """Whether it is ours. To ask again on the connection that has it is to look whether that still answers."""
        if self._connection is None:
            self._connection = await asyncpg.connect(
                self._address.url,
                timeout=CONNECT_SECONDS,
                command_timeout=CONNECT_SECONDS,
                server_settings={"application_name": "hereabouts claim", **_KEEPALIVE},
            )
        how = "pg_try_advisory_lock" if self._is_alone else "pg_try_advisory_lock_shared"
        self.is_held = bool(await self._connection.fetchval(f"SELECT {how}($1)", LOCK))
        return self.is_held

    async def _keep(self) -> None:
        lost = 0
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                lost = 0 if await self._take() else lost + 1
            except Exception:
                self._drop()  # the journal's health says why, where that lasts
                lost = 0
            if lost == LOST_LOOKS:
                log.error("journal", text=self._refusal())

    def _drop(self) -> None:
        connection, self._connection, self.is_held = self._connection, None, False
        if connection is not None:
            connection.terminate()

    def _refusal(self) -> str:
        if self._is_alone:
            text = 'is written by another node, and with backend.url = "memory://" it is the record of one alone; stop'
        else:
            text = 'is written by a node with backend.url = "memory://", whose record it is alone; stop'
        return (
            f"the journal {self._address.shown} {text} that one, name a database of its own in journal.url, or one "
            "store for both in backend.url; a machine that died is forgotten after half a minute"
        )
