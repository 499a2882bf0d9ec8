"""Who may watch whom, asked of the host: one address that answers for each watcher.

It is sent `{"tenant": …, "watcher": …}` by POST and answers `{"watched": ["kid", …]}`: user ids, no patterns. An
answer that is late, not there or not of that form grants nothing, and is counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

import httpx
import msgspec
from msgspec import Struct

from hereabouts.auth.config import check_url, is_loopback
from hereabouts.errors import Refusal
from hereabouts.protocol.codec import check_id, strict
from hereabouts.tasks import end

ANSWER_BYTES: Final = 1024 * 1024
"""An answer is at most so long."""

WATCHERS_MOST: Final = 10_000
"""The answers of so many watchers are kept; who was asked for longest ago is forgotten first."""

ASKED_AT_ONCE: Final = 32
"""Questions that are open at the same time. Further ones wait, within their timeout."""

FAILED_REST_SECONDS: Final = 2.0
"""After a failure the watcher is not asked for again before so long, or the cache time where that is shorter."""

Result = Literal["answered", "late", "down", "lying"]

NOBODY: Final[frozenset[str]] = frozenset()


class _Answer(Struct):
    watched: list[str]


class _Kept(NamedTuple):
    watched: frozenset[str]
    until_tick: float


class Resolver:
    """Asks, and keeps what was answered. `tick` is a monotonic clock in seconds.

    Raises `ConfigError` unless `url` is HTTPS, or HTTP on this very machine. `secret` is sent as a bearer token.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float,
        cache_seconds: float,
        tick: Callable[[], float],
        secret: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        check_url(url, "auth.resolver_url")
        self.cache_seconds = cache_seconds
        self.results: Counter[Result] = Counter()
        """How often it was asked, by what came of it."""
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._tick = tick
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._flights: dict[tuple[str, str], asyncio.Task[frozenset[str]]] = {}
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if secret is not None:
            headers["Authorization"] = f"Bearer {secret}"
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=timeout_seconds,
            limits=httpx.Limits(max_connections=ASKED_AT_ONCE),
            follow_redirects=False,
            # A proxy from the environment could not reach this machine's own loopback.
            trust_env=not is_loopback(urlsplit(url).hostname or ""),
            headers=headers,
        )

    async def watched_by(self, tenant: str, watcher: str) -> frozenset[str]:
        """Whom this user may watch; nobody, where the host does not say."""
        key = tenant, watcher
        kept = self._kept.get(key)
        if kept is not None and self._tick() < kept.until_tick:
            return kept.watched
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.get_running_loop().create_task(self._renew(key), name="resolver")
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """End what is under way, and the connections."""
        await end(self._flights.values())
        await self._client.aclose()

    async def _renew(self, key: tuple[str, str]) -> frozenset[str]:
        try:
            watched, result = await self._ask(*key)
            self.results[result] += 1
            rest = self.cache_seconds if result == "answered" else min(self.cache_seconds, FAILED_REST_SECONDS)
            self._kept[key] = _Kept(watched, self._tick() + rest)
            self._kept.move_to_end(key)
            if len(self._kept) > WATCHERS_MOST:
                self._kept.popitem(last=False)
            return watched
        finally:
            del self._flights[key]

    async def _ask(self, tenant: str, watcher: str) -> tuple[frozenset[str], Result]:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return _read(await self._fetch({"tenant": tenant, "watcher": watcher})), "answered"
        except (TimeoutError, httpx.TimeoutException):
            return NOBODY, "late"
        except (httpx.HTTPError, httpx.StreamError, OSError):
            return NOBODY, "down"
        except (Refusal, msgspec.MsgspecError, UnicodeError):
            return NOBODY, "lying"

    async def _fetch(self, question: dict[str, str]) -> bytes:
        async with self._client.stream("POST", self._url, json=question) as answer:
            if answer.status_code >= 500:
                raise httpx.HTTPStatusError("no answer", request=answer.request, response=answer)
            if answer.status_code != 200:
                raise Refusal("bad_request", f"the answer was {answer.status_code}; redirects are not followed")
            text = bytearray()
            async for chunk in answer.aiter_raw():
                text += chunk
                if len(text) > ANSWER_BYTES:
                    raise Refusal("too_large", f"the answer is over {ANSWER_BYTES} bytes")
            return bytes(text)


def _read(text: bytes) -> frozenset[str]:
    strict(text)
    return frozenset(check_id(user_id, "an id") for user_id in msgspec.json.decode(text, type=_Answer).watched)
