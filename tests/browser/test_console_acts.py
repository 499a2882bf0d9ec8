"""What one does in the console: reason, dry run, the time to undo, and who is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from .console_page import OPERATOR, READER, arena, console

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOON = 15_000
"""The time to undo is eight seconds."""


async def mean_to_clear(page: Page, reason: str) -> None:
    await page.get_by_role("button", name="Clear").first.click()
    await page.get_by_label("Reason, for the audit").fill(reason)
    await page.get_by_role("button", name="Dry run").click()
    await page.get_by_text("nothing was changed").wait_for()


async def test_a_holding_is_cleared_after_a_dry_run_and_the_time_to_undo(
    shared_browser: Browser, tmp_path: Path
) -> None:
    async with arena(tmp_path) as running, console(shared_browser, running) as ops:
        ada = await running.enter("ada", "lobby")
        await ada.ask("occupy", resource="desk:7")
        await ops.sign_in()
        await ops.go("holdings?kind=desk")
        await ops.row("desk:7")
        await mean_to_clear(ops.page, "forgot to log off")
        assert "It would concern 1 user: ada." in await ops.page.locator(".dryrun").inner_text()
        await ops.page.get_by_role("button", name="Do it").click()
        await ops.page.get_by_role("button", name="Undo").click()
        await ops.page.locator(".toast").wait_for(state="detached")
        assert len(running.node.holdings) == 1
        await mean_to_clear(ops.page, "forgot to log off")
        await ops.page.get_by_role("button", name="Do it").click()
        assert len(running.node.holdings) == 1
        await ops.page.get_by_text("Done: 1 user. It is in the audit.").wait_for(timeout=SOON)
        assert len(running.node.holdings) == 0
        await ops.sees("Nothing of the kind desk is held.")
        await ops.go("audit?action=clear")
        assert "forgot to log off" in await ops.row("key:ops")


async def test_sign_in_and_clear_need_no_mouse(shared_browser: Browser, tmp_path: Path) -> None:
    async with arena(tmp_path) as running, console(shared_browser, running) as ops:
        await running.enter("ada", "lobby")
        page = ops.page
        await page.goto(f"http://127.0.0.1:{running.port}/console/#/rooms")
        await page.get_by_label("API key").wait_for()
        await page.keyboard.press("Tab")
        await page.keyboard.type(OPERATOR)
        await page.keyboard.press("Enter")
        await ops.row("lobby")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
        await page.keyboard.press("Enter")
        for _ in range(12):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.textContent") == "Clear":
                break
        await page.keyboard.press("Enter")
        await page.get_by_role("dialog").wait_for()
        await page.keyboard.type("spam")
        await page.keyboard.press("Enter")
        await page.get_by_text("nothing was changed").wait_for()
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Undo").wait_for()
        await page.keyboard.press("Shift+Tab")
        while await page.evaluate("document.activeElement.textContent") != "Undo":
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Undo").wait_for(state="detached")


async def test_the_server_refuses_what_the_page_does_not_offer(shared_browser: Browser, tmp_path: Path) -> None:
    async with arena(tmp_path) as running, console(shared_browser, running) as eyes:
        await eyes.sign_in(READER)
        tried = await eyes.page.evaluate(
            """async () => {
                const { csrf } = await (await fetch('session')).json();
                const send = headers => fetch('api/v1/admin/sweep', { method: 'POST', body: '{}', headers:
                    { 'Content-Type': 'application/json', ...headers } });
                const answers = [await send({}), await send({ 'X-CSRF-Token': csrf })];
                return Promise.all(answers.map(async answer => [answer.status, (await answer.json()).detail]));
            }"""
        )
        assert [status for status, _ in tried] == [403, 403]
        assert "X-CSRF-Token" in tried[0][1] and "lacks the scope 'admin'" in tried[1][1]


async def test_a_session_that_the_server_forgot_asks_to_sign_in_again(shared_browser: Browser, tmp_path: Path) -> None:
    async with arena(tmp_path) as running, console(shared_browser, running) as ops:
        await ops.sign_in()
        await ops.page.context.clear_cookies()
        await ops.page.get_by_text("The session is over. Please sign in again.").wait_for(timeout=SOON)
