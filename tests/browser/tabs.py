"""Tabs of a browser, with every frame that goes over their WebSockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

from playwright.async_api import Browser, BrowserContext, CDPSession, Page, WebSocket

from .site import Site

POSITIVE_SECONDS = 15.0


class Tab:
    """One page of the site as one user. `sent` and `heard` are the frames over all its sockets, in order."""

    def __init__(self, page: Page, site: Site, server: str) -> None:
        self.page = page
        self.sent: list[dict[str, Any]] = []
        self.heard: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self._site = site
        self._server = server
        page.on("websocket", self._follow)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _follow(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: self.sent.append(json.loads(frame)))
        socket.on("framereceived", lambda frame: self.heard.append(json.loads(frame)))

    async def open(self, name: str = "plain", **about: str) -> Tab:
        """Open the page and wait until it is connected."""
        query = urlencode({"server": self._server, **about})
        await self.page.goto(f"{self._site.url}/{name}.html?{query}")
        await self.until("globalThis.here?.client.connection.getSnapshot().state === 'connected'")
        return self

    async def do(self, expression: str, argument: Any = None) -> Any:
        """Evaluate JavaScript in the page."""
        return await self.page.evaluate(expression, argument)

    async def until(self, expression: str, within_seconds: float = POSITIVE_SECONDS) -> None:
        """Wait until this is so in the page. It is asked again and again: `wait_for_function` needs `eval` there."""
        async with asyncio.timeout(within_seconds):
            while not await self.page.evaluate(expression):
                await self.pause(0.02)

    async def sees(self, user: str, status: str | None = None, within_seconds: float = POSITIVE_SECONDS) -> None:
        """Wait until the room's list shows this user, in this status if one is named."""
        found = f"#people li[data-user='{user}']" + (f"[data-status={status}]" if status else "")
        await self.page.wait_for_selector(found, timeout=within_seconds * 1000)

    async def misses(self, user: str, within_seconds: float = POSITIVE_SECONDS) -> None:
        """Wait until the list no longer shows this user."""
        found = f"#people li[data-user='{user}']"
        await self.page.wait_for_selector(found, state="detached", timeout=within_seconds * 1000)

    async def is_connected(self, within_seconds: float = POSITIVE_SECONDS) -> None:
        """Wait until the client has a connection."""
        await self.page.wait_for_selector(
            "#connection[data-state=connected]", state="attached", timeout=within_seconds * 1000
        )

    async def happened(self) -> list[str]:
        """Who joined and who left, in order, as the client told it."""
        return await self.page.locator("#heard li").all_inner_texts()

    async def pause(self, seconds: float) -> None:
        """Let real time pass: for windows in which nothing may happen."""
        await self.page.wait_for_timeout(seconds * 1000)

    def said(self, kind: str) -> list[dict[str, Any]]:
        """The frames of this type that were sent."""
        return [frame for frame in self.sent if frame["type"] == kind]

    def events(self, kind: str, user: str) -> list[dict[str, Any]]:
        """What deltas said of this user: `join` or `leave`."""
        found = [event for frame in self.heard if frame["type"] == "delta" for event in frame["events"]]
        return [event for event in found if event["event"] == kind and _whose(event) == user]

    async def process_id(self) -> int:
        """The process that runs this page: the one that has something to do when the page has."""
        browser = self.page.context.browser
        assert browser is not None
        devtools = await browser.new_browser_cdp_session()
        before = await _cpu_seconds(devtools)
        await self.do("() => { for (const end = performance.now() + 300; performance.now() < end; ); }")
        after = await _cpu_seconds(devtools)
        await devtools.detach()
        return max(after, key=lambda process: after[process] - before.get(process, 0.0))


async def _cpu_seconds(devtools: CDPSession) -> dict[int, float]:
    """What each renderer has used so far, by process id."""
    answer = await devtools.send("SystemInfo.getProcessInfo")
    return {each["id"]: each["cpuTime"] for each in answer["processInfo"] if each["type"] == "renderer"}


def _whose(event: dict[str, Any]) -> str:
    return str(event["member"]["user_id"] if "member" in event else event["user_id"])


class Tabs:
    """Makes tabs, each in a profile of its own unless told which."""

    def __init__(self, browser: Browser, site: Site, server: str) -> None:
        self.site = site
        self.server = server
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._tabs: list[Tab] = []

    async def profile(self) -> BrowserContext:
        """A profile: what tabs of it share is storage and channels."""
        context = await self._browser.new_context()
        self._contexts.append(context)
        return context

    async def blank(self, profile: BrowserContext | None = None) -> Tab:
        """A tab that shows nothing yet."""
        page = await (profile or await self.profile()).new_page()
        tab = Tab(page, self.site, self.server)
        self._tabs.append(tab)
        return tab

    async def open(self, user: str, name: str = "plain", profile: BrowserContext | None = None, **about: str) -> Tab:
        """A tab with a page as this user."""
        return await (await self.blank(profile)).open(name, user=user, **about)

    async def close(self) -> list[str]:
        """Close all, and tell what went wrong in them."""
        for context in self._contexts:
            await context.close()
        return [problem for tab in self._tabs for problem in tab.problems]
