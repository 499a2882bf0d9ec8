"""What the admin console costs its page while 10,000 users are here and come and go: the longest tasks.

The console is built beforehand: `scripts/build console`. Each view is live for some seconds, and Chromium's trace
says how long each task took. A task under 16 ms keeps every frame of a screen with 60 a second.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, Page, async_playwright

from bench.load import HOST, Client, Swarm
from bench.process import OPEN, QUIET, running_server
from bench.report import Figure, quantile

NAME = "console"
USERS = 10_000
PORTION = 1_000
"""Sessions that are opened at one time: a hello has five seconds."""

COMING_AND_GOING = 50
"""Joins and leaves in a second."""

VIEWS: Final = ("overview", "users", "rooms")
FILES = Path(__file__).parents[1] / "src" / "hereabouts" / "console_files"


async def run(small: bool) -> list[Figure]:
    """Measure; small means for a shorter time."""
    seconds = 6 if small else 20
    program = shutil.which("chromium")
    if program is None or not (FILES / "index.html").exists():
        print(
            "left out: it needs chromium and the console; scripts/test and `scripts/build` make them", file=sys.stderr
        )
        return []
    async with running_server(OPEN + QUIET) as server, async_playwright() as playwright:
        swarm = Swarm(server.port)
        for _ in range(USERS // PORTION):
            await swarm.greet(await swarm.open(PORTION))
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page()
        await page.goto(f"http://{HOST}:{server.port}/console/")
        await page.get_by_label("API key").fill("dev:eve:admin")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("navigation", name="Views").wait_for()
        changing = asyncio.create_task(_change(swarm.clients))
        figures: list[Figure] = []
        for view in VIEWS:
            tasks = await _live(browser, page, view, seconds)
            figures += [
                Figure(NAME, f"{view}: longest task of the main thread", max(tasks), "ms", 16, "at most"),
                Figure(NAME, f"{view}: p99 of those over 1 ms", quantile([t for t in tasks if t > 1], 0.99), "ms"),
            ]
        changing.cancel()
        await browser.close()
        swarm.close()
    return figures


async def _live(browser: Browser, page: Page, view: str, seconds: float) -> list[float]:
    """How many milliseconds each task took while a view was there and up to date by itself."""
    await page.evaluate("(view) => { location.hash = `#/${view}` }", view)
    await page.get_by_role("main").get_by_role("heading", level=1).wait_for()
    await asyncio.sleep(3)  # the first drawing of a view is no frame of a live one
    await browser.start_tracing(page=page, categories=["toplevel", "disabled-by-default-devtools.timeline"])
    await asyncio.sleep(seconds)
    return _tasks(json.loads(await browser.stop_tracing())["traceEvents"])


def _tasks(events: list[dict[str, Any]]) -> list[float]:
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        event["dur"] / 1000
        for event in events
        if event["name"].endswith("RunTask") and "dur" in event and (event["pid"], event["tid"]) in threads
    ]
    return tasks or [0.0]


async def _change(clients: list[Client]) -> None:
    while True:
        for client in clients:
            client.send(b'{"type":"join","id":1,"room":"room-%d"}' % (client.index % 50))
            await asyncio.sleep(1 / COMING_AND_GOING)
