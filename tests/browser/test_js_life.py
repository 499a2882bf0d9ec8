"""The client in a real browser: networks that go and come back, pages put away, tokens replaced, servers restarted."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from playwright.async_api import Browser

from hereabouts.testing.waiting import pause

from .conftest import LASTING_SECONDS, DevServer
from .site import site_of
from .tabs import Tab, Tabs

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRACE_SECONDS = 2.0
LEASE_VISIBLE_SECONDS = 3.0
SILENT_SECONDS = LEASE_VISIBLE_SECONDS + GRACE_SECONDS + 0.5 + 0.3 + 1.0  # sweep, window, and rendering
LEASE_HIDDEN_SECONDS = 8.0

# What a browser does to a tab behind others; headless ones show every tab.
HIDE = """(hidden) => {
  const get = () => (hidden ? 'hidden' : 'visible');
  Object.defineProperty(document, 'visibilityState', { get, configurable: true });
  document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
}"""


async def both(tabs: Tabs, room: str, token_seconds: str = "") -> tuple[Tab, Tab]:
    """Bob, who looks, and ada, of whom the test is."""
    bob, ada = await tabs.open("bob", room=room), await tabs.open("ada", room=room, token_seconds=token_seconds)
    await bob.sees("ada")
    await ada.sees("bob")
    return bob, ada


async def test_offline_for_a_moment_is_neither_a_leave_nor_a_join(tabs: Tabs) -> None:
    bob, ada = await both(tabs, "blink")
    await ada.page.context.set_offline(True)
    await ada.pause(1)
    await ada.page.context.set_offline(False)
    await ada.do("here.room.update({ page: 2 })")
    await bob.page.wait_for_selector("li[data-user=ada]:has-text('\"page\":2')")
    await bob.pause(GRACE_SECONDS + 1)
    assert await bob.happened() == ["ada joined"]


async def test_offline_for_long_and_back_is_one_leave_and_one_join(tabs: Tabs) -> None:
    bob, ada = await both(tabs, "offline")
    await ada.page.context.set_offline(True)
    await ada.do("here.room.update({ page: 3 })")
    await bob.misses("ada", SILENT_SECONDS + 3)
    await ada.page.wait_for_selector("#connection:not([data-state=connected])", state="attached")
    await ada.page.wait_for_selector("#connection[data-interrupted=true]", state="attached")
    assert await ada.do("here.room.getSnapshot().stale")
    await ada.page.context.set_offline(False)
    await bob.sees("ada")
    await bob.page.wait_for_selector("li[data-user=ada]:has-text('\"page\":3')")
    assert await bob.happened() == ["ada joined", "ada left", "ada joined"]
    await ada.until("!here.room.getSnapshot().stale")
    # WebSockets that could not open for want of a network are no reason to go over to HTTP.
    assert await ada.do("here.client.connection.getSnapshot().transport") == "websocket"


async def freeze(tab: Tab, seconds: float) -> None:
    """What a browser does to a tab that nobody has looked at for long: no timer, no event, and the socket stays open.

    The browser's protocol freezes hidden tabs only (`Page.setWebLifecycleState`), and a headless one has none, so the
    process of the tab is stopped.
    """
    process = await tab.process_id()
    os.kill(process, signal.SIGSTOP)
    try:
        await pause(seconds)
    finally:
        os.kill(process, signal.SIGCONT)


async def test_a_frozen_tab_within_its_lease_is_not_missed(tabs: Tabs) -> None:
    bob, ada = await both(tabs, "frozen")
    await freeze(ada, LEASE_VISIBLE_SECONDS - 1)
    await ada.is_connected()
    await bob.pause(GRACE_SECONDS + 1)
    assert await bob.happened() == ["ada joined"]


async def test_a_frozen_tab_beyond_its_lease_leaves_and_is_back_when_it_thaws(tabs: Tabs) -> None:
    bob, ada = await both(tabs, "ice")
    frozen = asyncio.create_task(freeze(ada, SILENT_SECONDS + 1))
    await bob.misses("ada", SILENT_SECONDS + 1)
    await frozen
    await bob.sees("ada")
    await ada.until("!here.room.getSnapshot().stale && here.room.getSnapshot().self")
    assert await bob.happened() == ["ada joined", "ada left", "ada joined"]


async def test_a_hidden_tab_outlives_the_visible_lease(tabs: Tabs) -> None:
    bob, ada = await both(tabs, "hidden")
    await ada.do(HIDE, True)
    await bob.sees("ada", "away")
    await bob.pause(LEASE_HIDDEN_SECONDS + GRACE_SECONDS)
    assert ada.said("beat")[-1]["visible"] is False
    await ada.do(HIDE, False)
    await ada.page.mouse.click(5, 5)
    await bob.sees("ada", "online")
    assert await bob.happened() == ["ada joined"]


async def test_a_page_in_the_back_forward_cache_comes_back_as_the_same_session(tabs: Tabs) -> None:
    bob, ada = await both(tabs, "bfcache")
    joined_at = await ada.do("here.room.getSnapshot().self.joined_at")
    await ada.page.goto(f"{tabs.site.url}/elements.html?server={tabs.server}&user=cat&room=elsewhere")
    await ada.page.go_back(wait_until="commit")
    await ada.page.wait_for_selector("body[data-persisted=true]")
    await ada.until("here.client.connection.getSnapshot().state === 'connected'")
    await ada.do("here.room.update({ page: 4 })")
    await bob.page.wait_for_selector("li[data-user=ada]:has-text('\"page\":4')")
    await bob.pause(GRACE_SECONDS + 1)
    assert await bob.happened() == ["ada joined"]
    assert await ada.do("here.room.getSnapshot().self.joined_at") == joined_at
    assert await bob.do("here.room.getSnapshot().others[0].sessions") == 1


async def test_a_page_that_stays_in_the_cache_has_left(tabs: Tabs) -> None:
    bob, ada = await both(tabs, "cached")
    await ada.page.goto(f"{tabs.site.url}/elements.html?server={tabs.server}&user=cat&room=elsewhere")
    await bob.misses("ada")
    await ada.page.go_back(wait_until="commit")
    await bob.sees("ada")
    assert await bob.happened() == ["ada joined", "ada left", "ada joined"]


async def test_tokens_are_replaced_every_two_seconds_and_nobody_notices(tabs: Tabs) -> None:
    bob, ada = await both(tabs, "tokens", token_seconds="3")
    before = tabs.site.tokens_signed
    await bob.pause(20)
    assert await bob.happened() == ["ada joined"]
    assert tabs.site.tokens_signed - before >= 7
    assert len(ada.said("hello")) == 1 and len(ada.said("refresh")) >= 7


async def test_another_user_gets_no_frame_of_the_one_before(tabs: Tabs) -> None:
    bob, ada = await both(tabs, "switch")
    before, heard = len(ada.sent), len(ada.heard)
    await ada.do("here.room.typing(); here.switchTo('cat')")
    await bob.misses("ada")
    await bob.sees("cat")
    await ada.until("here.room.getSnapshot().self?.user_id === 'cat'")
    sent = ada.sent[before:]
    hello = next(at for at, frame in enumerate(sent) if frame["type"] == "hello")
    assert [frame["type"] for frame in sent[:hello]] == ["typing", "bye"]
    assert sent[hello]["token"] == "dev:cat" and "resume" not in sent[hello]
    welcome = next(at for at, frame in enumerate(ada.heard) if at >= heard and frame["type"] == "welcome")
    assert ada.heard[welcome]["user"]["id"] == "cat"
    assert '"ada"' not in json.dumps(ada.heard[welcome:])
    assert await bob.happened() == ["ada joined", "ada left", "cat joined"]


async def test_a_restart_of_the_server_flickers_nothing(
    shared_browser: Browser, lasting_server: DevServer, pages: Path
) -> None:
    with site_of(pages, lasting_server.url) as site:
        tabs = Tabs(shared_browser, site, lasting_server.url)
        bob, ada = await both(tabs, "restart")
        stopped = await asyncio.to_thread(lasting_server.stop)
        assert stopped == 0
        await asyncio.to_thread(lasting_server.start)
        for tab in (ada, bob):
            await tab.do("here.client.hurry()")  # the leases are shorter than a wait may be
        for tab in (ada, bob):
            await tab.until("!here.room.getSnapshot().stale && here.room.getSnapshot().count === 2", 30)
        await bob.pause(LASTING_SECONDS + GRACE_SECONDS + 1)
        assert await bob.happened() == ["ada joined"]
        assert await tabs.close() == []


@pytest.mark.parametrize("how", ["delete globalThis.WebSocket", "blocked by the network"])
async def test_where_websockets_are_blocked_http_takes_over(tabs: Tabs, how: str) -> None:
    bob, cat = await tabs.open("bob", room="http"), await tabs.blank()
    if how.startswith("delete"):
        await cat.page.add_init_script(how)
    else:
        await cat.page.route_web_socket("**/v1/ws", lambda socket: socket.close())
    await cat.open(user="cat", room="http")
    assert await cat.do("here.client.connection.getSnapshot().transport") == "http"
    await bob.sees("cat")
    await cat.sees("bob")
    await cat.do("here.room.typing()")
    await bob.page.wait_for_selector("#typing:text-is('cat')")
    await cat.do("here.client.close()")
    await bob.misses("cat")
    assert await bob.happened() == ["cat joined", "cat left"]


async def test_the_pages_broke_no_rule_of_their_security_policy(tabs: Tabs) -> None:
    assert tabs.site.violations == []
