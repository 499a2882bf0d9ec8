"""The example of a support inbox, built from the packed package, in the hands of three people."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from .axe import serious_faults
from .building import ROOT, install, vite
from .conftest import DevServer
from .site import Site, site_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 360, "height": 740}


class People:
    """Pages of the inbox, each in a browser context of its own."""

    def __init__(self, browser: Browser, site: Site, server: str) -> None:
        self._browser = browser
        self._site = site
        self._server = server
        self._pages: list[Page] = []
        self.problems: list[str] = []

    async def open(self, user: str, scheme: str = "light", **more: str) -> Page:
        """The inbox as this user."""
        context = await self._browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
        page = await context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        self._pages.append(page)
        await page.goto(f"{self._site.url}/index.html?{urlencode({'server': self._server, 'user': user, **more})}")
        return page

    async def close(self) -> None:
        """Close all of them."""
        for page in self._pages:
            await page.context.close()


@pytest.fixture(scope="module")
def inbox(shared_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("example") / "inbox"
    shutil.copytree(ROOT / "examples" / "inbox", folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    install(folder)
    vite(folder)
    with site_of(folder / "dist", shared_server.url) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def people(shared_browser: Browser, shared_server: DevServer, inbox: Site) -> AsyncIterator[People]:
    opened = People(shared_browser, inbox, shared_server.url)
    yield opened
    await opened.close()
    assert (opened.problems, inbox.violations) == ([], [])


async def test_two_people_see_who_is_online_reads_and_types(people: People) -> None:
    ada, bob = await people.open("ada"), await people.open("bob")
    await ada.wait_for_selector("#online:has-text('with 1 of 3 colleagues online')")
    await ada.wait_for_selector("#readers:has-text('bob here too')")
    await bob.click("nav button:has-text('Mr Okoye')")
    await ada.wait_for_selector("#readers:has-text('You alone read this.')")
    await bob.fill("[aria-label=Message]", "h")
    await ada.wait_for_selector("nav button:has-text('Mr Okoye'):has-text('bob typing')")
    await bob.fill("[aria-label=Message]", "hello")
    await bob.click("text=Send")
    await ada.click("nav button:has-text('Mr Okoye')")
    await ada.wait_for_selector("main li:has-text('bob hello')")
    await bob.context.close()
    await ada.wait_for_selector("#online:has-text('with 0 of 3')")


async def test_nobody_is_told_to_be_alone_before_the_server_has_answered(people: People) -> None:
    ada = await people.open("ada")
    await ada.route_web_socket("**", lambda _: None)
    await ada.reload()
    await ada.wait_for_selector("main h2")
    assert await ada.inner_text("#readers") == ""


async def test_a_colleague_is_picked_by_status_and_hears_of_it(people: People) -> None:
    ada, bob = await people.open("ada"), await people.open("bob")
    await ada.click("text=Write to a colleague")
    await ada.wait_for_selector(".picker button[data-status=offline]:has-text('dan')")
    await ada.click(".picker button[data-status=online]:has-text('bob')")
    await ada.wait_for_selector("main h2:text-is('bob')")
    await bob.click("nav ul:not(.picker *) .entry:has(> span:text-is('ada'))")
    await ada.wait_for_selector("#readers:has-text('bob here too')")


async def test_an_account_has_one_holder_whom_admins_are_told(people: People) -> None:
    ada, bob, eve = await people.open("ada"), await people.open("bob"), await people.open("eve", role="admin")
    await ada.click("[aria-label='Take Support line']")
    await ada.wait_for_selector(".account:has-text('Support line') .badge:text-is('held by you')")
    await bob.wait_for_selector(".account:has-text('Support line') .badge:text-is('held by somebody')")
    assert await bob.locator("[aria-label='Take Support line']").is_disabled()
    await eve.wait_for_selector(".account:has-text('Support line') .badge:text-is('held by ada')")
    await eve.click("button:text-is('Take over')")
    await ada.wait_for_selector(".account:has-text('Support line') .badge:text-is('held by somebody')")
    await eve.click("[aria-label='Release Support line']")
    await bob.wait_for_selector(".account:has-text('Support line') .badge:text-is('free')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_a_phone_and_axe_finds_nothing_serious(people: People, scheme: str, tmp_path: Path) -> None:
    ada = await people.open("ada", scheme)
    await ada.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await people.open("bob")
    await ada.wait_for_selector("#readers:has-text('bob here too')")
    await ada.click("[aria-label='Take Sales line']")
    await ada.click("text=Write to a colleague")
    assert await ada.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await serious_faults(ada) == []
    await ada.click("[aria-label='Release Sales line']")
