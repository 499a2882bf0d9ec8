"""What axe-core finds on a page."""

from __future__ import annotations

from playwright.async_api import Page

from .building import JS

SERIOUS = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ['violations'] });
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  return serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}"""


async def serious_faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical on this page."""
    devtools = await page.context.new_cdp_session(page)
    # By the browser's protocol: the page's policy lets no script in that is not its own.
    await devtools.send("Runtime.evaluate", {"expression": (JS / "node_modules/axe-core/axe.min.js").read_text()})
    return list(await page.evaluate(SERIOUS))
