"""The client in a real browser: who sees whom, and how somebody who is gone is gone."""

from __future__ import annotations

import time

import pytest
from playwright.async_api import Error

from .tabs import Tab, Tabs

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRACE_SECONDS = 2.0
CLOSED_SECONDS = 2.8 + 1.0  # the ghost bound of a closed tab, and what a browser takes to render it


async def test_two_tabs_two_people(tabs: Tabs) -> None:
    ada, bob = await tabs.open("ada", room="two"), await tabs.open("bob", room="two")
    await ada.sees("bob")
    await bob.sees("ada")
    await ada.do("here.room.update({ page: 2 })")
    await bob.page.wait_for_selector("li[data-user=ada]:has-text('\"page\":2')")
    await ada.page.fill("#message", "h")
    await bob.page.wait_for_selector("#typing:text-is('ada')")
    await bob.page.wait_for_selector("#typing:empty", state="attached")
    await ada.do("here.client.setStatus('dnd')")
    await bob.sees("ada", "dnd")
    await ada.do("here.client.setStatus('available')")
    await bob.sees("ada", "online")
    await ada.do("here.client.close()")
    await bob.misses("ada")
    assert await bob.happened() in (["ada left"], ["ada joined", "ada left"])


async def test_three_tabs_of_one_are_one_member(tabs: Tabs) -> None:
    bob, profile = await tabs.open("bob", room="three"), await tabs.profile()
    first, second, third = [await tabs.open("ada", profile=profile, room="three") for _ in range(3)]
    await bob.sees("ada")
    await bob.until("here.room.getSnapshot().others[0].sessions === 3")
    assert len({tab.heard[0]["session_id"] for tab in (first, second, third)}) == 3
    await first.page.close()
    await second.page.close()
    await bob.until("here.room.getSnapshot().others[0].sessions === 1")
    assert await bob.happened() == ["ada joined"]
    await third.page.close()
    await bob.misses("ada")
    assert await bob.happened() == ["ada joined", "ada left"]


async def crash(tab: Tab) -> float:
    """Kill the process of the tab. Gives when."""
    killed = time.monotonic()
    try:
        await tab.page.goto("chrome://crash", timeout=1000)
    except Error:
        pass  # a page whose process died answers nothing
    return killed


async def test_a_killed_renderer_is_gone_within_the_bound(tabs: Tabs) -> None:
    bob, ada = await tabs.open("bob", room="crash"), await tabs.open("ada", room="crash")
    await bob.sees("ada")
    killed = await crash(ada)
    await bob.misses("ada")
    assert GRACE_SECONDS - 0.1 <= time.monotonic() - killed <= CLOSED_SECONDS
    assert [event["cause"] for event in bob.events("leave", "ada")] == ["closed"]


async def test_a_closed_page_hands_in_its_leave_token(tabs: Tabs) -> None:
    bob, ada = await tabs.open("bob", room="beacon"), await tabs.open("ada", room="beacon")
    await bob.sees("ada")
    left = time.monotonic()
    await ada.page.goto("about:blank")
    await bob.misses("ada")
    assert GRACE_SECONDS - 0.1 <= time.monotonic() - left <= CLOSED_SECONDS
    assert [event["cause"] for event in bob.events("leave", "ada")] == ["beacon"]


NO_BEACON = "() => { navigator.sendBeacon = () => false; }"
NO_FETCH = "() => { globalThis.fetch = () => Promise.reject(new Error('blocked')); }"


async def test_without_a_beacon_a_request_hands_it_in(tabs: Tabs) -> None:
    bob, ada = await tabs.open("bob", room="fetch"), await tabs.open("ada", room="fetch")
    await bob.sees("ada")
    await ada.do(NO_BEACON)
    await ada.page.goto("about:blank")
    await bob.misses("ada")
    assert [event["cause"] for event in bob.events("leave", "ada")] == ["beacon"]


async def test_with_both_blocked_it_takes_no_longer_than_the_bound(tabs: Tabs) -> None:
    bob, ada = await tabs.open("bob", room="blocked"), await tabs.open("ada", room="blocked")
    await bob.sees("ada")
    await ada.do(NO_BEACON)
    await ada.do(NO_FETCH)
    left = time.monotonic()
    await ada.page.goto("about:blank")
    await bob.misses("ada")
    assert time.monotonic() - left <= CLOSED_SECONDS
    assert [event["cause"] for event in bob.events("leave", "ada")] == ["closed"]


async def test_a_reload_is_neither_a_leave_nor_a_join(tabs: Tabs) -> None:
    bob, ada = await tabs.open("bob", room="reload"), await tabs.open("ada", room="reload")
    await bob.sees("ada")
    for _ in range(3):
        await ada.page.reload()
        await ada.sees("bob")
    await bob.pause(GRACE_SECONDS + 1)
    assert await bob.happened() == ["ada joined"]
    assert [hello.get("resume") is not None for hello in ada.said("hello")] == [False, True, True, True]
    assert len({frame["session_id"] for frame in ada.heard if frame["type"] == "welcome"}) == 1


async def test_a_duplicated_tab_is_a_session_of_its_own(tabs: Tabs) -> None:
    ada = await tabs.open("ada", room="twice")
    async with ada.page.context.expect_page() as opened:
        await ada.do("open(location.href)")  # an opened page gets a copy of sessionStorage, as a duplicated tab does
    await (await opened.value).wait_for_selector("#connection[data-state=connected]", state="attached")
    await ada.until("here.room.getSnapshot().self.sessions === 2")
    assert await ada.do("Object.keys(sessionStorage)") == []


async def test_the_pages_broke_no_rule_of_their_security_policy(tabs: Tabs) -> None:
    assert tabs.site.violations == []
