"""React and the elements in a real browser: what is said on the wire, what is rendered, and that names are text."""

from __future__ import annotations

import asyncio

import pytest

from hereabouts.testing.waiting import pause

from .axe import serious_faults
from .building import JS, node
from .tabs import Tab, Tabs

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRACE_SECONDS = 2.0
NASTY = "<img/src=x/onerror=document.title=1>"


async def test_strict_mode_two_components_and_a_change_of_page_are_one_join_and_one_leave(tabs: Tabs) -> None:
    bob, ada = await tabs.open("bob", room="react"), await tabs.open("ada", "react", room="react")
    await ada.page.wait_for_selector("#names:text-is('bob')")
    await ada.page.click("#to-second")
    await ada.page.wait_for_selector("h1:text-is('second')")
    await ada.page.wait_for_selector("#names:text-is('bob')")
    await ada.pause(1)
    assert (len(ada.said("hello")), len(ada.said("join")), len(ada.said("leave"))) == (1, 1, 0)
    await ada.page.click("#to-none")
    await bob.misses("ada")
    assert (len(ada.said("join")), len(ada.said("leave"))) == (1, 1)
    assert await bob.happened() == ["ada joined", "ada left"]


async def test_beats_and_updates_that_are_not_shown_render_nothing(tabs: Tabs) -> None:
    bob, ada = await tabs.open("bob", room="still"), await tabs.open("ada", "react", room="still")
    await ada.page.wait_for_selector("#names:text-is('bob')")
    before, beats = await ada.do("rendered.names"), len(ada.said("beat"))
    for page in range(20):
        await bob.do("(page) => here.room.update({ page })", page)
        await pause(0.1)
    await ada.until("here.room.getSnapshot().others[0].state.page === 19")
    assert len(ada.said("beat")) > beats
    assert await ada.do("rendered.names") == before


async def test_typing_by_the_props_of_the_hook(tabs: Tabs) -> None:
    bob, ada = await tabs.open("bob", room="props"), await tabs.open("ada", "react", room="props")
    await bob.sees("ada")
    await ada.page.fill("#message", "h")
    await bob.page.wait_for_selector("#typing:text-is('ada')")
    await bob.page.fill("#message", "h")
    await ada.page.wait_for_selector("#typing:text-is('bob')")
    await ada.page.click("h1")
    await bob.page.wait_for_selector("#typing:empty", state="attached")


async def test_a_page_that_a_server_has_rendered_is_taken_over_as_it_is(tabs: Tabs) -> None:
    html = await asyncio.to_thread(node, JS / "build" / "render" / "render.js")
    assert "nobody yet" in html and '<p id="bob">offline</p>' in html
    page = (tabs.site.folder / "hydrate.html").read_text()
    tabs.site.replaced["/hydrate.html"] = page.replace('id="root"></main>', f'id="root">{html}</main>')
    bob, ada = await tabs.open("bob", room="ssr"), await tabs.blank()
    complaints: list[str] = []
    ada.page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    await ada.open("hydrate", user="ada", room="ssr")
    await ada.page.wait_for_selector("#names:has-text('bob')")
    await ada.page.wait_for_selector("#bob:text-is('online')")
    await bob.sees("ada")
    assert complaints == []


@pytest.mark.parametrize("name", ["plain", "react", "elements"])
async def test_a_name_is_text_everywhere(tabs: Tabs, name: str) -> None:
    nasty, bob = await tabs.open(NASTY, room=f"x-{name}"), await tabs.blank()
    await bob.open(name, user="bob", role="admin", room=f"x-{name}", about=NASTY)
    await nasty.do("(text) => here.client.setStatus('dnd', { text })", NASTY)
    await nasty.do("(text) => here.room.update({ [text]: text })", NASTY)
    await nasty.do(f"here.client.occupy('desk:x-{name}')")
    await nasty.page.fill("#message", "h")
    await bob.until("here.room.getSnapshot().typing.length === 1")
    await bob.until("here.room.getSnapshot().others[0].status === 'dnd'")
    assert await bob.page.title() != "1" and await nasty.page.title() != "1"
    for tab in (bob, nasty):
        assert await tab.page.locator("img").count() == 0
    shown = await bob.page.locator("body").inner_text() if name != "elements" else await spoken(bob)
    assert NASTY in shown


async def spoken(tab: Tab) -> str:
    """The text in the shadow roots of the elements."""
    text = "[...document.querySelectorAll('presence-provider > *')].map((e) => e.shadowRoot?.textContent).join(' ')"
    return str(await tab.do(text))


async def test_the_elements_show_what_the_server_says(tabs: Tabs) -> None:
    bob = await tabs.open("bob", "elements", role="admin", room="elements", about="ada")
    ada = await tabs.open("ada", room="elements")
    await bob.page.wait_for_selector("presence-dot:has-text('online')")
    await bob.page.wait_for_selector("presence-count:has-text('2 here')")
    await ada.page.fill("#message", "h")
    await bob.page.wait_for_selector("presence-typing:has-text('ada is typing…')")
    await ada.do("here.client.occupy('desk:elements')")
    await bob.page.wait_for_selector("presence-occupancy:has-text('ada')")
    await ada.do("here.client.close()")
    await bob.page.wait_for_selector("presence-dot:has-text('offline')")
    await bob.page.wait_for_selector("presence-last-seen:has-text('this minute'), presence-last-seen:has-text('now')")


async def test_the_debug_view_names_a_pitfall_and_what_the_connection_ended_with(tabs: Tabs) -> None:
    bob = await tabs.open("bob", "elements", room="debug")
    view = bob.page.locator("presence-debug")
    await view.locator("[part=facts]:has-text('connected, websocket')").wait_for()
    await view.locator("[part=rooms]:has-text('debug')").wait_for()
    await bob.do("void here.client.room('silent').subscribe(() => undefined)")
    await view.locator("[part=notices]:has-text('silent: silent')").wait_for()
    await bob.do("void here.client.room('silent').watch()")
    await view.locator("[role=status]:text-is('nothing looks wrong')").wait_for()
    await bob.page.context.set_offline(True)
    await view.locator("[part=facts]:has-text('comes back')").wait_for()
    await bob.page.context.set_offline(False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious_in_the_elements(tabs: Tabs, scheme: str) -> None:
    bob = await tabs.blank()
    await bob.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await bob.open("elements", user="bob", role="admin", room="axe", about="ada")
    ada = await tabs.open("ada", room="axe")
    await bob.page.wait_for_selector("presence-count:has-text('2 here')")
    await ada.page.fill("#message", "h")
    await bob.page.wait_for_selector("presence-typing:has-text('ada is typing…')")
    assert await serious_faults(bob.page) == []


async def test_the_pages_broke_no_rule_of_their_security_policy(tabs: Tabs) -> None:
    assert tabs.site.violations == []
