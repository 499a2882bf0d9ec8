"""The demo page that is made with the package: what somebody sees who starts the server for the first time."""

from __future__ import annotations

import time
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from .axe import serious_faults
from .conftest import DevServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRACE_SECONDS = 2.0
CLOSED_SECONDS = 2.8 + 1.0  # the bound that the page shows, and what a browser takes to render it
SILENT_SECONDS = 5.8 + 1.0


class Visitor:
    """Opens the page as somebody, and keeps what the browser complains of."""

    def __init__(self, browser: Browser, server: DevServer) -> None:
        self._browser = browser
        self._server = server
        self.contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    async def open(self, user: str, room: str, **how: Any) -> Page:
        context = await self._browser.new_context(**how)
        self.contexts.append(context)
        page = await context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(f"{self._server.url}/?user={user}&room={room}")
        await sees(page, user)
        return page


async def sees(page: Page, user: str, within_seconds: float = 15) -> None:
    await page.wait_for_selector(f"#people li[data-user='{user}']", timeout=within_seconds * 1000)


async def misses(page: Page, user: str, within_seconds: float = 15) -> None:
    found = f"#people li[data-user='{user}']"
    await page.wait_for_selector(found, state="detached", timeout=within_seconds * 1000)


@pytest.fixture
def visitor(shared_browser: Browser, shared_server: DevServer) -> Visitor:
    return Visitor(shared_browser, shared_server)


async def leave(visitor: Visitor) -> None:
    for context in visitor.contexts:
        await context.close()
    assert visitor.complaints == []


async def test_two_people_see_each_other_s_status_pointer_and_typing(visitor: Visitor) -> None:
    ada, bob = await visitor.open("ada", "demo"), await visitor.open("bob", "demo")
    await sees(ada, "bob")
    await ada.wait_for_selector("presence-count:has-text('2 here')")
    assert await ada.locator("presence-avatars li").count() == 2
    await bob.hover("#board", position={"x": 100, "y": 50})
    await ada.wait_for_selector(".pointer:text-is('bob')")
    await bob.fill("#message", "h")
    await ada.wait_for_selector("presence-typing:has-text('bob is typing…')")
    await bob.fill("#text", "lunch")
    await bob.select_option("#status", "dnd")
    await ada.wait_for_selector("li[data-user=bob][data-status=dnd]:has-text('“lunch”')")
    await bob.select_option("#status", "available")
    await ada.wait_for_selector("li[data-user=bob][data-status=online]")
    await bob.click("#leave")
    await misses(ada, "bob")
    await bob.click("#leave")
    await sees(ada, "bob")
    await leave(visitor)


async def test_admins_and_agents_see_the_same_account_differently(visitor: Visitor) -> None:
    cat = await visitor.open("cat", "accounts")
    await cat.click("tr[data-account=north] button")
    await cat.wait_for_selector("tr[data-account=north] .as-admin:has-text('Occupied by cat since')")
    await cat.wait_for_selector("tr[data-account=north] .as-agent:has-text('Occupied'):not(:has-text('cat'))")
    await cat.click("tr[data-account=south] button")
    await cat.wait_for_selector("tr[data-account=south] .as-agent:has-text('Occupied')")
    await cat.wait_for_selector("tr[data-account=north] .as-admin:has-text('Free')")
    dan = await visitor.open("dan", "accounts")
    await dan.click("tr[data-account=south] button")
    await dan.wait_for_selector("tr[data-account=south] .told:text-is('taken')")
    await cat.click("tr[data-account=south] button")
    await dan.wait_for_selector("tr[data-account=south] .as-admin:has-text('Free')")
    await leave(visitor)


async def test_a_parent_sees_the_children_come_and_go(visitor: Visitor) -> None:
    mum = await visitor.open("mum", "home")
    await mum.wait_for_selector("li[data-child=mia] presence-dot:has-text('offline')")
    await mum.click("li[data-child=mia] button")
    await mum.wait_for_selector("li[data-child=mia] presence-dot:has-text('online')")
    leo = await visitor.open("leo", "school")
    await mum.wait_for_selector("li[data-child=leo] presence-dot:has-text('online')")
    await leo.click("#sign-out")
    await mum.wait_for_selector("li[data-child=leo] presence-dot:has-text('offline')")
    await leo.wait_for_selector("#banner:has-text('Signed out')")
    await leave(visitor)


async def test_the_crash_button_is_a_crash_and_the_page_says_how_long_it_takes(visitor: Visitor) -> None:
    ada, bob = await visitor.open("ada", "crash"), await visitor.open("bob", "crash")
    await sees(bob, "ada")
    assert float(await bob.inner_text("#closed")) <= CLOSED_SECONDS
    started = time.monotonic()
    await ada.click("#crash")
    await misses(bob, "ada")
    assert GRACE_SECONDS - 0.1 <= time.monotonic() - started <= CLOSED_SECONDS
    await leave(visitor)


async def test_the_offline_button_is_a_cut_and_a_banner_tells_of_it(visitor: Visitor) -> None:
    ada, bob = await visitor.open("ada", "cut"), await visitor.open("bob", "cut")
    await sees(bob, "ada")
    assert float(await bob.inner_text("#silent")) <= SILENT_SECONDS
    started = time.monotonic()
    await ada.click("#cut")
    await misses(bob, "ada")
    assert time.monotonic() - started <= SILENT_SECONDS
    await ada.wait_for_selector("#banner:has-text('No connection')", timeout=15_000)
    await ada.click("#cut")
    await sees(bob, "ada")
    await ada.wait_for_selector("#banner", state="hidden")
    await leave(visitor)


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
async def test_axe_finds_nothing_serious_and_nothing_is_cut_off(visitor: Visitor, look: str) -> None:
    size = {"width": 390, "height": 844} if look == "phone" else {"width": 1100, "height": 900}
    ada = await visitor.open("ada", look, color_scheme="dark" if look == "dark" else "light", viewport=size)
    bob = await visitor.open("bob", look)
    await bob.hover("#board", position={"x": 100, "y": 50})
    await ada.wait_for_selector(".pointer")
    await ada.wait_for_selector("presence-avatars li:nth-child(2)")
    await ada.click("tr[data-account=harbour] button")
    await ada.wait_for_selector("tr[data-account=harbour] .as-admin:has-text('ada')")
    assert await serious_faults(ada) == []
    assert await ada.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await ada.click("tr[data-account=harbour] button")
    await leave(visitor)
