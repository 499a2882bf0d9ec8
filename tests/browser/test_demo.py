"""The demo page by hand, in a real browser: what somebody sees who tries the protocol for the first time."""

from __future__ import annotations

import time

from playwright.async_api import Browser, Error, Page

from .conftest import LASTING_SECONDS, DevServer

GRACE_SECONDS = 2.0
CLOSED_SECONDS = 2.8 + 0.5  # the bound that the page shows, and what a browser takes to render it


async def tab(browser: Browser, server: DevServer, user: str, more: str = "") -> Page:
    page = await (await browser.new_context()).new_page()
    await page.goto(f"{server.url}/plain?user={user}&room=lobby{more}")
    await page.wait_for_selector(f'li[data-user="{user}"][data-here=true]')
    return page


async def sees(page: Page, user: str, status: str, within_seconds: float = 15) -> None:
    await page.wait_for_selector(f'li[data-user="{user}"][data-status={status}]', timeout=within_seconds * 1000)


def deltas(page: Page) -> list[str]:
    """From now on, every delta frame that the page gets."""
    found: list[str] = []

    def note(payload: str | bytes) -> None:
        text = payload if isinstance(payload, str) else payload.decode()
        if '"event":"leave"' in text or '"event":"join"' in text:
            found.append(text)

    page.on("websocket", lambda socket: socket.on("framereceived", note))
    return found


async def test_two_people_see_status_typing_and_last_seen(browser: Browser, server: DevServer) -> None:
    ada, bob = await tab(browser, server, "ada"), await tab(browser, server, "bob")
    await sees(bob, "ada", "online")
    await ada.fill("#message", "h")
    await bob.wait_for_selector("#typing:has-text('ada is typing')")
    await bob.wait_for_selector("#typing:empty", timeout=15_000)
    await ada.fill("#text", "lunch")
    await ada.select_option("#status", "dnd")
    await bob.wait_for_selector("li[data-user=ada]:has-text('do not disturb · “lunch”')")
    await ada.select_option("#status", "invisible")
    await sees(bob, "ada", "offline")
    await ada.select_option("#status", "available")
    await ada.mouse.move(9, 9)  # nothing above was done by hand: on a slow machine she is idle by now
    await sees(bob, "ada", "online")
    await sees(bob, "ada", "idle", within_seconds=9)
    await ada.click("#bye")
    await bob.wait_for_selector("li[data-user=ada][data-status=offline]:has-text('last seen')")


async def test_a_third_tab_of_the_same_person_changes_nothing(browser: Browser, server: DevServer) -> None:
    bob = await (await browser.new_context()).new_page()
    heard = deltas(bob)
    await bob.goto(f"{server.url}/plain?user=bob&room=lobby")
    first = await tab(browser, server, "ada")
    await sees(bob, "ada", "online")
    await tab(browser, server, "ada")
    await bob.wait_for_selector("li[data-user=ada]:has-text('2 tabs')")
    await first.context.close()
    await bob.wait_for_selector("li[data-user=ada]:not(:has-text('2 tabs'))")
    assert len(heard) == 1, "\n".join(heard)


async def test_a_killed_tab_is_offline_within_the_bound_that_the_page_shows(
    browser: Browser, server: DevServer
) -> None:
    ada, bob = await tab(browser, server, "ada"), await tab(browser, server, "bob")
    await sees(bob, "ada", "online")
    assert float(await bob.inner_text("#closed")) <= CLOSED_SECONDS
    killed = time.monotonic()
    try:
        await ada.goto("chrome://crash", timeout=1000)
    except Error:
        pass  # a page whose process died answers nothing
    await sees(bob, "ada", "offline", within_seconds=CLOSED_SECONDS + 2)
    assert GRACE_SECONDS - 0.1 <= time.monotonic() - killed <= CLOSED_SECONDS


async def test_a_reload_is_neither_a_leave_nor_a_join(browser: Browser, server: DevServer) -> None:
    bob = await (await browser.new_context()).new_page()
    heard = deltas(bob)
    await bob.goto(f"{server.url}/plain?user=bob&room=lobby")
    ada = await tab(browser, server, "ada")
    await sees(bob, "ada", "online")
    for _ in range(5):
        await ada.reload()
        await ada.wait_for_selector("li[data-user=ada][data-here=true]")
    await bob.wait_for_timeout((GRACE_SECONDS + 1) * 1000)  # the window over which nothing may be heard
    assert len(heard) == 1, "\n".join(heard)


async def test_a_restart_of_the_server_flickers_nothing(browser: Browser, lasting_server: DevServer) -> None:
    bob = await (await browser.new_context()).new_page()
    heard = deltas(bob)
    await bob.goto(f"{lasting_server.url}/plain?user=bob&room=lobby")
    await tab(browser, lasting_server, "ada")
    await sees(bob, "ada", "online")
    assert lasting_server.stop() == 0
    lasting_server.start()
    await bob.wait_for_selector("#connection:text-is('connected')", timeout=30_000)
    await bob.wait_for_timeout(
        (LASTING_SECONDS + GRACE_SECONDS + 1) * 1000
    )  # longer than lease and grace: nobody may be lost
    await bob.wait_for_selector('li[data-user="ada"][data-here=true]')
    assert len(heard) == 1, "\n".join(heard)


async def test_names_and_rooms_are_text(browser: Browser, server: DevServer) -> None:
    name = "%3Cimg/src=x/onerror=document.title=1%3E"
    page = await (await browser.new_context()).new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.goto(f"{server.url}/plain?user={name}&room=lobby")
    await page.wait_for_selector("li[data-here=true]")
    assert await page.title() == "Hereabouts"
    assert await page.locator("img").count() == 0
    assert "<img/src=x" in await page.inner_text("#people")
    assert problems == []
