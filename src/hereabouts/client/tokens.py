"""Where the token comes from, and when it runs out."""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

TokenSource: TypeAlias = str | Callable[[], str | Awaitable[str]]

EARLY_SECONDS: Final = 30.0
"""A token is replaced so long before it runs out, or in the last fifth of its remaining life if that is shorter."""


class Tokens:
    """Gives the token to say hello with. A callable is asked again for each new token, a string stays what it is."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._token = source if isinstance(source, str) else None

    @property
    def can_renew(self) -> bool:
        """Whether there is a way to another token."""
        return not isinstance(self._source, str)

    async def current(self) -> str:
        """The token in use; the first call gets it."""
        return self._token if self._token is not None else await self.renew()

    def spoil(self) -> None:
        """The token in use is no good any more: the next time it is needed, there shall be a new one."""
        if not isinstance(self._source, str):
            self._token = None

    async def renew(self) -> str:
        """A new token, where there can be one."""
        if not isinstance(self._source, str):
            got = self._source()
            self._token = await got if inspect.isawaitable(got) else got
        assert self._token is not None
        return self._token


def expires_at(token: str) -> int | None:
    """When a JWT says that it runs out, in milliseconds of server time; `None` for a token that does not say.

    The signature is the server's to check.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return int(claims["exp"] * 1000)
    except (ValueError, KeyError, TypeError):
        return None


def renew_in_seconds(token: str, server_now_at: float) -> float | None:
    """How long a token may stay before it is to be replaced; `None` for ever."""
    at = expires_at(token)
    if at is None:
        return None
    left_seconds = (at - server_now_at) / 1000
    return max(left_seconds - min(EARLY_SECONDS, left_seconds / 5), 0.0)
