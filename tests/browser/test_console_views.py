"""What the console shows: each view says what the server says, to whom may see it, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from hereabouts.testing.arena import Arena
from hereabouts.testing.valkey import valkey

from .console_page import ODD_NAME, READER, ROOT, VIEWS, arena, console

pytestmark = pytest.mark.asyncio(loop_scope="session")

AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"


async def test_a_wrong_key_is_refused_and_a_right_one_comes_in_until_it_signs_out(
    shared_browser: Browser, tmp_path: Path
) -> None:
    async with arena(tmp_path) as running, console(shared_browser, running) as ops:
        await ops.page.goto(f"http://127.0.0.1:{running.port}/console")
        await ops.page.get_by_label("API key").fill("hk_wrong")
        await ops.page.get_by_role("button", name="Sign in").click()
        assert "not known here" in await ops.page.get_by_role("alert").inner_text()
        await ops.sign_in()
        assert await ops.page.evaluate("document.cookie") == ""
        assert [cookie["httpOnly"] for cookie in await ops.page.context.cookies()] == [True]
        await ops.page.reload()
        await ops.sees("Here now")
        await ops.page.get_by_role("button", name="Sign out").click()
        await ops.page.get_by_text("You are signed out.").wait_for()
        await ops.page.reload()
        await ops.page.get_by_label("API key").wait_for()


async def test_each_view_shows_what_the_server_says(shared_browser: Browser, tmp_path: Path) -> None:
    async with arena(tmp_path) as running, console(shared_browser, running) as ops:
        ada = await running.enter("ada", "lobby", platform="web")
        await running.enter("ada", "lobby", platform="web")
        await running.enter("bob", "lobby", "doc:1")
        await ada.ask("occupy", resource="desk:7")
        await ops.sign_in()
        tiles = ops.page.locator("[data-tile]")
        await tiles.nth(4).wait_for()
        shown = {await tile.get_attribute("data-tile"): await tile.inner_text() for tile in await tiles.all()}
        assert shown["Here now"].split("\n") == ["Here now", "2", "3 sessions"]
        assert shown["Ghosts"].split("\n")[1] == "0"
        assert "serving" in await ops.row(running.node.context.owner.node)
        await running.enter("cat", "lobby")
        await ops.page.locator("[data-tile='Here now'] strong:text-is('3')").wait_for(timeout=5_000)
        await ops.go("users")
        assert "web" in await ops.row("ada") and "doc:1" in await ops.row("bob")
        await ops.go("users?room=doc%3A1")
        await ops.row("bob")
        assert await ops.page.get_by_role("rowheader", name="ada").count() == 0
        await ops.go("rooms")
        assert (await ops.row("lobby")).split("\t")[:4] == ["lobby", "3", "4", "4"]
        await ops.go("holdings?kind=desk")
        assert "ada" in await ops.row("desk:7")
        await ops.go("audit")
        assert "sign in" in await ops.row("key:ops")
        await ops.go("analytics")
        await ops.sees("At most 3 users at once.")
        await ops.row("ada")
        await ops.go("policy")
        assert "2.5 s" in await ops.row("grace_seconds")
        await ops.page.get_by_role("button", name="role agent").click()
        assert "role agent" in await ops.row("idle_after_seconds")


async def test_why_somebody_is_shown_so_is_told_in_sentences(shared_browser: Browser, tmp_path: Path) -> None:
    async with arena(tmp_path) as running, console(shared_browser, running) as ops:
        ada = await running.enter("ada", "lobby")
        await ops.sign_in()
        await ops.page.get_by_role("link", name="Users").click()
        await ops.page.get_by_label("User id").fill("ada")
        await ops.page.get_by_role("button", name="Explain").click()
        await ops.sees("A visible session has human input.")
        timeline = ops.page.locator(".timeline")
        told = await timeline.inner_text()
        assert "is removed and others are told, unless it is heard of before" in told
        assert "lease.visible_seconds is 3 s, set by the layer “default”" in told
        assert "from offline to online" in told
        assert "admin" in await ops.row("admin")
        await ada.ask("status", status="busy")
        await ops.sees("The user declared busy.")
        await ops.page.get_by_label("Viewer (").fill("bob")
        await ops.page.get_by_role("button", name="Look").click()
        assert "busy" in await ops.row("bob")


async def test_a_name_that_is_markup_is_text_everywhere(shared_browser: Browser, tmp_path: Path) -> None:
    async with arena(tmp_path) as running, console(shared_browser, running) as ops:
        wire = await running.enter(ODD_NAME, ODD_NAME)
        await wire.ask("occupy", resource=f"desk:{ODD_NAME}")
        await ops.sign_in()
        for view in VIEWS:
            await ops.go(view)
            if not view.startswith(("overview", "audit", "policy")):
                await ops.sees(ODD_NAME)
            assert await ops.page.locator("img").count() == 0
        await ops.page.get_by_role("link", name="Users").click()
        await ops.page.get_by_role("link", name=ODD_NAME).click()
        await ops.sees("A visible session has human input.")
        assert ODD_NAME in await ops.page.title()
        assert await ops.page.locator("img").count() == 0


async def test_who_only_reads_has_no_button_that_acts_and_is_told_what_the_key_lacks(
    shared_browser: Browser, tmp_path: Path
) -> None:
    async with arena(tmp_path) as running, console(shared_browser, running) as eyes:
        await running.enter("ada", "lobby")
        await eyes.sign_in(READER)
        await eyes.go("rooms")
        await eyes.row("lobby")
        assert await eyes.page.get_by_role("button", name="Clear").count() == 0
        await eyes.go("users/ada")
        await eyes.sees("A visible session has human input.")
        assert await eyes.page.get_by_role("button", name="End").count() == 0
        await eyes.go("holdings?kind=desk")
        await eyes.sees("To see holdings the key needs the scope read as well.")
        assert "read only" in await eyes.page.locator(".me").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_serious_stands_in_the_way_of_anybody(
    shared_browser: Browser, tmp_path: Path, scheme: Any
) -> None:
    async with (
        arena(tmp_path) as running,
        console(shared_browser, running, color_scheme=scheme, bypass_csp=True) as ops,
    ):
        ada = await running.enter("ada", "lobby")
        await ada.ask("occupy", resource="desk:7")
        await ops.page.goto(f"http://127.0.0.1:{running.port}/console/")
        await ops.page.get_by_label("API key").wait_for()
        found = await violations(ops.page)
        await ops.sign_in()
        for view in (*VIEWS, "users/ada"):
            await ops.go(view)
            await ops.page.locator(".empty:text-is('Loading …')").first.wait_for(state="detached")
            found += await violations(ops.page)
        await ops.go("rooms")
        await ops.page.get_by_role("button", name="Clear").click()
        found += await violations(ops.page)
        assert found == []


async def violations(page: Any) -> list[str]:
    await page.evaluate(AXE.read_text("utf-8"))
    result = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{page.url} {found['id']}: {found['nodes'][0]['html'][:200]}"
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
    ]


async def test_every_node_s_console_shows_all_nodes(shared_browser: Browser, tmp_path: Path) -> None:
    with valkey(tmp_path) as store:
        shared: dict[str, Any] = {"backend": {"url": store.url}}
        async with (
            arena(tmp_path, **shared, server={"node": "n1"}) as running,
            Arena({**shared, "server": {"node": "n2"}}) as other,
            console(shared_browser, running, viewport={"width": 375, "height": 740}) as ops,
        ):
            await running.enter("ada", "lobby")
            for user_id in ("bob", "cat"):
                await other.enter(user_id, "lobby")
            await ops.sign_in()
            await ops.page.get_by_text("3 users and 3 sessions on all of them").wait_for(timeout=10_000)
            for row in ("n1 serving 1 1", "n2 serving 2 2"):
                await ops.page.get_by_role("row", name=row).wait_for(timeout=10_000)
            assert await ops.page.evaluate("document.documentElement.scrollWidth") <= 375
            other.node.driver.is_draining = True
            await ops.page.get_by_role("cell", name="draining").wait_for(timeout=10_000)
            await ops.go("users?room=lobby")
            assert "elsewhere" in await ops.row("bob")


async def test_on_a_phone_no_view_is_wider_than_the_screen(shared_browser: Browser, tmp_path: Path) -> None:
    size = {"width": 375, "height": 740}
    async with arena(tmp_path) as running, console(shared_browser, running, viewport=size) as ops:
        await running.enter("a-user-whose-id-is-longer-than-anybody-would-type-by-hand@example.org", "lobby")
        await ops.sign_in()
        for view in VIEWS:
            await ops.go(view)
            await ops.page.locator(".empty:text-is('Loading …')").first.wait_for(state="detached")
            assert await ops.page.evaluate("document.documentElement.scrollWidth") <= 375, view
