"""What a room of 1,000 members costs the main thread of a page that shows it, at 20 changes a second.

The page is made with the elements, and is built beforehand: `scripts/build js`. Chromium says how long the main thread
had tasks; the same page while nobody changes anything is the floor.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

from playwright.async_api import CDPSession, Route, async_playwright

from bench.load import HOST, Client, Swarm
from bench.process import OPEN, QUIET, running_server
from bench.report import Figure

NAME = "main_thread"
MEMBERS = 999
CHANGES_PER_SECOND = 20
ROOM = "bench"
DIST = Path(__file__).parents[1] / "js" / "dist"
PAGE = f"""<!doctype html><title>bench</title>
<presence-provider room="{ROOM}">
  <presence-avatars max="5"></presence-avatars><presence-count></presence-count>
  <presence-typing></presence-typing>
</presence-provider>
<ul></ul>
<script type="module">
  import "/bench/elements.js";
  import {{ createPresence }} from "/bench/index.js";
  const presence = createPresence({{ url: location.origin, getToken: () => "dev:viewer" }});
  document.querySelector("presence-provider").client = presence;
  const room = presence.room("{ROOM}");
  globalThis.changes = 0;
  room.subscribe(() => {{ globalThis.changes += 1; globalThis.members = room.getSnapshot().members.length; }});
  room.join();
</script>"""


async def run(small: bool) -> list[Figure]:
    """Measure; small means for a shorter time."""
    seconds = 5 if small else 20
    program = shutil.which("chromium")
    if program is None or not (DIST / "elements.js").exists():
        print("left out: it needs chromium and js/dist; scripts/test and `scripts/build js` make them", file=sys.stderr)
        return []
    async with running_server(OPEN + QUIET) as server, async_playwright() as playwright:
        swarm = Swarm(server.port)
        clients = await swarm.open(MEMBERS)
        await swarm.greet(clients)
        for client in clients:
            client.send(b'{"type":"join","id":1,"room":"%b"}' % ROOM.encode())
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page()
        await page.route("**/bench/**", _answer)
        await page.goto(f"http://{HOST}:{server.port}/bench/page.html")
        await page.wait_for_function(f"globalThis.members === {MEMBERS + 1}", timeout=30_000)
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Performance.enable")
        calm = await _busy(devtools, seconds)
        before = await page.evaluate("changes")
        changing = asyncio.create_task(_change(clients))
        busy = await _busy(devtools, seconds)
        heard = await page.evaluate("changes") - before
        changing.cancel()
        await browser.close()
        swarm.close()
    return [
        Figure(NAME, "main thread at work, calm", calm * 100, "%"),
        Figure(NAME, "main thread at work, 20 changes/s among 1,000", busy * 100, "%", 10, "at most"),
        Figure(NAME, "changes that the page was told of", heard / seconds, "1/s"),
    ]


async def _answer(route: Route) -> None:
    name = route.request.url.rpartition("/")[2]
    if name == "page.html":
        await route.fulfill(body=PAGE, content_type="text/html")
    else:
        await route.fulfill(path=DIST / name, content_type="text/javascript")


async def _busy(devtools: CDPSession, seconds: float) -> float:
    """The share of the time in which the main thread had a task."""

    async def spent() -> tuple[float, float]:
        metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
        told = {metric["name"]: metric["value"] for metric in metrics}
        return told["TaskDuration"], told["Timestamp"]

    task, at = await spent()
    await asyncio.sleep(seconds)
    task_after, at_after = await spent()
    return (task_after - task) / (at_after - at)


async def _change(clients: list[Client]) -> None:
    n = 0
    while True:
        for client in clients:
            n += 1
            client.send(b'{"type":"update","room":"%b","state":{"n":%d}}' % (ROOM.encode(), n))
            await asyncio.sleep(1 / CHANGES_PER_SECOND)
