"""What somebody gets who installs the package into an empty application and pastes the README's lines into it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser

from .building import ROOT, install, vite
from .conftest import DevServer
from .site import site_of
from .tabs import Tabs

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = '<!doctype html><title>app</title><div id="root"></div><script type="module" src="./main.tsx"></script>'
MAIN = """import { createRoot } from "react-dom/client";
import { App } from "./App";

createRoot(document.getElementById("root")!).render(<App />);
"""


def lines_of_readme() -> str:
    """The README's lines of React."""
    found = re.search(r"```tsx\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def application(folder: Path, url: str) -> Path:
    """An empty application with the packed package installed: what was built of it."""
    install(folder)
    (folder / "index.html").write_text(PAGE)
    (folder / "main.tsx").write_text(MAIN)
    (folder / "App.tsx").write_text(lines_of_readme().replace("http://127.0.0.1:8765", url))
    (folder / "tsconfig.json").write_text('{"compilerOptions": {"jsx": "react-jsx", "target": "ES2022"}}')
    vite(folder)
    return folder / "dist"


async def test_the_readme_s_lines_in_an_empty_application_show_who_is_here(
    shared_browser: Browser, shared_server: DevServer, tabs: Tabs, tmp_path: Path
) -> None:
    with site_of(application(tmp_path, shared_server.url), shared_server.url) as site:
        ada = await (await shared_browser.new_context()).new_page()
        await ada.goto(f"{site.url}/index.html")
        await ada.wait_for_selector("p:text-is('ada')")
        bob = await tabs.open("bob", room="lobby")
        await bob.sees("ada")
        await ada.wait_for_selector("p:has-text('ada'):has-text('bob')")
        await ada.context.close()
        assert site.violations == []
