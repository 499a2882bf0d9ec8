"""Verifying keys from a URL: fetched rarely, kept through an outage, waited for only by who needs a new one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import httpx
from joserfc.jwk import Key

from hereabouts.auth.config import check_url, is_loopback
from hereabouts.auth.keys import FixedKeys, KeyHealth, read_key_set
from hereabouts.errors import ConfigError
from hereabouts.tasks import end

SET_BYTES: Final = 256 * 1024
FETCH_SECONDS: Final = 5.0
REST_SECONDS: Final = 60.0
"""Least time between two fetches, however many tokens name a key that is not known."""

FIRST_REST_SECONDS: Final = 5.0
"""The same while no key was ever fetched and nobody at all can come in."""

OLD_SECONDS: Final = 3600.0
"""A set older than this is fetched again beside the next token, so that a key taken out of it stops to be good."""


class UrlKeys:
    """The keys of a JWKS URL. `wall` gives seconds since the epoch.

    One host, no redirects, limits on size and time. While the URL does not answer, the last good set serves on and
    `health` tells its age.
    """

    def __init__(
        self,
        url: str,
        algorithms: Sequence[str],
        wall: Callable[[], float],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        check_url(url)
        self._url = url
        self._algorithms = tuple(algorithms)
        self._wall = wall
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=FETCH_SECONDS,
            follow_redirects=False,
            # A proxy from the environment could not reach this machine's own loopback.
            trust_env=not is_loopback(urlsplit(url).hostname or ""),
            # What is sent is what is counted: a compressed answer could grow without limit.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )
        self._keys = FixedKeys(())
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._problem: str | None = None
        self._flight: asyncio.Task[None] | None = None

    def find(self, kid: str | None, algorithm: str) -> tuple[Key, ...]:
        """See `Keys.find`. An old set is renewed meanwhile; nobody waits for that."""
        if self._fetched_at is not None and self._passed(self._fetched_at, OLD_SECONDS) and not self._is_resting():
            self._start()
        return self._keys.find(kid, algorithm)

    async def renew(self) -> bool:
        """Fetch the set, together with all who want it now, unless that was tried just before."""
        if self._flight is None:
            if self._is_resting():
                return False
            self._start()
        assert self._flight is not None
        # Unlike an await of the task, this leaves the fetch to the others when one of them stops waiting.
        await asyncio.wait((self._flight,))
        return self._problem is None

    async def close(self) -> None:
        """End a fetch that is under way, and the connection."""
        flight, self._flight = self._flight, None
        if flight is not None:
            await end((flight,))
        await self._client.aclose()

    def health(self) -> KeyHealth:
        """See `Keys.health`. Keys that were fetched once are good, however old."""
        age = None if self._fetched_at is None else max(0.0, self._wall() - self._fetched_at)
        known = self._keys.health()
        return KeyHealth(is_ok=known.is_ok, keys=known.keys, age_seconds=age, problem=self._problem)

    def _start(self) -> None:
        if self._flight is None:
            self._tried_at = self._wall()
            self._flight = asyncio.get_running_loop().create_task(self._fetch(), name="jwks")

    def _is_resting(self) -> bool:
        rest = REST_SECONDS if self._fetched_at is not None else FIRST_REST_SECONDS
        return self._tried_at is not None and not self._passed(self._tried_at, rest)

    def _passed(self, since: float, seconds: float) -> bool:
        # A wall clock that was set back says nothing about how long it is; then it is long enough.
        return not 0 <= self._wall() - since < seconds

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                text = await self._read()
            self._keys = FixedKeys(read_key_set(text, self._algorithms))
            self._fetched_at = self._wall()
            self._problem = None
        except TimeoutError:
            self._problem = f"no whole answer within {FETCH_SECONDS:g} s"
        except (httpx.HTTPError, httpx.StreamError, OSError, ConfigError) as error:
            self._problem = str(error) or type(error).__name__
        finally:
            self._flight = None

    async def _read(self) -> bytes:
        async with self._client.stream("GET", self._url) as answer:
            if answer.status_code != 200:
                raise ConfigError(f"the answer was {answer.status_code}; it must be 200, redirects are not followed")
            text = bytearray()
            async for chunk in answer.aiter_raw():
                text += chunk
                if len(text) > SET_BYTES:
                    raise ConfigError(f"the answer is over {SET_BYTES} bytes")
            return bytes(text)
