"""One request to an endpoint: to the address that was judged, following nobody, reading little, in bounded time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal, NamedTuple

import httpx

from hereabouts.version import __version__
from hereabouts.webhooks.addresses import AddressRefused, Resolve, judged, resolve
from hereabouts.webhooks.endpoints import Endpoint
from hereabouts.webhooks.signing import sign

ANSWER_BYTES: Final = 65_536
"""So much of an answer is read, and dropped; the connection of a longer one is closed."""

ANSWER_SECONDS: Final = 1.0
"""How long is waited for it."""

CONNECTIONS: Final = 8
"""Requests to one endpoint at once."""

ERROR_CHARACTERS: Final = 200


class Result(NamedTuple):
    """How an attempt ended; `error` says why it is to be made again."""

    outcome: Literal["delivered", "retry", "gone"]
    error: str = ""


class Sender:
    """Sends to one endpoint. `wall` gives seconds since the epoch; `tls` says whom to trust, in tests."""

    def __init__(
        self,
        endpoint: Endpoint,
        wall: Callable[[], float],
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._wall = wall
        self._resolve = resolve
        parts = endpoint.parts
        assert parts.hostname is not None
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._http = httpx.AsyncClient(
            verify=True if tls is None else tls,
            trust_env=False,
            follow_redirects=False,
            timeout=None,
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        )

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def send(self, event_id: str, body: bytes) -> Result:
        """Make one attempt. A failure is a result, never an exception."""
        try:
            status = await self._post(event_id, body)
        except TimeoutError:
            return Result("retry", f"no answer within {self._endpoint.timeout_seconds:g} s")
        except (AddressRefused, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Result("retry", (str(error) or type(error).__name__)[:ERROR_CHARACTERS])
        if 200 <= status < 300:
            return Result("delivered")
        return Result("gone" if status == httpx.codes.GONE else "retry", f"the answer was {status}")

    async def _post(self, event_id: str, body: bytes) -> int:
        """The status. What comes after it is no longer waited for: it says all that matters."""
        async with asyncio.timeout(self._endpoint.timeout_seconds):
            request = self._http.build_request(
                "POST",
                await self._address(),
                content=body,
                headers=self._headers(event_id, body),
                extensions={"sni_hostname": self._host},
            )
            response = await self._http.send(request, stream=True)
        try:
            with suppress(TimeoutError, httpx.HTTPError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    await _drop(response)
            return response.status_code
        finally:
            await response.aclose()

    async def _address(self) -> httpx.URL:
        """The endpoint's URL with an address in the place of its name; the certificate is still that of the name."""
        allowed = self._endpoint.allow_private or self._endpoint.is_loopback
        address = await judged(self._host, self._port, self._resolve, allow_private=allowed)
        return httpx.URL(self._endpoint.url).copy_with(host=address)

    def _headers(self, event_id: str, body: bytes) -> dict[str, str]:
        return {
            "Host": self._endpoint.parts.netloc,
            "Content-Type": "application/json",
            "User-Agent": f"hereabouts/{__version__}",
            "Accept-Encoding": "identity",
            **sign(self._endpoint.keys, event_id, int(self._wall()), body),
        }


async def _drop(response: httpx.Response) -> None:
    """Read an answer, so that its connection can be used again, unless it is long."""
    read = 0
    # Raw, so that nothing is unpacked.
    async for chunk in response.aiter_raw():
        read += len(chunk)
        if read > ANSWER_BYTES:
            return
