"""Stays connected: says hello, beats, comes back, resumes, and asks again for what was lost with a session."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET

from hereabouts.client.events import User
from hereabouts.client.heart import Heart
from hereabouts.client.line import Line, Making
from hereabouts.client.place import Places
from hereabouts.client.recovery import Recovery
from hereabouts.client.refusals import Closed, Refused, SessionEnded, TokenRefused, ended
from hereabouts.client.returning import BackOff, verdict
from hereabouts.client.saying import refresh
from hereabouts.client.tokens import Tokens, renew_in_seconds
from hereabouts.client.world import Lost, World
from hereabouts.protocol.messages import (
    BeatAnswer,
    Bye,
    Count,
    Degraded,
    Delta,
    Hello,
    Left,
    Occupancy,
    Ok,
    PolicyChanged,
    PolicyInfo,
    Reconnect,
    Restored,
    ServerMessage,
    Snapshot,
    TypingNow,
    Users,
    Welcome,
)
from hereabouts.version import __version__

State = Literal["connecting", "connected", "reconnecting", "closed"]

WELCOME_SECONDS: Final = 10.0
BYE_SECONDS: Final = 2.0
REFRESH_AT_MOST_EVERY_SECONDS: Final = 1.0

_user: Final = msgspec.json.Decoder(User)


class Connection:
    """The session's connection, over as many sockets as it takes. `places` holds what is looked at."""

    def __init__(
        self, url: str, tokens: Tokens, *, platform: str | None, visible: bool, active: bool, world: World
    ) -> None:
        self.state: State = "connecting"
        self.tokens = tokens
        self.places = Places(self._sync, self._watch_kind)
        self.visible = visible
        self.welcome: Welcome | None = None
        self.policy: PolicyInfo | None = None
        self.is_degraded = False
        self.offset_seconds = 0.0
        self._url = url
        self._platform = platform
        self._active = active
        self._input_at = -math.inf
        self._world = world
        self._back_off = BackOff(world.random)
        self._recovery = Recovery(self.places, world)
        self._after_seconds = 0.0
        self._is_closing = False
        self._line: Line | None = None
        self._heart: Heart | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._last_loss: Lost | None = None

    # Opening and closing

    async def open(self, within_seconds: float) -> None:
        """Connect and stay connected. Raises `SessionEnded`, or `TimeoutError` saying why there is no connection."""
        if self._active:
            self._input_at = self._world.the_clock().time()
        self._task = asyncio.create_task(self._run())
        try:
            async with self._world.within(within_seconds, "a connection"):
                await self._connected()
        except TimeoutError as error:
            await self.close()
            if self._last_loss is not None:
                raise TimeoutError(f"{error}: {self._last_loss}") from None
            raise
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the session with `bye`, and the connection."""
        task, self._task = self._task, None
        if task is None:
            return
        self._is_closing = True
        if self._line is not None and not task.done():
            self._line.say(Bye())
            with suppress(TimeoutError):
                async with self._world.within(BYE_SECONDS, "the end"):
                    await asyncio.wait([task])
        task.cancel()
        await asyncio.wait([task])
        self._finish(None)

    def _finish(self, error: BaseException | None) -> None:
        if self.state == "closed":
            return
        self.state, self._error = "closed", error
        self._changed.set()
        self.places.end(error)

    # Asking

    async def request(self, making: Making, within_seconds: float, what: str) -> Ok:
        """Ask the server, over a new connection if the one in use is lost before it answers: every request may be
        repeated. Raises `Refused`, `TimeoutError`, and `SessionEnded` or `Closed` when there is no session any more.
        """
        async with self._world.within(within_seconds, f"the answer to {what}"):
            while True:
                line = await self._connected()
                try:
                    return await line.ask(making)
                except Lost:
                    if self._line is line:
                        self._line = None

    async def tell(self, making: Making, within_seconds: float, what: str) -> None:
        """Ask if there is a connection, and do not mind if no answer comes: what ends is not asked for again."""
        if self._line is not None:
            with suppress(Lost, TimeoutError):
                async with self._world.within(within_seconds, f"the answer to {what}"):
                    await self._line.ask(making)

    async def soon(self, coming: Awaitable[None], within_seconds: float, what: str) -> None:
        """Wait for something that the server will say. Raises `TimeoutError`."""
        async with self._world.within(within_seconds, what):
            await coming

    def say(self, message: Any) -> bool:
        """Send if there is a connection; whether there was."""
        if self._line is None:
            return False
        self._line.say(message)
        return True

    async def _connected(self) -> Line:
        while self._line is None:
            if self.state == "closed" or self._task is None:
                raise self._error or Closed("this client is not open: use it inside `with`")
            self._changed.clear()
            await self._changed.wait()
        return self._line

    # What a person does

    def set_visible(self, visible: bool) -> None:
        """Tell whether somebody can see the application."""
        if visible != self.visible:
            self.visible = visible
            if self._heart is not None:
                self._heart.visible = visible
                self._heart.beat()

    def note_input(self) -> None:
        """Tell of human input."""
        self._input_at = self._world.the_clock().time()
        if self._heart is not None:
            self._heart.note_input()
        else:
            self._active = True

    # Staying connected

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._attend()
                except Lost as lost:
                    if self._is_closing:
                        return
                    self._last_loss = lost
                    self._judge(lost)
                await self._world.wait(self._after_seconds + self._back_off.next_seconds())
        except SessionEnded as error:
            self._finish(None if self._is_closing else error)
        except Exception as error:
            # A fault of ours: whoever uses this client is told, instead of waiting for ever.
            self._finish(error)

    def _judge(self, lost: Lost) -> None:
        asks_for = verdict(lost.code)
        if asks_for == "stop" and lost.code is not None:
            raise ended(lost.code, lost.reason)
        if asks_for == "new_token":
            if self.tokens.can_renew:
                self.tokens.spoil()
            elif lost.code == 4100:
                raise TokenRefused(4100, lost.reason)
        self._after_seconds = max(self._after_seconds, lost.retry_after_seconds)

    async def _attend(self) -> None:
        """One socket, from opening to its loss, which is always raised as `Lost`."""
        self._after_seconds = 0.0
        try:
            token = await self.tokens.current()
        except Exception as error:
            raise Lost(None, f"the callable for the token failed: {error!r}") from error
        line = Line(await self._world.connect(self._url))
        clock = self._world.the_clock()
        began = clock.time()
        try:
            self._begin(line, await self._greet(line, token))
            began = clock.time()
            await line.listen(self._heard)
        finally:
            self._line = None
            line.drop()
            if self._heart is not None:
                self._heart.stop()
                self._active = self._heart.has_untold_input
                self._heart = None
                self.state = "reconnecting"
                self._back_off.lost(clock.time() - began)
            self._stop_refreshing()
            self.places.lose()

    async def _greet(self, line: Line, token: str) -> Welcome:
        hello = Hello(
            token=token,
            resume=self.welcome.resume if self.welcome is not None else None,
            seen=self.places.seen,
            visible=self.visible,
            active=self._active,
            platform=self._platform,
            client=f"hereabouts-python/{__version__}",
        )
        try:
            async with self._world.within(WELCOME_SECONDS, "the welcome"):
                return await line.greet(hello)
        except TimeoutError as error:
            raise Lost(None, str(error)) from None

    def _begin(self, line: Line, welcome: Welcome) -> None:
        self.welcome, self.policy = welcome, welcome.policy
        self.is_degraded = False
        self._note_time(welcome.server_time_at)
        self._heart = Heart(self._world.the_clock(), welcome.policy, line.say, line.drop)
        self._heart.begin(self.visible, self._active)
        if not welcome.resumed and not self._active and self._was_just_active(welcome.policy):
            self._heart.note_input()
        self._recovery.restore(line, welcome)
        self._line, self.state = line, "connected"
        self._changed.set()
        self._refreshing = asyncio.create_task(self._keep_token_fresh(line))

    def _was_just_active(self, policy: PolicyInfo) -> bool:
        """Whether somebody was at work a moment ago, which a server that knows nothing of the session cannot know."""
        idle_after_seconds = math.inf if policy.idle_after_seconds is None else policy.idle_after_seconds
        return self._world.the_clock().time() - self._input_at < idle_after_seconds

    # Tokens

    async def _keep_token_fresh(self, line: Line) -> None:
        while self.tokens.can_renew:
            seconds = renew_in_seconds(await self.tokens.current(), self.server_now_at())
            if seconds is None:
                return
            await self._world.wait(max(seconds, REFRESH_AT_MOST_EVERY_SECONDS))
            try:
                token = await self.tokens.renew()
                answer = await line.ask(partial(refresh, token))
            except Exception:
                # The server closes with 4100 when the old one runs out, and the next hello brings a new one.
                return
            if answer.rooms is not UNSET:
                self._recovery.keep(answer.rooms)

    def _stop_refreshing(self) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()
            self._refreshing = None

    # What the server says

    def _heard(self, message: ServerMessage) -> None:
        if self._heart is not None:
            self._heart.heard()
        match message:
            case Snapshot() | Delta() | Count() | TypingNow():
                self.places.take(message)
            case Users():
                self.places.take_cards([_user.decode(user) for user in message.users])
            case Occupancy():
                self.places.take_kind(message)
            case BeatAnswer():
                self._note_time(message.server_time_at)
            case PolicyChanged():
                self._change_policy(message.policy)
            case Degraded() | Restored():
                self.is_degraded = isinstance(message, Degraded)
            case Left():
                self.places.refused([message.room], Refused("forbidden", f"taken out of the room: {message.reason}"))
            case Reconnect():
                self._after_seconds = message.after_seconds

    def _change_policy(self, policy: PolicyInfo) -> None:
        self.policy = policy
        if self._heart is not None:
            self._heart.change(policy)

    def _sync(self, room: str) -> None:
        if self._line is not None:
            self._recovery.sync(self._line, room)

    def _watch_kind(self, kind: str) -> None:
        if self._line is not None:
            self._recovery.watch_kinds(self._line, [kind])

    def server_now_at(self) -> int:
        """The server's time as this client knows it."""
        return round((self._world.wall() + self.offset_seconds) * 1000)

    def _note_time(self, server_time_at: int) -> None:
        self.offset_seconds = server_time_at / 1000 - self._world.wall()
