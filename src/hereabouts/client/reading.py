"""The events of one reader, in order, bounded: who falls behind is told to look at everything anew."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Generic, TypeVar

from hereabouts.client.events import Event, Synced

MOST_EVENTS: Final = 1_000

E = TypeVar("E", bound=Event)


class Reading(Generic[E]):
    """An asynchronous iterator over what happens from now on. It ends with the room or watch that it reads.

    Dropping it is enough to stop reading.
    """

    def __init__(self, overflow: E | Synced, most: int = MOST_EVENTS) -> None:
        self._overflow = overflow
        self._most = most
        self._events: deque[E | Synced] = deque()
        self._arrived = asyncio.Event()
        self._is_over = False
        self._error: BaseException | None = None

    def put(self, event: E) -> None:
        """Something happened. When too much is unread, all of it becomes one `Synced`."""
        if self._is_over:
            return
        if len(self._events) >= self._most:
            self._events.clear()
            self._events.append(self._overflow)
        else:
            self._events.append(event)
        self._arrived.set()

    def end(self, error: BaseException | None = None) -> None:
        """There will be no more; what is unread can still be read, and then the error is raised, if there is one."""
        if not self._is_over:
            self._is_over, self._error = True, error
            self._arrived.set()

    def __aiter__(self) -> Reading[E]:
        return self

    async def __anext__(self) -> E | Synced:
        while not self._events:
            if self._error is not None:
                raise self._error
            if self._is_over:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()
