"""A few connections to PostgreSQL: how they are made, what an error means, how long anything may take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

import asyncpg

from hereabouts.errors import ConfigError, HereaboutsError, JournalUnavailable
from hereabouts.journal.postgres_address import SCHEMA, read_address
from hereabouts.journal.postgres_text import escaped, unescaped

T = TypeVar("T")

Connection = Any
"""An `asyncpg.Connection`, which has no types of its own. It is inside a transaction, but for where that is said."""

Act = Callable[[Connection], Awaitable[T]]

STATEMENT_SECONDS: Final = 5.0
"""How long the server may take for a statement, before that counts as a failure."""

SILENT_SECONDS: Final = 0.5
"""How much longer is waited for a server that does not answer at all."""

CONNECT_SECONDS: Final = 5.0

TRIES: Final = 3
"""How often a transaction is tried that another one got in the way of."""

VERSION_LEAST: Final = 15

IN_THE_WAY: Final = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    # Another version migrated the tables meanwhile; the statement is prepared anew.
    asyncpg.InvalidCachedStatementError,
)

WRONG_ADDRESS: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ClientConfigurationError,
    asyncpg.UndefinedTableError,
    # A parameter of the URL that the server does not know.
    asyncpg.UndefinedObjectError,
    ValueError,
)
"""What passes by itself no more: the operator is to change something."""

UNREACHABLE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


class Transactions(Protocol):
    """What writes and what reads, each in one transaction. They raise `JournalUnavailable`."""

    async def write(self, act: Act[T]) -> T:
        """Do something, on disk when this returns."""

    async def read(self, act: Act[T]) -> T:
        """Read as of one moment."""

    async def look(self, act: Act[T]) -> T:
        """Read with one statement."""

    async def flush(self) -> None:
        """See `Journal.flush`."""


class TookTooLong(JournalUnavailable):
    """The server gave a statement up, as it took longer than it may."""


class Pool:
    """Connections to one database, `least` to `most` of them. Errors are `JournalUnavailable`, without the password."""

    def __init__(self, url: str, most: int, *, least: int = 1, statement_seconds: float = STATEMENT_SECONDS) -> None:
        self._address = read_address(url)
        self._least = least
        self._most = most
        self._statement_seconds = statement_seconds
        self._pool: Any = None

    @property
    def shown(self) -> str:
        """The address without its secrets."""
        return self._address.shown

    async def open(self) -> None:
        """Connect. Raises `ConfigError` for what will not pass by itself, else `JournalUnavailable`."""
        with_settings = {
            "application_name": "hereabouts",
            "search_path": SCHEMA,
            "timezone": "UTC",
            "statement_timeout": f"{int(self._statement_seconds * 1000)}ms",
            "idle_in_transaction_session_timeout": "60s",
        }
        pool = asyncpg.create_pool(
            self._address.url,
            min_size=self._least,
            max_size=self._most,
            timeout=CONNECT_SECONDS,
            command_timeout=self._statement_seconds + SILENT_SECONDS,
            server_settings=with_settings,
            init=_keep_any_text,
            # A transaction leaves nothing behind; the usual reset would be one more journey each time.
            reset=_leave_as_it_is,
        )
        try:
            self._pool = await pool
        except (*UNREACHABLE, *WRONG_ADDRESS) as error:
            raise explain(self.shown, error) from error

    async def close(self) -> None:
        """Let go, also of a server that does not answer."""
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        try:
            async with asyncio.timeout(self._statement_seconds):
                await pool.close()
        except UNREACHABLE:
            pool.terminate()

    async def write(self, act: Act[T]) -> T:
        """Do something in one transaction, on disk when this returns; again where another one got in its way.

        A statement sees all that was committed when it began, so what is read after a lock is what the one before left.
        """
        return await self._do(act, {"isolation": "read_committed"})

    async def read(self, act: Act[T]) -> T:
        """Read, all as of one moment."""
        return await self._do(act, {"isolation": "repeatable_read", "readonly": True})

    async def look(self, act: Act[T]) -> T:
        """Read with one statement, which is a transaction by itself: one journey instead of three."""
        return await self._do(act, None)

    async def _do(self, act: Act[T], transaction: dict[str, Any] | None) -> T:
        tries = TRIES
        while True:
            tries -= 1
            try:
                async with self._connection() as connection:
                    if transaction is None:
                        return await act(connection)
                    async with connection.transaction(**transaction):
                        return await act(connection)
            except asyncpg.QueryCanceledError as error:
                raise TookTooLong(f"{self.shown}: {_said(error)}") from error
            except UNREACHABLE as error:
                if not (tries and isinstance(error, IN_THE_WAY)):
                    raise JournalUnavailable(f"{self.shown}: {_said(error)}") from error

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        pool = self._pool
        if pool is None:
            raise JournalUnavailable(f"the journal {self.shown} is not open")
        # Others may be many and each of them quick: to wait for one's turn is no failure yet.
        connection = await pool.acquire(timeout=2 * self._statement_seconds)
        is_good = False
        try:
            yield connection
            is_good = True
        except (asyncpg.PostgresError, HereaboutsError) as error:
            # It was answered: the connection is as good as before.
            is_good = True
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                # After a failover it leads to what is a standby now, and so may the others.
                await pool.expire_connections()
            raise
        finally:
            if not is_good:
                # Asking a server that does not answer to put the connection in order would wait for it again.
                connection.terminate()
            await pool.release(connection)


def explain(shown: str, error: Exception) -> HereaboutsError:
    """What keeps the database from being opened, in words: what will pass, and what the operator is to change."""
    if isinstance(error, WRONG_ADDRESS) and not isinstance(error, OSError):
        return ConfigError(
            f"the journal {shown} cannot be opened: {_said(error)}; see docs/postgresql.md for what it needs"
        )
    return JournalUnavailable(f"the journal {shown} cannot be reached now: {_said(error)}")


async def _leave_as_it_is(connection: Connection) -> None:
    """See `reset` of asyncpg's pools."""


async def _keep_any_text(connection: Connection) -> None:
    """Every value of type `text` goes through `escaped` and back. Arrays of them do not."""
    await connection.set_type_codec(
        "text",
        schema="pg_catalog",
        format="binary",
        encoder=lambda text: escaped(text).encode(),
        decoder=lambda stored: unescaped(stored.decode()),
    )


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
