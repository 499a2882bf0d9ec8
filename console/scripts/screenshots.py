"""Makes the pictures of the console: every view in light, dark and at the width of a phone, of a server with a story.

`scripts/screenshots` shows them in a folder; with `--keep` those of the documentation are written to docs/images.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, Page, async_playwright

from hereabouts.auth.api_keys import new_key
from hereabouts.journal.base import SessionClosed, SessionOpened, Transition
from hereabouts.journal.opening import open_journal
from hereabouts.testing.arena import Arena

ROOT = Path(__file__).parents[2]
KEPT = {
    "overview-light": "console-overview.png",
    "overview-dark": "console-overview-dark.png",
    "explain-light": "console-explain.png",
    "analytics-light": "console-analytics.png",
    "clear-light": "console-clear.png",
    "overview-phone": "console-phone.png",
}
VIEWS = {
    "overview": "#/overview",
    "users": "#/users",
    "explain": "#/users/ada",
    "rooms": "#/rooms",
    "holdings": "#/holdings?kind=account",
    "analytics": "#/analytics?days=7",
    "audit": "#/audit",
    "policy": "#/policy",
}
PEOPLE = ("ada", "bea", "carl", "dina", "emil", "fay", "gus", "hana", "ivo", "june", "kai", "lena")
PEOPLE += ("mats", "nora", "omar", "pia", "quin", "rosa", "sam", "tess", "uma", "vik", "wanda")
KEY = new_key("anna@desk", ["admin", "read", "write"], ["default"], lambda size: b"k" * size)
POLICY: dict[str, Any] = {
    "default": {"preset": "collab-list", "views_users": {"admin": "full", "agent": "status", "default": "existence"}},
    "roles": {"agent": {"idle_after_seconds": 120}},
    "rooms": {"support": {"grace_seconds": 5}},
}


def past(now_at: int) -> list[Any]:
    """A week of office hours."""
    chance, rows = random.Random(7), []
    midnight = now_at - now_at % 86_400_000
    for day in range(7, -1, -1):
        start = midnight - day * 86_400_000
        weekend = time.gmtime(start / 1000).tm_wday > 4
        for name in PEOPLE:
            if chance.random() < (0.8 if weekend else 0.1):
                continue
            begin = start + int(chance.gauss(8.5, 1.2) * 3_600_000)
            end = begin + int(max(0.3, chance.gauss(6, 2.5)) * 3_600_000)
            if end > now_at - 60_000:
                continue
            session = f"{name}-{day}"
            rows += [
                SessionOpened("default", session, name, "n1", "web", begin),
                Transition("default", name, "offline", "online", None, begin),
                Transition("default", name, "online", "offline", "leave", end),
                SessionClosed("default", session, end, "leave", end),
            ]
    return rows


async def populate(arena: Arena) -> None:
    chance = random.Random(3)
    for name in PEOPLE:
        rooms = {"lobby", chance.choice(["support:1", "support:2", "doc:plan", "doc:budget"])}
        wire = await arena.enter(name, *sorted(rooms), platform=chance.choice(["web", "ios", "android"]))
        status = chance.choices(["available", "away", "busy", "dnd", "invisible"], [12, 2, 2, 1, 1])[0]
        if status != "available" and name != "ada":
            await wire.ask("status", status=status)
    await arena.enter("ada", "lobby", platform="ios")


async def hold(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, headers={"X-API-Key": KEY.key}) as http:
        for place, name in enumerate(PEOPLE[:9]):
            body = {"user_id": name, "on_conflict": "reject"}
            (await http.put(f"/v1/occupancy/account/{1001 + place}", json=body)).raise_for_status()
        for body in (
            {"what": "user", "id": "zoe", "reason": "left the firm"},
            {"what": "holding", "id": "account:1009", "reason": "forgot to log off"},
        ):
            (await http.post("/v1/admin/clear", json=body)).raise_for_status()
        kick = {"room": "lobby", "user_id": "yan", "reason": "spam in the lobby", "mode": "cooldown"}
        (await http.post("/v1/admin/kick", json=kick)).raise_for_status()


async def sign_in(browser: Browser, url: str, width: int, scheme: Any) -> Page:
    page = await browser.new_page(viewport={"width": width, "height": 860}, color_scheme=scheme)
    await page.goto(f"{url}/console/")
    await page.get_by_label("API key").fill(KEY.key)
    return page


async def take(page: Page, into: Path, suffix: str) -> None:
    await page.screenshot(path=into / f"login-{suffix}.png")
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("navigation", name="Views").wait_for()
    for name, place in VIEWS.items():
        await page.goto(page.url.partition("#")[0] + place)
        await page.wait_for_timeout(4_500 if name == "overview" else 1_200)
        await page.screenshot(path=into / f"{name}-{suffix}.png", full_page=suffix == "phone")
    await page.goto(page.url.partition("#")[0] + VIEWS["holdings"])
    await page.get_by_role("button", name="Clear").first.click()
    await page.get_by_label("Reason, for the audit").fill("shift is over")
    await page.get_by_role("button", name="Dry run").click()
    await page.get_by_text("nothing was changed").wait_for()
    await page.screenshot(path=into / f"clear-{suffix}.png")
    await page.get_by_role("button", name="Do it").click()
    await page.get_by_role("button", name="Undo").wait_for()
    await page.screenshot(path=into / f"undo-{suffix}.png")
    await page.get_by_role("button", name="Undo").click()


async def run(into: Path, journal: Path, suffixes: list[str]) -> None:
    url = f"sqlite:///{journal}"
    before = open_journal(url)
    await before.open()
    before.record(past(int(time.time() * 1000)))
    await before.flush()
    await before.close()
    entry = {"name": "anna@desk", "hash": KEY.line.split('"')[3], "scopes": ["admin", "read", "write"]}
    settings = {"auth": {"api_keys": [entry]}, "policy": POLICY, "journal": {"url": url}, "server": {"node": "n1"}}
    async with Arena(settings) as arena, async_playwright() as playwright:
        await populate(arena)
        base = f"http://127.0.0.1:{arena.port}"
        await hold(base)
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for suffix, width, scheme in (("light", 1180, "light"), ("dark", 1180, "dark"), ("phone", 375, "light")):
            if suffix in suffixes:
                await take(await sign_in(browser, base, width, scheme), into, suffix)
        await browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, help="the folder; a new one unless told")
    parser.add_argument("--only", nargs="*", default=["light", "dark", "phone"])
    parser.add_argument("--keep", action="store_true", help="write those of the documentation to docs/images")
    given = parser.parse_args()
    into = given.into or Path(tempfile.mkdtemp(prefix="hereabouts-console-"))
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(into, Path(folder) / "journal.db", given.only))
    if given.keep:
        (ROOT / "docs" / "images").mkdir(exist_ok=True)
        for name, kept in KEPT.items():
            shutil.copy(into / f"{name}.png", ROOT / "docs" / "images" / kept)
    print(into)


main()
