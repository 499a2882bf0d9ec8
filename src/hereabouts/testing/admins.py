"""An admin's calls over HTTP to a server in this process, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from hereabouts.testing.arena import Arena


class Admin:
    """Makes calls with one credential. A call that is refused fails, but for those that `refused` makes."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def get(self, path: str, **params: Any) -> Any:
        """What a read gives."""
        return _good(await self.http.get(path, params=params))

    async def post(self, path: str, **body: Any) -> Any:
        """What an act gives."""
        return _good(await self.http.post(path, json=body))

    async def delete(self, path: str, **params: Any) -> Any:
        """What taking away gives."""
        return _good(await self.http.delete(path, params=params))

    async def put(self, path: str, **body: Any) -> Any:
        """What setting gives."""
        return _good(await self.http.put(path, json=body))

    async def refused(self, method: str, path: str, **body: Any) -> Any:
        """The problem with which a call is refused."""
        answer = await self.http.request(method, path, json=body or None)
        assert answer.status_code >= 400, answer.text
        return answer.json()


@asynccontextmanager
async def admin(arena: Arena, credential: str = "dev:eve:admin") -> AsyncIterator[Admin]:
    """An admin of this server; eve, unless another credential is given."""
    headers = {"Authorization": f"Bearer {credential}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", headers=headers, timeout=5) as http:
        yield Admin(http)


def _good(answer: httpx.Response) -> Any:
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None
