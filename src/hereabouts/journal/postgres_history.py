"""Questions about the past, answered from PostgreSQL by connections of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from hereabouts.engine.analytics import Lengths, Online
from hereabouts.engine.attendance import Span
from hereabouts.engine.buckets import Bucket
from hereabouts.errors import Refusal
from hereabouts.journal import postgres_holdings, postgres_past
from hereabouts.journal.history import History, Pick, Region, UserStatuses, UserThen
from hereabouts.journal.past import Wanted
from hereabouts.journal.postgres_address import SCHEMA
from hereabouts.journal.postgres_pool import Connection, Pool, TookTooLong

T = TypeVar("T")

ANSWER_SECONDS: Final = 20.0
"""How long one question may read."""

QUESTIONS_MOST: Final = 8
"""Questions at once, two being answered and the others waiting."""

CONNECTIONS: Final = 2


class PostgresHistory(History):
    """See the module. `answer_seconds` is how long one question may read."""

    def __init__(self, url: str, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._answer_seconds = answer_seconds
        self._pool = Pool(url, CONNECTIONS, statement_seconds=answer_seconds, least=0)
        self._questions = 0

    async def open(self) -> None:
        """Make ready; the tables are there. Connections are made when somebody asks."""
        await self._pool.open()

    async def close(self) -> None:
        """Let go."""
        await self._pool.close()

    async def online(self, tenant: str, buckets: Sequence[Bucket]) -> list[Online]:
        """See `History.online`."""
        return await self._ask(partial(postgres_past.online, tenant=tenant, buckets=buckets))

    async def lengths(self, tenant: str, span: Bucket) -> Lengths:
        """See `History.lengths`."""
        return await self._ask(partial(postgres_past.session_lengths, tenant=tenant, span=span))

    async def statuses(self, tenant: str, span: Bucket, pick: Pick) -> list[UserStatuses]:
        """See `History.statuses`."""
        return await self._ask(partial(postgres_past.statuses, tenant=tenant, span=span, pick=pick))

    async def spans(self, tenant: str, span: Bucket, pick: Pick, now_at: int) -> list[tuple[str, list[Span]]]:
        """See `History.spans`."""
        return await self._ask(partial(postgres_past.spans, tenant=tenant, span=span, pick=pick, now_at=now_at))

    async def held(
        self, tenant: str, span: Bucket, pick: Pick, now_at: int, kind: str, resource: str | None = None
    ) -> list[tuple[str, list[Span]]]:
        """See `History.held`."""
        wanted = Wanted(tenant, kind, resource, span, pick, now_at)
        return await self._ask(partial(postgres_holdings.held, wanted=wanted))

    async def at(self, tenant: str, at: int, pick: Pick) -> list[UserThen]:
        """See `History.at`."""
        return await self._ask(partial(postgres_past.at, tenant=tenant, at=at, pick=pick))

    async def regions(self, tenant: str, span: Bucket, users_least: int) -> list[Region]:
        """See `History.regions`."""
        return await self._ask(partial(postgres_past.regions, tenant=tenant, span=span, users_least=users_least))

    async def sizes(self) -> dict[str, int]:
        """See `History.sizes`. They are what the server's statistics say."""
        return await self._ask(_sizes)

    async def _ask(self, act: Callable[[Connection], Awaitable[T]]) -> T:
        if self._questions >= QUESTIONS_MOST:
            text = f"{QUESTIONS_MOST} questions about the past are being answered already"
            raise Refusal("rate_limited", text, retry_after_seconds=1)
        self._questions += 1
        try:
            return await self._pool.read(partial(self._in_time, act=act))
        except TookTooLong:
            text = f"the answer takes longer than {self._answer_seconds:g} s; ask about less time"
            raise Refusal("limit_exceeded", text, limit="answer_seconds") from None
        finally:
            self._questions -= 1

    async def _in_time(self, connection: Connection, act: Callable[[Connection], Awaitable[T]]) -> T:
        """Also of many statements, each of which takes a moment."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                return await act(connection)
        except TimeoutError:
            raise TookTooLong("the whole answer takes too long") from None


async def _sizes(connection: Connection) -> dict[str, int]:
    rows = await connection.fetch("SELECT relname, n_live_tup FROM pg_stat_user_tables WHERE schemaname = $1", SCHEMA)
    return {row["relname"]: row["n_live_tup"] for row in rows}
