"""Asynchronous objects for programs without an event loop: one thread with a loop, and stand-ins that block.

A stand-in names what it passes on, once each: `update = call(AsyncRoom.update)`. Names, parameters, answers and
exceptions are those of the asynchronous object.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from hereabouts.client.refusals import Closed

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")


class LoopThread:
    """A thread that runs an event loop from its first use until `stop`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._is_stopped = False

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run in the loop and wait for the outcome. Raises `Closed` after `stop`."""
        try:
            loop = self._started()
        except BaseException:
            coroutine.close()
            raise
        waiting = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return waiting.result()
        except BaseException:
            waiting.cancel()  # Ctrl-C, for one: nobody waits any more.
            raise

    def stop(self) -> None:
        """End the loop, what still runs in it, and the thread."""
        with self._lock:
            self._is_stopped = True
            thread, self._thread = self._thread, None
        if thread is not None and self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            thread.join()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._is_stopped:
                raise Closed("this client is closed")
            if self._thread is None:
                ready = threading.Event()
                self._thread = threading.Thread(
                    target=lambda: asyncio.run(self._live(ready)), name="hereabouts", daemon=True
                )
                self._thread.start()
                ready.wait()
            assert self._loop is not None
            return self._loop

    async def _live(self, ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        ready.set()
        await self._stopping.wait()


class StandIn(Generic[A]):
    """Stands for `target`, which lives in the thread's loop."""

    def __init__(self, thread: LoopThread, target: A) -> None:
        self._thread = thread
        self._target = target


class Entered(StandIn[A]):
    """A stand-in for something with `async with`: it has `with`."""

    def __enter__(self) -> Self:
        self._thread.run(self._target.__aenter__())  # type: ignore[attr-defined]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.run(self._target.__aexit__(kind, error, trace))  # type: ignore[attr-defined]


class Owner(Entered[A]):
    """A stand-in that owns its thread, and ends it on exit."""

    def __init__(self, target: A) -> None:
        super().__init__(LoopThread(), target)

    def __enter__(self) -> Self:
        try:
            return super().__enter__()
        except BaseException:
            self._thread.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self._thread.stop()


def call(method: Callable[Concatenate[Any, P], Awaitable[R]]) -> Callable[Concatenate[Any, P], R]:
    """The blocking form of an `async def` of the target."""

    @wraps(method)
    def blocking(self: StandIn[Any], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._thread.run(_awaited(lambda: method(self._target, *args, **kwargs)))

    return blocking


def do(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """An ordinary method of the target, run in its thread."""

    @wraps(method)
    def blocking(self: StandIn[Any], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._thread.run(_done(lambda: method(self._target, *args, **kwargs)))

    return blocking


class Value(Generic[R]):
    """A property of the target, read in its thread."""

    def __init__(self, read: Callable[[Any], R]) -> None:
        self._read = read
        self.__doc__ = read.__doc__

    def __get__(self, instance: StandIn[Any], owner: type) -> R:
        read: Callable[[Any], R] = getattr(self._read, "fget", self._read)
        return instance._thread.run(_done(lambda: read(instance._target)))


async def _awaited(start: Callable[[], Awaitable[R]]) -> R:
    return await start()


async def _done(start: Callable[[], R]) -> R:
    return start()
