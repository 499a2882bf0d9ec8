"""A server with a crowd, and the console of it in a browser: what its tests have in common."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, Page

from hereabouts.testing.arena import Arena

ROOT: Final = Path(__file__).parents[2]
OPERATOR: Final = "hk_" + "o" * 43
READER: Final = "hk_" + "r" * 43
ODD_NAME: Final = "<img/src=x/onerror=document.title='broken'>"
VIEWS: Final = ("overview", "users", "rooms", "holdings?kind=desk", "analytics", "audit", "policy")
POLICY: Final[dict[str, Any]] = {
    "default": {"grace_seconds": 2.5, "occupancy": {"release_after_seconds": 60}},
    "roles": {"agent": {"idle_after_seconds": 4}},
}


def build() -> None:
    """The console as its sources are; nothing to do where `scripts/test` built it."""
    subprocess.run([sys.executable, ROOT / "hatch_build.py", "console"], check=True)


def key(name: str, secret: str, *scopes: str) -> dict[str, Any]:
    """An entry of `auth.api_keys`."""
    return {"name": name, "hash": sha256(secret.encode()).hexdigest(), "scopes": scopes}


@asynccontextmanager
async def arena(folder: Path, **more: Any) -> AsyncIterator[Arena]:
    """A server with a journal, an operator's key and a reader's; and more settings."""
    build()
    keys = [key("ops", OPERATOR, "admin", "read", "write"), key("eyes", READER, "admin:read")]
    settings = {
        "auth": {"api_keys": keys},
        "policy": POLICY,
        "journal": {"url": f"sqlite:///{folder}/journal.db", "flush_seconds": 0.01},
        **more,
    }
    async with Arena(settings) as running:
        yield running


class ConsolePage:
    """One browser's console. `problems` is what the page complained of: errors, and breaches of its policy."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.problems: list[str] = []
        self._base = base
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _heard(self, type: str, text: str) -> None:
        # That a call was refused is what some tests are about.
        if type in ("error", "warning") and "the server responded with a status of 4" not in text:
            self.problems.append(text)

    async def sign_in(self, secret: str = OPERATOR) -> None:
        """By the form."""
        await self.page.goto(f"{self._base}/console/")
        await self.page.get_by_label("API key").fill(secret)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.page.get_by_role("navigation", name="Views").wait_for()

    async def go(self, view: str) -> None:
        """To a view, once it shows what it is about."""
        await self.page.goto(f"{self._base}/console/#/{view}")
        await self.page.get_by_role("main").get_by_role("heading", level=1).wait_for()

    async def sees(self, text: str) -> None:
        """The view says this, now or soon."""
        await self.page.get_by_role("main").get_by_text(text).first.wait_for(timeout=5_000)

    async def row(self, name: str) -> str:
        """The text of the table's row that begins with this, as soon as it is there."""
        row = self.page.get_by_role("row").filter(has=self.page.get_by_role("rowheader", name=name)).first
        await row.wait_for(timeout=5_000)
        return await row.inner_text()


@asynccontextmanager
async def console(browser: Browser, running: Arena, **options: Any) -> AsyncIterator[ConsolePage]:
    """A new browser profile at the console of this server. At its end the page must have had nothing to complain of."""
    context = await browser.new_context(**options)
    await context.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.violatedDirective))"
    )
    opened = ConsolePage(await context.new_page(), f"http://127.0.0.1:{running.port}")
    yield opened
    assert opened.problems == []
    await context.close()
